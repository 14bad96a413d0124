"""Two ways of painting compared pair by pair."""

import pytest
from PIL import Image

from nstkit.errors import UserError
from transfer.claims.bench import Shown, imagenet_vgg19, sheet_of
from transfer.claims.finding import claims_table
from transfer.claims.painted import compare
from transfer.pairs import Pair

PICTURE = Image.new("RGB", (60, 40))
PAIR = Pair("a", "b", PICTURE, PICTURE)


def shown(label, *values, **others):
    return [Shown(PAIR, "vgg19", label, {"judge/texture": value, **others}, PICTURE) for value in values]


@pytest.mark.parametrize(
    ("after", "is_lower_better", "verdict", "count"),
    [
        ((0.1, 0.2), True, "yes", 2),
        ((0.1, 0.2), False, "no", 0),
        ((0.1, 0.9), True, "mixed", 1),
        ((0.5, 0.5), True, "no", 0),
    ],
)
def test_claim_agrees_where_every_pair_does(after, is_lower_better, verdict, count):
    before = shown("SGD", 0.5, 0.5)
    finding = compare(before, shown("Adam", *after), "judge/texture", is_lower_better=is_lower_better)
    assert finding.agrees == verdict
    assert finding.measured.startswith("vgg19, SGD -> Adam: texture 0.5 (0.5 to 0.5) -> ")
    assert finding.measured.endswith(f"as claimed in {count} of 2 pairs")
    assert finding.values["Adam/judge/texture"] == pytest.approx(sum(after) / 2)


def test_second_number_is_said_where_it_is_there():
    one, other = shown("x", 0.5, change=0.25), shown("y", 0.4, change=0.125)
    measured = compare(one, other, "judge/texture", is_lower_better=True, also="change").measured
    assert "change 0.25 -> 0.125" in measured
    assert "change" not in compare(one, shown("y", 0.4), "judge/texture", is_lower_better=True, also="change").measured


def test_number_that_no_judge_gave_is_said():
    with pytest.raises(UserError, match="no judge/style: there is no judge"):
        shown("x", 0.5)[0].value("judge/style")
    (one,) = shown("x", 0.5, **{"not judged": "too narrow"})
    with pytest.raises(UserError, match="no judge/style: too narrow"):
        one.value("judge/style")


def test_sheet_has_a_row_for_each_way():
    rows = [shown("x", 0.5, 0.25), shown("y", 0.5, 0.25), shown("z", 0.5, 0.25)]
    tall, flat = sheet_of(rows, ("judge/texture",)), sheet_of(rows[:1], ("judge/texture",))
    assert tall.width == flat.width
    assert tall.height > 2 * flat.height


def test_table_is_one_line_a_claim():
    row = {"claim": "a|b", "source": "s", "measured": "m", "agrees": "yes"}
    assert claims_table([row, row]).splitlines()[2:] == ["| a/b | s | m | yes |"] * 2


def test_vgg19_is_what_was_asked_for():
    assert imagenet_vgg19("vgg19@random:3").label == "vgg19-random3"
    assert imagenet_vgg19(None).label.startswith(("vgg19", "carried"))
