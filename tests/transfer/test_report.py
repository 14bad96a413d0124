"""What is said of the judges: which way is better, and which of them failed."""

import pytest

from nstkit.measure import Measure
from transfer import report
from transfer.report import judges_line, judges_table

STYLE = Measure("judge/style", max, "", (-1.0, 1.0), True, "", "style")
COLOUR = Measure("judge/colour", max, "", (0.0, 1.0), False, "", "colour")
OTHER = Measure("judge/lp@x", max, "", (0.0, 1.0), True, "", "style")
JUDGED = {"judge/colour": 0.25, "judge/lp@x": 0.5, "judge/style": -0.125}


@pytest.fixture(autouse=True)
def _colour_failed(monkeypatch):
    monkeypatch.setattr(report, "mark", lambda name: name + ("!" if name == "judge/colour" else ""))


def test_line_has_the_columns_of_the_table_with_their_direction():
    assert judges_line(JUDGED, (STYLE, COLOUR, OTHER)) == "style↑ -0.125  colour!↓ 0.250"


def test_table_has_every_judge_and_says_what_the_marks_mean():
    lines = judges_table(JUDGED).splitlines()
    assert lines[2:5] == ["| judge/colour! | 0.25 |", "| judge/lp@x | 0.5 |", "| judge/style | -0.125 |"]
    assert "fails its test" in lines[-1]
