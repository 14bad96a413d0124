import json
import math

import pytest

from transfer.judges import trust
from transfer.judges.trust import Validity, load_validity, ranked, save_validity


def judge(name="judge/lp@net", **changes):
    facts = {
        "aspect": "style",
        "auc": 0.9123,
        "told": (0.95, 0.9, 1.0),
        "untold": (0.9, 0.85, 0.97),
        "pooled": 0.88,
        "frauds": {"content": (1.0, 1.0, 1.0), "noise": (0.8246, 0.7, 0.9)},
        "goods": {"quilt": 0.91},
        "dose": {"quilt": 0.9, "evaluations": 1.0, "gatys": 0.6},
        "sensitivity": {"weight 10 over 3": 1.0},
        "plain": {"gatys 100": 0.6},
        "repainted": 0.01,
        "between": 0.05,
        "repaintings": {"noise": 0.01},
        "changes": {"size": 0.1},
        "pairs": 4,
    }
    return Validity(name=name, **(facts | changes))


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A table of four judges in place of the one that comes with the package."""
    table = {
        "judge/lp@net": judge(),
        "judge/lp@other": judge("judge/lp@other", untold=(0.9, 0.7, 1.0)),
        "judge/style": judge("judge/style", frauds={"content": (0.4, 0.3, 0.5)}),
        "judge/colour": judge("judge/colour", auc=math.nan, untold=(math.nan,) * 3, frauds={}),
    }
    path = tmp_path / "validity.json"
    save_validity(path, table, {"size": 256})
    load_validity.cache_clear()
    monkeypatch.setattr(trust, "load_validity", lambda: load_validity(path))
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
    assert [trust.is_trusted(name) for name in names] == [True, False, False, None, None]
    assert [trust.mark(name)[len(name) :] for name in names] == ["", "!", "!", "?", "?"]


def test_without_a_table_nothing_is_known(tmp_path):
    assert load_validity(tmp_path / "none.json") == {}


def test_shipped_table_holds_verdicts_that_follow_the_rule():
    table = load_validity()
    assert table["judge/style"].is_trusted is not None
    stated = json.loads(trust.SHIPPED.read_text())["judges"]
    assert {name: each.is_trusted for name, each in table.items()} == {
        name: fields["is_trusted"] for name, fields in stated.items()
    }
    assert table["judge/colour"].is_trusted is False  # of which is known that noise fools it
    assert any(each.is_trusted for each in table.values() if each.aspect == "style")


@pytest.mark.parametrize(
    ("part", "failing"),
    [
        ("frauds", {"untold": (0.9, 0.79, 0.95)}),
        ("kind", {"frauds": {"noise": (0.49, 0.4, 0.6)}}),
        ("dose", {"dose": {"quilt": 1.0, "gatys": 0.49}}),
        ("dose", {"dose": {"evaluations": -1.0}}),
        ("plain", {"plain": {"gatys 10": 1.0, "neural-style 100": 0.49}}),
        ("again", {"repainted": 0.02}),
    ],
)
def test_one_failure_is_enough(part, failing):
    assert judge().is_trusted is True
    assert judge(**failing).is_trusted is False
    assert judge(**failing).failures == (part,)
    if part not in ("frauds", "kind"):  # of which only judges of style are asked
        assert judge(aspect="content", **failing).is_trusted is True


def test_what_was_not_asked_decides_nothing():
    asked_little = judge(dose={"quilt": -1.0}, plain={}, repainted=math.nan, between=math.nan)
    assert math.isnan(asked_little.least_dose + asked_little.least_plain + asked_little.repeat_ratio)
    assert asked_little.is_trusted is True


def test_judges_are_ranked_within_their_aspect():
    table = {
        "a": judge("a", auc=0.5),
        "b": judge("b", auc=math.nan),
        "c": judge("c", auc=0.9),
        "d": judge("d", aspect="content", auc=0.1),
    }
    assert [each.name for each in ranked(table)] == ["d", "c", "a", "b"]


def test_verdict_is_a_word():
    assert [judge(**changes).verdict for changes in ({}, {"untold": (0.9, 0.7, 1.0)}, {"pairs": 1})] == [
        "trusted",
        "fails",
        "none",
    ]
