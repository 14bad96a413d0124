"""Variance components: against those of simulated studies, balanced and with holes."""

import itertools
import math

import numpy as np
import pytest

from transfer.study.statistics.components import variance_components

TRUE = {"stage": 0.02, "network": 0.05, "content": 0.1, "style": 0.08, "rest": 0.04}


def simulate(random, hole_share):
    """Return values and factors of 5 stages x 6 seeds x 5 contents x 6 styles; networks are nested in stages."""
    cells = list(itertools.product(range(5), range(6), range(5), range(6)))
    cells = [cell for cell in cells if random.random() >= hole_share]
    effects = {name: random.normal(0, math.sqrt(TRUE[name]), 30) for name in TRUE}
    columns = {
        "stage": [stage for stage, *_ in cells],
        "content": [content for _, _, content, _ in cells],
        "style": [style for *_, style in cells],
        "network": [6 * stage + seed for stage, seed, *_ in cells],
    }
    values = sum(effects[name][np.array(levels)] for name, levels in columns.items())
    return values + random.normal(0, math.sqrt(TRUE["rest"]), len(cells)), columns


@pytest.mark.parametrize("hole_share", [0.0, 0.4])
def test_estimates_are_right_on_average(hole_share):
    random = np.random.default_rng(0)
    found = [variance_components(*simulate(random, hole_share)) for _ in range(40)]
    assert list(found[0]) == ["stage", "content", "style", "network", "rest"]
    for name, true in TRUE.items():
        values = [components[name] for components in found]
        assert np.mean(values) == pytest.approx(true, abs=3.5 * np.std(values) / math.sqrt(40))
    assert np.std([components["rest"] for components in found]) < 0.01  # the check above is no blank one


def test_balanced_two_way_table_is_the_textbook_analysis_of_variance():
    table = np.random.default_rng(1).normal(size=(4, 7))
    rows, columns = np.indices(table.shape)
    found = variance_components(table.ravel(), {"row": rows.ravel().tolist(), "column": columns.ravel().tolist()})
    left = table - table.mean(0) - table.mean(1)[:, None] + table.mean()
    rest = (left**2).sum() / (3 * 6)
    assert found["rest"] == pytest.approx(rest)
    assert found["row"] == pytest.approx(table.mean(1).var(ddof=1) - rest / 7)
    assert found["column"] == pytest.approx(table.mean(0).var(ddof=1) - rest / 4)


def test_factor_that_is_another_by_a_second_name_is_unknown():
    values, columns = simulate(np.random.default_rng(2), 0.0)
    found = variance_components(values, {**columns, "style again": columns["style"]})
    assert math.isnan(found["style again"])
    without = variance_components(values, columns)
    assert all(found[name] == pytest.approx(value) for name, value in without.items())
