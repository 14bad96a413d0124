"""`python -m transfer.judges` from end to end, with judges that need no network."""

import json
import types

import pytest

from transfer.judges import panel
from transfer.judges.__main__ import main, with_picture_flag
from transfer.judges.network_free import JUDGES, judge_picture

QUICK = ("--device", "cpu", "--precision", "fp32", "--quiet")
TINY = (*QUICK, "--validate", "--size", "96", "--pairs", "1", "--steps", "1")


@pytest.fixture(autouse=True)
def judges_without_network(monkeypatch):
    def load(specs=(), **_):
        return types.SimpleNamespace(measures=JUDGES, judge=judge_picture, notes=("no network judges",))

    monkeypatch.setattr(panel, "load_panel", load)


def test_validation_writes_all_that_is_promised(tmp_path, call_command, read_events, capsys):
    assert call_command(main, *TINY, "--runs-dir", tmp_path, "--run-name", "one") == 0
    assert "1 painted, 0 found" in capsys.readouterr().out
    folder = tmp_path / "judges" / "one"
    names = {path.name for path in folder.iterdir() if not path.name.startswith("events")}
    tables = {"validity.json", "validity.csv", "validity.png", "values.csv", "cases.png"}
    assert names == {"config.json", "metrics.jsonl", "images"} | tables
    validity = json.loads((folder / "validity.json").read_text())
    assert set(validity["judges"]) == {judge.name for judge in JUDGES}
    assert validity["judges"]["judge/colour"]["frauds"]["noise"][0] < 0.5
    assert validity["judges"]["judge/colour"]["is_trusted"] is None  # of a single pair
    events = read_events(folder)
    assert {"image/cases", "image/validity"} <= set(events.Tags()["images"])
    assert events.Scalars("validity/colour")[0].value == pytest.approx(validity["judges"]["judge/colour"]["auc"], 1e-3)


def test_a_finished_picture_is_judged_beside_the_content_with_marks(pictures, call_command, capsys):
    boat, waves = pictures / "content" / "boat.png", pictures / "style" / "waves.jpg"
    assert call_command(main, boat, "--content", boat, "--style", waves, *QUICK) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("(the content)            boat.png")
    colour = next(line for line in lines if line.startswith("judge/colour"))
    assert colour.startswith("judge/colour!")
    assert colour.split()[-1] == colour.split()[-2]  # the picture is the content


def test_mistakes_are_named_in_one_line(pictures, call_command, capsys):
    boat = pictures / "content" / "boat.png"
    for words, expected in {
        (): "nothing to do",
        (boat,): "give both",
        (boat, "--validate"): "one after the other",
        ("--validate", "--size", 10): "--size 10",
        ("missing.png", "--content", boat, "--style", boat): "no such picture",
    }.items():
        assert call_command(main, *words, *QUICK) == 2
        error = capsys.readouterr().err
        assert expected in error
        assert len(error.splitlines()) == 1


def test_pictures_may_stand_first():
    assert with_picture_flag(["a.png", "b.png", "--content", "c.png"]) == [
        *("--picture", "a.png", "b.png"),
        *("--content", "c.png"),
    ]
    assert with_picture_flag(["--validate"]) == ["--validate"]
