import math

import numpy as np
import pytest
import torch

from transfer.judges.validation.cases import Case
from transfer.judges.validation.orders import dose_orders, preferred_to_plain, repeatability, sensitivity

GREY = torch.full((1, 3, 4, 4), 0.5)


def judged(value, series="", amount=1.0, painter="net", pair="p", kind="painting"):
    return Case(pair, kind, GREY, GREY, GREY, series, float(amount), painter), float(value)


def test_doses_are_ordered_within_pair_and_painter():
    # Taken together the two painters would show no order.
    steps = [judged(value, "dose/gatys", dose) for dose, value in ((25, 0.2), (10, 0.1), (0, 0.0))]
    steps += [judged(10 - value, "dose/gatys", dose, "other") for dose, value in ((0, 0), (10, 1), (25, 2), (50, 0.5))]
    (expected,) = {np.mean([1, -0.4])}
    assert dose_orders(steps) == {"gatys": pytest.approx(expected)}
    assert dose_orders(steps, falls=True) == {"gatys": pytest.approx(-expected)}


def test_neighbouring_doses_are_compared_one_by_one():
    weights = [judged(value, "dose/weight", dose) for dose, value in ((3, 0.1), (10, 0.2), (30, 0.2))]
    more = [judged(value, "dose/weight", dose, pair="q") for dose, value in ((30, math.nan), (3, 0.2), (10, 0.1))]
    assert sensitivity([*weights, *more]) == {"weight 10 over 3": 0.5, "weight 30 over 10": 0.5}
    assert sensitivity([judged(0.1, "dose/gatys", 10), judged(0.2, "dose/gatys", 25)]) == {}


def test_a_painting_is_compared_with_its_own_painters_under_stylized_pictures():
    cases = [
        *(judged(0.5), judged(0.1, painter="other"), judged(0.4, pair="q")),
        judged(0.0, "dose/gatys", 0, kind="content"),
        judged(0.2, "dose/gatys", 10),
        judged(0.3, "dose/gatys", 10, pair="q"),
        judged(0.6, "dose/gatys", 100),
        judged(0.3, "dose/gatys", 100, pair="q"),
        judged(0.9, "dose/weight", 30),
        judged(0.9, "dose/gatys", 100, painter="third"),  # whose painting there is not
    ]
    assert preferred_to_plain(cases) == {"gatys 10": 1.0, "gatys 100": 0.5}


def test_repeatability_is_pooled_within_pairs():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 2, 6))  # pairs, painters, a painting and its repaintings
    causes = ("", *(f"repainting/{cause}" for cause in ("noise", "seed", "shift", "padding", "start")))
    cases = [
        judged(value, series, 1.0, f"net{painter}", f"pair{pair}")
        for (pair, painter, number), value in np.ndenumerate(values)
        for series in (causes[number],)
    ]
    repainted, between, moves = repeatability(cases)
    assert repainted == pytest.approx(values.var(axis=2, ddof=1).mean() ** 0.5)
    assert between == pytest.approx(values[:, :, 0].var(axis=1, ddof=1).mean() ** 0.5)
    assert list(moves) == ["noise", "seed", "shift", "padding", "start"]
    assert moves["shift"] == pytest.approx(((values[..., 3] - values[..., 0]) ** 2).mean() ** 0.5)


def test_one_painter_shows_no_spread_between_networks():
    repainted, between, moves = repeatability([judged(0.1), judged(0.3, "repainting/noise")])
    assert repainted == pytest.approx(0.02**0.5)
    assert math.isnan(between)
    assert moves == {"noise": pytest.approx(0.2)}
    assert all(map(math.isnan, repeatability([])[:2]))
