"""Every number that a user can give has two ends, and what lies beyond them is one line."""

import math

import pytest
from annotated_types import Interval

from nstkit.annotations import is_list, marks_of, plain_of
from nstkit.config import parse
from nstkit.errors import UserError
from nstkit.quality.config import QualityConfig
from nstkit.settings import flag_of, leaves_of
from train_backbone.config import TrainConfig
from transfer.claims.config import ClaimsConfig
from transfer.config import TransferConfig
from transfer.judges.config import JudgesConfig
from transfer.painting.settings import split_weights
from transfer.study.config import StudyConfig

COMMANDS = (TrainConfig, TransferConfig, JudgesConfig, StudyConfig, ClaimsConfig, QualityConfig)
NUMBERS = {
    f"{cls.__name__} {flag_of(name)}": (cls, name, hint)
    for cls in COMMANDS
    for name, hint in leaves_of(cls).items()
    if plain_of(hint) in (int, float)
}


def interval_of(hint):
    """Return the interval of a number, of a list's items that of each."""
    marks = list(marks_of(hint))
    inner = getattr(hint, "__args__", (hint,))[0]
    if is_list(hint):
        inner = inner if not marks else inner.__args__[0]
        marks += marks_of(inner) + marks_of(getattr(inner, "__args__", (inner,))[0])
    (interval,) = (mark for mark in marks if isinstance(mark, Interval))
    return interval


@pytest.mark.parametrize("number", NUMBERS)
def test_number_has_two_ends(number):
    interval = interval_of(NUMBERS[number][2])
    assert [interval.ge, interval.gt].count(None) == 1
    assert [interval.le, interval.lt].count(None) == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_what_lies_beyond_is_one_line(number):
    cls, name, _ = NUMBERS[number]
    for word in ("nan", "inf", "-inf", "1e999", "1e300", "9" * 20, "9" * 5000, "-9999999999", "1_0_", ""):
        with pytest.raises(UserError) as error:
            parse(cls, "x", [f"{flag_of(name)}={word}", *(["--validate"] if cls is JudgesConfig else [])])
        assert str(error.value).startswith(f"not allowed: {flag_of(name)} ")
        assert str(error.value).count("\n") == 0


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf", "0", "-1", "1e300", "1e999", "one", "9" * 5000])
def test_weight_of_a_tap_has_two_ends(weight):
    with pytest.raises(UserError, match="the weight is no number above 0, at most 1e"):
        split_weights((f"relu1_1={weight}",), "--style-taps")


def test_weight_of_a_tap_is_taken():
    assert math.isclose(split_weights(("relu1_1=1e-3",), "--style-taps")["relu1_1"], 0.001)
