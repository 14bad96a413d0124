"""The legend says of every measure which way is better, its unit and its range."""

import dataclasses

from nstkit.measure import Measure, legend

PROBE = Measure("extractor/probe", max, "fraction", (0.0, 1.0), True, "somebody", "extractor")


def test_measures_that_are_read_alike_stand_together():
    knn = dataclasses.replace(PROBE, name="extractor/knn")
    error = dataclasses.replace(PROBE, name="extractor/ece", higher_is_better=False)
    assert legend([PROBE, error, knn]) == "probe, knn ↑ fraction, 0 to 1; ece ↓ fraction, 0 to 1"


def test_units_and_ends_that_there_are_not_are_left_out():
    rank = dataclasses.replace(PROBE, name="judge/style/rank", unit="", range=(1.0, float("inf")))
    peak = dataclasses.replace(PROBE, name="extractor/peak", unit="", range=(0.01, 1.0), higher_is_better=False)
    assert legend([rank, peak]) == "style/rank ↑ from 1; peak ↓ 0.01 to 1"


def test_nothing_has_no_legend():
    assert legend([]) == ""
