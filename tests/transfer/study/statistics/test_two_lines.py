"""The two-lines test: it finds an inverted U, and none where a curve only levels off."""

import numpy as np
import pytest

from transfer.study.statistics.two_lines import two_lines

X = np.linspace(0, 1, 48)


def share_found(curve, studies=60, noise=0.1):
    random = np.random.default_rng(0)
    return np.mean([two_lines(X, curve(X) + random.normal(0, noise, 48)).p < 0.05 for _ in range(studies)])


def test_inverted_u_is_found_with_its_top():
    found = two_lines(X, -4 * (X - 0.5) ** 2 + np.random.default_rng(1).normal(0, 0.05, 48))
    assert found.p < 0.001
    assert found.first > 1
    assert found.second < -1
    assert found.at == pytest.approx(0.5, abs=0.1)
    assert share_found(lambda x: -4 * (x - 0.5) ** 2) > 0.95
    assert share_found(lambda x: 1.2 * np.minimum(x, 0.7) / 0.7 - 2 * np.maximum(x - 0.7, 0), noise=0.15) > 0.8


@pytest.mark.parametrize("curve", [lambda x: 0 * x, np.sqrt, lambda x: 1 - np.exp(-8 * x), lambda x: x])
def test_curve_that_does_not_fall_is_no_inverted_u(curve):
    """A quadratic regression takes each of the bent ones for one."""
    assert share_found(curve) < 0.12  # of 60


def test_upright_u_is_no_inverted_one():
    assert two_lines(X, 4 * (X - 0.5) ** 2).p == 1


def test_too_few_values_are_refused():
    with pytest.raises(ValueError, match="values at 7 places: it takes 8"):
        two_lines(np.repeat(X[:7], 2), np.arange(14.0))
