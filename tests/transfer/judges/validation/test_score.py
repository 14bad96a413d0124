import dataclasses
import math

import pytest
import torch

from nstkit.measure import Measure
from transfer.judges.eye_judge import EyeJudge
from transfer.judges.panel import Panel
from transfer.judges.trust import LEAST_PAIRS
from transfer.judges.validation.cases import Case
from transfer.judges.validation.score import QUESTIONS, format_table, is_asked, judge_cases, summarise

PAIRS = tuple(f"pair{number}" for number in range(LEAST_PAIRS))
VALUES = {"content": 0.1, "noise": 0.2, "blend_50": 0.6, "style_crop": 0.9, "quilt": 0.7, "random_network": 0.3}


def level(value):
    return torch.full((1, 3, 4, 4), value)


def measure(name, higher_is_better=True, aspect="style"):
    return Measure(name, lambda picture: picture.mean().item(), "", (0.0, 1.0), higher_is_better, "a test", aspect)


class FakePanel:
    """Judges that return the brightness of a picture, and count how often they are asked."""

    def __init__(self, *measures):
        self.measures, self.calls = measures, 0

    def judge(self, picture, content, style):
        self.calls += 1
        return {each.name: each.function(picture) for each in self.measures}


@pytest.fixture
def cases():
    content, style = level(0.1), level(0.8)
    return [Case(pair, kind, level(value), content, style) for pair in PAIRS for kind, value in VALUES.items()]


def validity_of(cases, judge):
    return summarise((judge,), cases, judge_cases(FakePanel(judge), cases))[judge.name]


def test_each_judge_is_asked_about_what_it_was_always_asked_about(backbone, cpu):
    weights = {"relu1_1": torch.ones(1)}  # so that there is LPIPS
    panel = Panel(cpu, fixed=(EyeJudge("net", backbone, weights),))
    asked = {
        "style": "style style_margin/lp style_rank/lp style_margin/gram style_rank/gram style_margin/recoloured "
        "lp gram colour colour_histogram texture gabor",
        "content": "content content_margin/layout content_rank/layout cfsd lpips",
        "artefacts": "artefacts artefacts/ghost artefacts/high_frequencies artefacts/checkerboard artefacts/clipped",
    }
    expected = {f"judge/{name}": question for question, names in asked.items() for name in names.split()}
    assert {each.name.partition("@")[0]: QUESTIONS[each.aspect] for each in panel.measures} == expected


def test_a_judge_that_sees_the_style_is_trusted(cases):
    validity = validity_of(cases, measure("judge/style"))
    assert validity.frauds == dict.fromkeys(("content", "noise", "blend_50", "random_network"), (1.0, 1.0, 1.0))
    assert (validity.auc, validity.pooled) == (1, 1)
    assert validity.told == validity.untold == (1, 1, 1)
    assert validity.goods == {"style_crop": 1, "quilt": 1}
    assert validity.pairs == LEAST_PAIRS
    assert validity.is_trusted is True


def test_the_same_numbers_the_other_way_round_fail(cases):
    validity = validity_of(cases, measure("judge/style", higher_is_better=False))
    assert validity.auc == 0
    assert validity.is_trusted is False


def test_kinds_that_judges_hold_are_counted_apart(cases):
    worse = [
        dataclasses.replace(case, picture=level(0.95)) if case.kind == "random_network" else case for case in cases
    ]
    validity = validity_of(worse, measure("judge/style"))
    assert (validity.told[0], validity.untold[0], validity.auc) == (1, 0, 0.75)
    assert validity.is_trusted is False


def test_one_fraud_that_is_preferred_is_enough_to_fail(cases):
    fooled = [dataclasses.replace(case, picture=level(0.8)) if case.kind == "blend_50" else case for case in cases] + [
        Case(pair, "scrambled", level(0.0), level(0.1), level(0.8)) for pair in PAIRS
    ]
    validity = validity_of(fooled, measure("judge/style"))
    assert validity.frauds["blend_50"][0] == 0.5
    assert validity.is_trusted is True
    worse = [dataclasses.replace(case, picture=level(0.95)) if case.kind == "blend_50" else case for case in fooled]
    validity = validity_of(worse, measure("judge/style"))
    assert validity.auc == pytest.approx(0.8)
    assert validity.untold == (1, 1, 1)
    assert validity.worst == "blend_50"
    assert validity.is_trusted is False


def test_too_few_pairs_allow_no_verdict(cases):
    few = [case for case in cases if case.pair in PAIRS[:-1]]
    validity = validity_of(few, measure("judge/style"))
    assert validity.auc == 1
    assert validity.is_trusted is None


