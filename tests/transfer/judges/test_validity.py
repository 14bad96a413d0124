import json
import math

import numpy as np
import pytest

from transfer.judges import validity
from transfer.judges.validity import Validity, load_validity, save_validity
from transfer.judges.validity_figure import validity_figure


def judge(name="judge/lp@net", **changes):
    facts = {
        "aspect": "style",
        "auc": 0.9123,
        "low": 0.85,
        "high": 0.97,
        "pooled": 0.88,
        "frauds": {"content": (1.0, 1.0, 1.0), "noise": (0.8246, 0.7, 0.9)},
        "goods": {"quilt": 0.91},
        "dose": {"quilt": 0.9},
        "changes": {"size": 0.1},
        "pairs": 4,
    }
    return Validity(name=name, **(facts | changes))


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A table of four judges in place of the one that comes with the package."""
    table = {
        "judge/lp@net": judge(),
        "judge/lp@other": judge("judge/lp@other", low=0.7),
        "judge/style": judge("judge/style", frauds={"content": (0.4, 0.3, 0.5)}),
        "judge/colour": judge("judge/colour", auc=math.nan, low=math.nan, high=math.nan, frauds={}),
    }
    path = tmp_path / "validity.json"
    save_validity(path, table, {"size": 256})
    load_validity.cache_clear()
    monkeypatch.setattr(validity, "load_validity", lambda: load_validity(path))
    yield path, table
    load_validity.cache_clear()


def test_table_is_read_back_as_it_was(shipped):
    path, table = shipped
    found = load_validity(path)
    assert found["judge/lp@net"] == table["judge/lp@net"]
    assert math.isnan(found["judge/colour"].auc)
    assert json.loads(path.read_text())["about"] == {"size": 256}


def test_trust_goes_by_measure_and_network(shipped):
    names = ("judge/lp@net", "judge/lp@other", "judge/style", "judge/colour", "judge/lp@third")
    assert [validity.is_trusted(name) for name in names] == [True, False, False, None, None]
    assert [validity.mark(name)[len(name) :] for name in names] == ["", "!", "!", "?", "?"]


def test_without_a_table_nothing_is_known(tmp_path):
    assert load_validity(tmp_path / "none.json") == {}


def test_shipped_table_holds_verdicts_that_follow_the_rule():
    table = load_validity()
    assert table["judge/style"].is_trusted is not None
    stated = json.loads(validity.SHIPPED.read_text())["judges"]
    assert {name: each.is_trusted for name, each in table.items()} == {
        name: fields["is_trusted"] for name, fields in stated.items()
    }
    assert table["judge/colour"].is_trusted is False  # of which is known that noise fools it
    assert any(each.is_trusted for each in table.values() if each.aspect == "style")


def test_figure_grows_with_the_judges_and_shows_frauds_that_win():
    small, large = (validity_figure({str(n): judge(str(n)) for n in range(count)}) for count in (2, 8))
    assert large.height > small.height
    good, bad = (validity_figure({"a": judge("a", auc=auc, frauds={"noise": (auc, auc, auc)})}) for auc in (0.95, 0.05))

    def redder(picture):
        red, green, _ = np.asarray(picture, float).transpose(2, 0, 1)
        return int((red - green > 80).sum())

    assert redder(bad) > redder(good) + 200
