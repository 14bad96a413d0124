"""What is said of the judges: which way is better, and which of them failed."""

import pytest

from transfer import report
from transfer.judges.eye_judge import EyeJudge
from transfer.judges.gabor_bank import GaborBank
from transfer.judges.panel import Panel
from transfer.report import judges_line, judges_table

JUDGED = {"judge/colour": 0.25, "judge/lp@x": 0.5, "judge/style": -0.125, "judge/style@x": 1.5}


@pytest.fixture(autouse=True)
def _colour_failed(monkeypatch):
    monkeypatch.setattr(report, "mark", lambda name: name + ("!" if name == "judge/colour" else ""))


def test_line_has_the_table_s_columns_with_their_direction_and_networks_beside_the_panel(cpu):
    fixed, beside = (EyeJudge(label, GaborBank()) for label in ("gabor", "x"))
    panel = Panel(cpu, (fixed,), (beside,), absent=("vgg19",))
    assert judges_line(JUDGED, panel) == (
        "style↑ -0.125  colour!↓ 0.250  style@x↑ 1.500  style@vgg19 -  (! = fails its own test)"
    )


def test_table_has_every_judge_and_says_what_the_marks_mean():
    lines = judges_table(JUDGED).splitlines()
    assert lines[2:5] == ["| judge/colour! | 0.25 |", "| judge/lp@x | 0.5 |", "| judge/style | -0.125 |"]
    assert "fails its test" in lines[-1]
