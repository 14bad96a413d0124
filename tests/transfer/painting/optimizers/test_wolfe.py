"""The line search: the conditions checked by hand on functions of one variable, and beside scipy's."""

import math

import numpy as np
import pytest
from scipy import optimize

from transfer.painting.optimizers.wolfe import CURVATURE, DECREASE, MOST_TRIALS, strong_wolfe


def quadratic(minimum):
    return lambda t: ((t - minimum) ** 2, 2 * (t - minimum))


def rosenbrock_slice(start, direction):
    """Rosenbrock's function and its slope along a line."""
    start, direction = np.array(start), np.array(direction)

    def function(t):
        x = start + t * direction
        return float(optimize.rosen(x)), float(optimize.rosen_der(x) @ direction)

    return function


def wavy(t):
    return -t + 0.2 * t**2 + 0.5 * math.sin(6 * t), -1 + 0.4 * t + 3 * math.cos(6 * t)


STEEPEST = -optimize.rosen_der(np.array([-1.2, 1.0]))
FUNCTIONS = {
    "quadratic near": quadratic(0.3),
    "quadratic far": quadratic(40.0),
    "quartic": lambda t: ((t - 2) ** 4, 4 * (t - 2) ** 3),
    "rosenbrock, steepest": rosenbrock_slice((-1.2, 1.0), tuple(STEEPEST)),
    "rosenbrock, along the valley": rosenbrock_slice((-0.5, 0.25), (1.0, -0.9)),
    "wavy": lambda t: wavy(t + 0.3),
    "hyperbola": lambda t: (math.sqrt(1 + (t - 3) ** 2), (t - 3) / math.sqrt(1 + (t - 3) ** 2)),
}


def search(function, length):
    """Return the accepted length and the lengths that were tried."""
    steps = strong_wolfe(*map(float, function(0.0)), length)
    tried, value = [], next(steps)
    try:
        while True:
            tried.append(value)
            value = steps.send(tuple(map(float, function(value))))
    except StopIteration as end:
        return end.value, tried


@pytest.mark.parametrize("length", [1e-3, 0.05, 1.0, 8.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_strong_wolfe_conditions_hold_where_it_ends(name, length):
    function = FUNCTIONS[name]
    loss, slope = function(0.0)
    assert slope < 0
    accepted, tried = search(function, length)
    assert accepted in tried
    assert len(tried) <= MOST_TRIALS
    new_loss, new_slope = function(accepted)
    assert new_loss <= loss + DECREASE * accepted * slope
    if len(tried) < MOST_TRIALS:
        assert abs(new_slope) <= CURVATURE * abs(slope)
    else:
        assert new_loss == min(function(t)[0] for t in tried)


def test_most_searches_need_few_trials():
    counts = [len(search(function, 1.0)[1]) for function in FUNCTIONS.values()]
    assert np.median(counts) <= 3


@pytest.mark.parametrize("name", ["quadratic near", "quartic", "rosenbrock, along the valley", "hyperbola"])
def test_it_gets_as_low_as_scipys(name):
    function = FUNCTIONS[name]
    theirs, *_ = optimize.line_search(
        lambda t: function(t[0])[0],
        lambda t: np.array([function(t[0])[1]]),
        np.zeros(1),
        np.ones(1),
        c1=DECREASE,
        c2=CURVATURE,
    )
    ours, _ = search(function, 1.0)
    start = function(0.0)[0]
    assert start - function(ours)[0] >= 0.5 * (start - function(theirs)[0]) > 0


def test_length_that_meets_the_conditions_is_taken_at_once():
    assert search(quadratic(1.1), 1.0) == (1.0, [1.0])


def test_length_is_doubled_until_the_slope_flattens():
    assert search(quadratic(40.0), 1.0) == (4.0, [1.0, 2.0, 4.0])  # the slope has to fall below 72 of 80


def test_quadratic_that_was_overstepped_is_solved_by_one_interpolation():
    accepted, tried = search(quadratic(1.0), 5.0)
    assert len(tried) == 2
    assert accepted == pytest.approx(1.0)  # the cubic through two points of a parabola is the parabola


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_losses_that_are_not_finite_are_stepped_back_from(wrong):
    def function(t):
        return quadratic(1.0)(t) if t < 3 else (wrong, math.nan)

    accepted, tried = search(function, 16.0)
    assert tried[:3] == [16.0, 8.0, 4.0]
    assert 0 < accepted < 3
    assert function(accepted)[0] < 1


def test_nothing_lower_gives_length_zero_and_the_rest_the_lowest():
    accepted, tried = search(lambda t: (abs(t), -1.0 if t == 0 else 1.0), 1.0)
    assert accepted == 0
    assert len(tried) == MOST_TRIALS
    assert min(tried) > 0
    accepted, tried = search(lambda t: (-t, -1.0), 1.0)  # falls for ever: no slope is flat enough
    assert accepted == max(tried) == 2.0 ** (MOST_TRIALS - 1)
