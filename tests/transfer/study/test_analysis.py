"""From rows to the answer: on simulated studies whose effect is known."""

import math

import numpy as np
import pytest

from transfer.study.analysis import analyse, answer, choose_level, scaled_quality
from transfer.study.config import QuestionSettings
from transfer.study.table import tables_of

QUESTION = QuestionSettings()
NAMES = {"outcome": "judge/style", "matched_by": "judge/content", "quality": "extractor/probe"}


@pytest.fixture
def analyse_rows():
    def analyse_them(rows, question=QUESTION):
        return analyse(tables_of(rows, **NAMES)[0], question, replicates=20)

    return analyse_them


def test_effect_is_found_with_its_size(simulate, analyse_rows):
    found = analyse_rows(simulate(effect=0.08))
    assert found.primary.low < 0.08 < found.primary.high
    assert found.primary.p < 0.001
    assert found.primary.count == len(found.slopes) == 6
    assert found.bootstrap.low < found.primary.mean < found.bootstrap.high
    assert found.placebo.p < 0.06
    assert (found.level, found.censored) == (0.65, (0, 30))
    assert answer(found, QUESTION).startswith(
        "Yes: at judge/content 0.65 from a random to the best network judge/style "
    )


@pytest.mark.parametrize(
    ("effect", "margin", "sd", "beginning"),
    [
        (0.0, 0.06, 0.01, "No: "),
        (0.0, 0.005, 0.03, "Not decided: "),
        (-0.2, 0.03, 0.01, "No, a worse one: "),
        (0.03, 0.2, 0.001, "Hardly: "),
    ],
)
def test_answer_says_what_the_tests_allow(effect, margin, sd, beginning, simulate, analyse_rows):
    question = QuestionSettings(margin=margin)
    assert answer(analyse_rows(simulate(effect=effect, sd=sd), question), question).startswith(beginning)


def test_one_training_is_no_test(simulate, analyse_rows):
    found = analyse_rows(simulate(seeds=1))
    assert (found.primary, len(found.slopes)) == (None, 1)
    assert answer(found, QUESTION) == (
        "No answer: a test takes two training seeds of which two stages can be compared, and there are 1."
    )


def test_arm_off_the_line_is_found_where_it_lies(simulate, analyse_rows):
    (off,) = analyse_rows(simulate(noisy=0.06)).beside
    assert (off.arm, off.reached, off.count) == ("noise", 3, 3)
    assert off.off == pytest.approx(0.06, abs=0.015)
    (on,) = analyse_rows(simulate(noisy=0.0)).beside
    assert on.test.low < 0 < on.test.high


def test_network_that_does_not_reach_the_level_is_counted_and_not_extrapolated(simulate, analyse_rows):
    rows = simulate()
    for row in rows:
        if row["backbone"] == "a2-3":
            row["judge/content"] += 0.3
    found = analyse_rows(rows)
    assert found.censored == (1, 30)
    assert math.isnan(found.matched[[network.label for network in found.table.networks].index("a2-3")])
    assert found.primary.count == 6  # its seed has four stages left
    assert found.placebo is not None


def test_failed_cell_takes_its_pair_from_its_network_alone(simulate, analyse_rows):
    """A pair of which a weight is missing would shift one point of the front only."""
    rows = simulate(sd=0.0)
    whole = analyse_rows(rows).matched
    lost = next(row for row in rows if row["backbone"] == "a0-0" and row["style_weight"] == 30.0)
    del lost["judge/style"], lost["judge/content"]
    found = analyse_rows(rows)
    np.testing.assert_allclose(found.matched[1:], whole[1:])
    others = [row for row in rows if row["content"] != lost["content"] or row["style"] != lost["style"]]
    assert found.matched[0] == pytest.approx(analyse_rows(others).matched[0])


def test_level_moves_to_the_nearest_that_nine_of_ten_reach():
    content = np.array([[0.9, 0.5]] * 18 + [[0.9, 0.72]] * 2 + [[0.6, 0.5]] * 2)
    assert choose_level(content, 0.65) == pytest.approx(0.6)  # 18 of 22 reach 0.65 and 0.7; 20 of 22 reach 0.6
    assert choose_level(content[:19], 0.65) == 0.65
    assert choose_level(np.array([[0.9, 0.8], [0.3, 0.2]]), 0.5) == pytest.approx(0.3)  # half, the nearest of these


def test_quality_is_0_at_the_first_stage_and_1_at_the_best_of_the_first_arm(simulate):
    table = tables_of(simulate(), **NAMES)[0]
    scaled = scaled_quality(table)
    first = [place for place, network in enumerate(table.networks) if network.epoch == 0]
    assert scaled[first].mean() == pytest.approx(0)
    assert max(scaled) == pytest.approx(1)


def test_variance_is_split_as_it_was_made(simulate, analyse_rows):
    """Pairs differ by 0.05, networks of one stage by about 0.02."""
    found = analyse_rows(simulate(effect=0.0)).components
    pair = found["content"] + found["style"]
    assert math.sqrt(pair) == pytest.approx(0.05, rel=0.6)
    assert math.sqrt(found["network within a stage"]) == pytest.approx(0.022, rel=0.6)
    assert abs(found["stage of training"]) < 0.0002


def test_variants_sizes_and_seeds_of_the_painter_are_tables_of_their_own(simulate):
    rows = simulate(seeds=2)
    more = [{**row, "variant": "pixels"} for row in rows] + [{**row, "size_px": 256} for row in rows]
    tables = tables_of(rows + more, **NAMES)
    assert [(table.about["variant"], table.about["size_px"]) for table in tables] == [
        ("default", 192),
        ("pixels", 192),
        ("default", 256),
    ]
    assert {len(table.networks) for table in tables} == {12}


def test_grid_without_arms_is_described(simulate, analyse_rows):
    rows = [
        {name: row[name] for name in row if name not in ("arm", "train_seed", "epoch")} for row in simulate(seeds=2)
    ]
    found = analyse_rows(rows)
    assert found.slopes == {}
    assert np.isfinite(found.matched).all()
    assert answer(found, QUESTION).startswith("No answer: ")
