"""The choice of an optimizer: each reaches the minimum in the box, and what goes from one size to the next."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize

from transfer.painting.canvas import build_canvas
from transfer.painting.optimizers.build import build_optimizer
from transfer.painting.optimizers.descent import Descent
from transfer.painting.optimizers.lbfgs import ProjectedLbfgs

SHAPE = (1, 3, 2, 4)
SIZE = math.prod(SHAPE)


def canvas_of(value):
    """Return a canvas of one value, in float64."""
    return torch.full(SHAPE, value, dtype=torch.float64)


@pytest.mark.parametrize(
    ("optimizer", "given", "calls", "share"),
    [
        ("lbfgs", {"line_search": "backtrack"}, 100, 1e-6),
        ("lbfgs", {"line_search": "wolfe"}, 150, 1e-6),
        ("adam", {"lr_decay": 0.98}, 300, 0.02),
        ("nadam", {"lr_decay": 0.98}, 300, 0.02),
        ("sgd", {"lr": 0.5}, 300, 0.02),
    ],
)
def test_every_optimizer_reaches_the_minimum_in_the_box(optimizer, given, calls, share, settings):
    """A convex function, bounded: sum of (1 + k / 8) log cosh(3 (x - goal)), coupled by a quadratic."""
    goal = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 1.5, SIZE))
    weight = 1 + torch.arange(SIZE) / 8

    def function(x):
        return (weight * torch.log(torch.cosh(3 * (x - goal)))).mean() + (x.sum() / SIZE - 0.2) ** 2

    def numpys(x):
        point = torch.from_numpy(x).requires_grad_()
        loss = function(point)
        return loss.item(), torch.autograd.grad(loss, point)[0].numpy()

    expected = optimize.minimize(numpys, np.full(SIZE, 0.5), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * SIZE).fun
    config = settings(optimizer=optimizer, **given).optimization
    canvas = build_canvas("pixels", canvas_of(0.5))
    moved = build_optimizer(config, canvas)
    start, best = function(canvas.parameters.flatten()).item(), math.inf
    for _ in range(calls):
        assert 0 <= canvas.parameters.min() <= canvas.parameters.max() <= 1
        loss = function(canvas.image().flatten())
        best = min(best, loss.item())
        moved.update(loss.item(), torch.autograd.grad(loss, canvas.parameters)[0])
    assert best - expected < share * (start - expected)
    assert best > expected - 1e-6


def test_spectrum_and_lbfgs_start_anew_at_every_size(settings):
    for given in ({"optimizer": "adam", "canvas": "fourier"}, {"optimizer": "lbfgs"}):
        config = settings(**given).optimization
        canvas = build_canvas(config.canvas, torch.full((1, 3, 6, 8), 0.5))
        small = build_optimizer(config, canvas)
        small.update(1.0, torch.ones_like(canvas.parameters))
        canvas = build_canvas(config.canvas, torch.full((1, 3, 12, 16), 0.5))
        large = build_optimizer(config, canvas, small)
        assert not (large._pairs if isinstance(large, ProjectedLbfgs) else large._optimizer.state)


def test_names_of_the_settings_give_the_optimizers(settings):
    canvas = build_canvas("pixels", canvas_of(0.5))
    assert isinstance(build_optimizer(settings(optimizer="lbfgs").optimization, canvas), ProjectedLbfgs)
    for name, kind in (("adam", torch.optim.Adam), ("nadam", torch.optim.NAdam), ("sgd", torch.optim.SGD)):
        optimizer = build_optimizer(settings(optimizer=name).optimization, canvas)
        assert isinstance(optimizer, Descent)
        assert type(optimizer._optimizer) is kind


def test_constants_of_the_settings_reach_the_optimizer(settings):
    given = {"lr": 5.0, "beta1": 0.8, "beta2": 0.7, "epsilon": 0.1, "lr_decay": 0.96, "lr_decay_steps": 100}
    for name in ("adam", "nadam", "sgd"):
        canvas = build_canvas("pixels", canvas_of(0.5))
        optimizer = build_optimizer(settings(optimizer=name, **given).optimization, canvas)
        (group,) = optimizer._optimizer.param_groups
        if name != "sgd":
            assert (group["betas"], group["eps"]) == ((0.8, 0.7), 0.1)
        for _ in range(100):
            optimizer.update(1.0, torch.zeros_like(canvas.parameters))
        assert group["lr"] == pytest.approx(5 * 0.96)
