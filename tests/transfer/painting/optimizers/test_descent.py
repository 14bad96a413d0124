"""Adam, NAdam and SGD in a box, what is carried from one size to the next, and the choice of an optimizer."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from transfer.painting.canvas import build_canvas
from transfer.painting.optimizers.build import build_optimizer
from transfer.painting.optimizers.descent import DESCENTS, FIRST_STEP, Descent

SHAPE = (1, 3, 2, 4)
SIZE = math.prod(SHAPE)
NAMES = pytest.mark.parametrize("name", ["adam", "nadam", "sgd"])


def canvas_of(values, shape=SHAPE):
    """Return a canvas from one value or as many as it has."""
    values = np.broadcast_to(np.asarray(values, np.float64), math.prod(shape))
    return torch.from_numpy(values.copy()).view(shape)


def random_gradient(seed, shape=SHAPE):
    return canvas_of(np.random.default_rng(seed).standard_normal(math.prod(shape)), shape)


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("adam", {"betas": (0.9, 0.99)}),
        ("adam", {"betas": (0.99, 0.999), "eps": 0.1}),
        ("nadam", {"betas": (0.9, 0.99), "eps": 0.1}),
        ("sgd", {}),
    ],
)
def test_it_is_torchs_inside_the_box(name, constants):
    canvas, reference = canvas_of(0.5), canvas_of(0.5).requires_grad_()
    optimizer = Descent(canvas, DESCENTS[name], 0.02, **constants)
    torchs = DESCENTS[name]([reference], lr=0.02, **constants)
    for seed in range(5):
        gradient = random_gradient(seed)
        optimizer.update(1.0, gradient.clone())
        reference.grad = gradient
        torchs.step()
    torch.testing.assert_close(canvas, reference.detach())
    assert 0 < canvas.min() < canvas.max() < 1


@NAMES
def test_a_loss_that_is_not_finite_raises(name):
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        Descent(canvas_of(0.5), DESCENTS[name], 0.1).update(math.nan, canvas_of(1.0))


@NAMES
def test_step_shrinks_by_the_decay(name):
    canvas, fixed = canvas_of(0.5), canvas_of(0.5)
    decaying = Descent(canvas, DESCENTS[name], 0.01, decay=0.5, bounds=None)
    constant = Descent(fixed, DESCENTS[name], 0.01, bounds=None)
    for number in range(4):
        before = canvas.clone(), fixed.clone()
        decaying.update(1.0, canvas_of(1.0))
        constant.update(1.0, canvas_of(1.0))
        torch.testing.assert_close(canvas - before[0], (fixed - before[1]) / 2**number)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_first_step_of_sgd_has_a_known_length_whatever_the_scale_of_the_loss(scale):
    canvas, gradient = canvas_of(0.5), random_gradient(0)
    optimizer = Descent(canvas, torch.optim.SGD, None)
    optimizer.update(1.0, scale * gradient)
    first = canvas - 0.5
    assert first.square().mean().sqrt().item() == pytest.approx(FIRST_STEP)
    assert torch.cosine_similarity(first.flatten(), -gradient.flatten(), dim=0).item() == pytest.approx(1)
    optimizer.update(1.0, scale * gradient / 2)  # the rate stays
    torch.testing.assert_close(canvas - 0.5 - first, first / 2)


def test_first_step_of_sgd_is_a_share_of_the_range():
    canvas = canvas_of(100.0)
    Descent(canvas, torch.optim.SGD, None, bounds=(0.0, 255.0)).update(1.0, random_gradient(0))
    assert (canvas - 100).square().mean().sqrt().item() == pytest.approx(255 * FIRST_STEP)


def test_sgd_rests_where_there_is_no_gradient():
    canvas = canvas_of(0.5)
    Descent(canvas, torch.optim.SGD, None).update(1.0, canvas_of(0.0))
    assert (canvas == 0.5).all()


@NAMES
def test_larger_canvas_takes_over_the_rate_and_the_enlarged_moments(name, settings):
    config = settings(optimizer=name, lr_decay=0.5).optimization
    small = build_optimizer(config, build_canvas("pixels", canvas_of(0.5, (1, 3, 6, 8))))
    for seed in range(3):
        small.update(1.0, 1 + random_gradient(seed, (1, 3, 6, 8)))
    canvas = build_canvas("pixels", canvas_of(0.5, (1, 3, 12, 16)))
    large = build_optimizer(config, canvas, small)
    assert large._optimizer.param_groups[0]["lr"] == small._optimizer.param_groups[0]["lr"]
    if name == "sgd":
        return
    (old,) = small._optimizer.state.values()
    state = large._optimizer.state[canvas.parameters]
    assert state["step"] == old["step"] == 3
    for key in ("exp_avg", "exp_avg_sq"):
        assert state[key].shape == (1, 3, 12, 16)
        coarse, mean = functional.avg_pool2d(state[key], 6), functional.avg_pool2d(old[key], 3)
        assert (coarse - mean).abs().max() < 0.25 * mean.abs().max()  # each part lies where it lay
    assert (state["exp_avg_sq"] >= 0).all()
    large.update(1.0, random_gradient(9, (1, 3, 12, 16)))
    assert state["step"] == 4