def test_doses_count_upwards_for_style_and_downwards_for_content(cases):
    content, style = level(0.1), level(0.8)
    doses = [
        Case(pair, "quilt", level(value), content, style, "dose/quilt", value)
        for pair in PAIRS
        for value in (0.1, 0.5, 0.4, 0.9)
    ]
    assert validity_of([*cases, *doses], measure("judge/style")).dose == {"quilt": pytest.approx(1)}
    assert validity_of([*cases, *doses], measure("judge/content", aspect="content")).dose == {
        "quilt": pytest.approx(-1)
    }
    assert validity_of([*cases, *doses], measure("judge/artefacts", aspect="artefacts")).dose == {}


def test_paintings_are_compared_within_their_painter(cases):
    content, style = level(0.1), level(0.8)

    def painted(value, series="", amount=1.0, painter="net"):
        return [Case(p, "painting", level(value), content, style, series, amount, painter) for p in PAIRS]

    extra = [
        *painted(0.6),
        *painted(0.8, painter="other"),
        *painted(0.5, "dose/weight", 3.0),
        *painted(0.9, "dose/weight", 10.0),
        *painted(0.4, "dose/gatys", 50.0),
        *painted(0.7, "dose/gatys", 100.0),
        *painted(0.62, "repainting/shift"),
    ]
    style_judge = validity_of([*cases, *extra], measure("judge/style"))
    assert style_judge.sensitivity == {"weight 10 over 3": 1}
    assert style_judge.plain == {"gatys 50": 1, "gatys 100": 0}
    assert style_judge.repeat_ratio == pytest.approx(0.1, rel=1e-4)
    assert style_judge.is_trusted is False
    content_judge = validity_of([*cases, *extra], measure("judge/content", aspect="content"))
    assert content_judge.sensitivity == content_judge.plain == {}


def test_changes_are_in_deviations_of_the_values_of_all_cases(cases):
    spread = torch.tensor([list(VALUES.values())]).std(correction=0).item()
    seen = [Case(pair, "quilt", level(0.6), level(0.1), level(0.8), "exposure", 0.8) for pair in PAIRS]
    validity = validity_of([*cases, *seen], measure("judge/style"))
    assert validity.changes == {"exposure": pytest.approx(0.1 / spread, rel=1e-5)}
    assert validity.auc == 1  # the changed picture is no case of its own


def test_the_same_tensors_are_judged_once(cases):
    panel = FakePanel(measure("judge/style"))
    values = judge_cases(panel, [*cases, *cases])
    assert panel.calls == len(cases)
    assert values["judge/style"][: len(cases)] == values["judge/style"][len(cases) :]


def test_no_network_judges_its_own_painting():
    painted = Case("p", "painting", level(0.9), level(0.1), level(0.8), painter="vgg19-file")
    partial = {"vgg19-file": {"vgg19"}}
    asked = {
        name: is_asked(name, painted, partial)
        for name in ("judge/lp@vgg19", "judge/lp@carried", "judge/style", "judge/texture")
    }
    assert asked == {"judge/lp@vgg19": False, "judge/lp@carried": True, "judge/style": True, "judge/texture": True}
    values = judge_cases(FakePanel(measure("judge/lp@vgg19")), [painted], partial)
    assert math.isnan(values["judge/lp@vgg19"][0])


def test_a_guard_is_asked_about_its_own_kind_and_about_good_pictures():
    def case(kind):
        return Case("p", kind, level(0.5), level(0.1), level(0.8))

    assert is_asked("judge/artefacts/ghost", case("blend_25"))
    assert not is_asked("judge/artefacts/ghost", case("checkered"))
    assert is_asked("judge/artefacts/ghost", case("quilt"))
    assert is_asked("judge/artefacts", case("checkered"))


def test_a_picture_that_is_too_small_for_a_judge_has_no_value(cases):
    panel = FakePanel(measure("judge/style"))

    def judge(picture, content, style):
        raise ValueError("too small")

    panel.judge = judge
    values = judge_cases(panel, cases)
    assert all(map(math.isnan, values["judge/style"]))
    validity = summarise(panel.measures, cases, values)["judge/style"]
    assert math.isnan(validity.auc)
    assert validity.is_trusted is None
    assert "none" in format_table({"judge/style": validity})


def test_table_names_verdict_and_worst_fraud(cases):
    judges = (measure("judge/style"), measure("judge/colour", higher_is_better=False, aspect="colour"))
    table = format_table(summarise(judges, cases, judge_cases(FakePanel(*judges), cases)))
    style, colour = (next(line for line in table.splitlines() if name in line) for name in ("judge/style", "colour"))
    assert "trusted" in style
    assert "fails" in colour
