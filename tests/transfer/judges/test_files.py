import pytest

from nstkit.errors import UserError
from nstkit.measure import Measure
from transfer.judges.config import JudgedSettings
from transfer.judges.files import format_judgements, format_range, judge_files
from transfer.judges.panel import DESCRIPTIONS, Panel


@pytest.fixture
def panel(cpu):
    """Judges without a network."""
    return Panel(cpu)


def test_a_finished_picture_is_judged_beside_the_content_with_marks(pictures, panel, cpu, capsys):
    boat, waves = pictures / "content" / "boat.png", pictures / "style" / "waves.jpg"
    judge_files(panel, JudgedSettings(picture=(boat,), content=(boat,), style=(waves,)), cpu)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["measure", "better", "range", "unit", "(the", "content)", "boat.png"]
    assert len(lines) == len(panel.measures) + 1
    colour = next(line for line in lines if line.startswith("judge/colour!"))
    assert colour.split()[1:-2] == ["lower", "0", "to", "1", "sRGB", "value"]
    assert colour.split()[-1] == colour.split()[-2]  # the picture is the content
    assert lines[-1].startswith("! = fails its test")


def test_pictures_of_one_name_have_a_column_each(pictures, panel, cpu, capsys, tmp_path, draw_picture):
    boat = pictures / "content" / "boat.png"
    draw_picture((80, 80)).save(tmp_path / "boat.png")
    judge_files(panel, JudgedSettings(picture=(boat, tmp_path / "boat.png"), content=(boat,), style=(boat,)), cpu)
    assert capsys.readouterr().out.splitlines()[0].split()[-2:] == ["boat.png", "boat.png~2"]


def test_a_picture_that_is_too_small_is_named(pictures, panel, cpu, tmp_path, draw_picture):
    boat, narrow = pictures / "content" / "boat.png", tmp_path / "narrow.png"
    draw_picture((64, 40)).save(narrow)
    with pytest.raises(UserError, match=r"narrow.png: picture: 64 x 40 px"):
        judge_files(panel, JudgedSettings(picture=(narrow,), content=(boat,), style=(boat,)), cpu)


def test_table_has_a_row_a_measure_and_a_column_a_picture():
    measures = (
        Measure("judge/a", max, "octaves", (0.0, float("inf")), False, "", "colour"),
        Measure("judge/longer", max, "", (-1.0, 1.0), True, "", "style"),
    )
    judged = {
        "b.png": {"judge/a": 0.123456, "judge/longer": 1.0},
        "a_name_of_many_words.png": {"judge/a": 0.0, "judge/longer": -1.0},
    }
    assert format_judgements(measures, judged).splitlines() == [
        "measure        better  range      unit                  b.png  a_name_o…words.png",
        "judge/a?       lower   0 or more  octaves              0.1235                   0",
        "judge/longer?  higher  -1 to 1    -                         1                  -1",
    ]


def test_ranges_are_words():
    assert [format_range(measure.range) for measure in DESCRIPTIONS] == [
        *("0 to 1", "0 to 2", "-1 to 1", "0 to 1", "0 to 30"),
    ]
    assert format_range((-float("inf"), float("inf"))) == "any"
