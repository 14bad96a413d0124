"""L-BFGS in a box: against numpy's, scipy's and torch's on functions whose lowest point is known."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize

from transfer.painting.optimizers.lbfgs import BACKTRACKS, FIRST_STEP, RECENT, ProjectedLbfgs

SHAPE = (1, 3, 2, 4)
SIZE = math.prod(SHAPE)


def canvas_of(values):
    """Return a canvas of SHAPE from one value or 24."""
    values = np.broadcast_to(np.asarray(values, np.float64), SIZE)
    return torch.from_numpy(values.copy()).view(SHAPE)


def minimise(optimizer, canvas, function, calls):
    """Return the lowest loss and its canvas after `calls` evaluations; the canvas has to stay in [0, 1]."""
    best, best_canvas = math.inf, None
    for _ in range(calls):
        assert canvas.min() >= 0
        assert canvas.max() <= 1
        point = canvas.detach().clone().requires_grad_()
        loss = function(point.flatten())
        if loss.item() < best:
            best, best_canvas = loss.item(), point.detach().flatten().numpy()
        optimizer.update(loss.item(), torch.autograd.grad(loss, point)[0])
    return best, best_canvas


@pytest.fixture
def matrix():
    """A (30, 24) matrix of condition number 10, so that the quadratic's is 100."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((n, SIZE)))[0] for n in (30, SIZE))
    return left * np.geomspace(1, 10, SIZE) @ right.T


def least_squares(matrix, goal):
    matrix, goal = torch.from_numpy(matrix), torch.from_numpy(goal)
    return lambda x: 0.5 * (matrix @ x - goal).square().sum()


SEARCHES = pytest.mark.parametrize("line_search", ["backtrack", "wolfe"])


@SEARCHES
def test_lbfgs_reaches_the_minimum_of_a_quadratic_inside_the_box(line_search, matrix):
    goal = matrix @ np.random.default_rng(1).uniform(0.2, 0.8, SIZE) + 0.01
    solution = np.linalg.solve(matrix.T @ matrix, matrix.T @ goal)
    assert 0 < solution.min() < solution.max() < 1
    canvas = canvas_of(0.5)
    _, found = minimise(ProjectedLbfgs(canvas, 1.0, line_search=line_search), canvas, least_squares(matrix, goal), 80)
    np.testing.assert_allclose(found, solution, atol=1e-6)


@SEARCHES
def test_lbfgs_reaches_the_constrained_minimum_of_a_quadratic_outside_the_box(line_search, matrix):
    goal = matrix @ np.random.default_rng(1).uniform(-1, 2, SIZE)
    expected = optimize.lsq_linear(matrix, goal, bounds=(0, 1), tol=1e-14)
    assert 5 < np.count_nonzero(expected.active_mask) < SIZE
    canvas = canvas_of(0.5)
    optimizer = ProjectedLbfgs(canvas, 1.0, line_search=line_search)
    loss, found = minimise(optimizer, canvas, least_squares(matrix, goal), 300)
    assert loss == pytest.approx(expected.cost, rel=1e-6)
    np.testing.assert_allclose(found, expected.x, atol=1e-3)
    # Clamping an unconstrained solution, as other programs do, ends clearly above.
    unconstrained = np.clip(np.linalg.lstsq(matrix, goal)[0], 0, 1)
    assert least_squares(matrix, goal)(torch.from_numpy(unconstrained)).item() > 1.1 * expected.cost


def rosenbrock(x):
    """The chained function of Rosenbrock, its valley stretched over the box; 0 at x = 0.75."""
    z = 4 * x - 2
    return (100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()


def minimise_with_torch(start, function, calls):
    """Return the lowest loss of torch.optim.LBFGS with its line search in at most `calls` evaluations."""
    point = canvas_of(start).requires_grad_()
    losses = []
    reference = torch.optim.LBFGS(
        [point], max_iter=calls, max_eval=calls, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure():
        reference.zero_grad()
        loss = function(point.flatten())
        loss.backward()
        losses.append(loss.item())
        return loss

    reference.step(closure)
    return min(losses[:calls])


@SEARCHES
@pytest.mark.parametrize("seed", range(3))
def test_lbfgs_is_not_behind_torchs_with_a_line_search_at_equal_evaluations(seed, line_search):
    start = np.random.default_rng(seed).uniform(0.3, 0.6, SIZE)
    canvas = canvas_of(start)
    ours, _ = minimise(ProjectedLbfgs(canvas, 1.0, line_search=line_search), canvas, rosenbrock, 100)
    assert ours < 1.3 * minimise_with_torch(start, rosenbrock, 100)
    ours, _ = minimise(ProjectedLbfgs(canvas, 1.0, line_search=line_search), canvas, rosenbrock, 100)
    assert ours < 1e-6


def test_lbfgs_first_step_has_a_known_length_whatever_the_scale_of_the_loss():
    gradient = canvas_of(np.random.default_rng(0).standard_normal(SIZE))
    for scale in (1e-6, 1.0, 1e6):
        canvas = canvas_of(0.5)
        ProjectedLbfgs(canvas, 1.0).update(1.0, scale * gradient)
        change = canvas - 0.5
        assert change.square().mean().sqrt().item() == pytest.approx(FIRST_STEP)
        assert torch.cosine_similarity(change.flatten(), -gradient.flatten(), dim=0).item() == pytest.approx(1)


def test_lbfgs_takes_a_step_that_raises_the_loss_back():
    canvas, gradient = canvas_of(0.5), canvas_of(1.0)
    optimizer = ProjectedLbfgs(canvas, 1.0)
    optimizer.update(1.0, gradient)
    first_step = canvas - 0.5
    assert (first_step < 0).all()
    for backtrack in (1, 2):
        optimizer.update(1.5, -gradient)
        torch.testing.assert_close(canvas - 0.5, first_step / 4**backtrack)
    good = canvas.clone()
    optimizer.update(0.9, 0.5 * gradient)
    assert (canvas < good).all()  # from there on, downhill


def test_lbfgs_lets_the_loss_exceed_the_last_one_but_not_the_highest_of_the_recent():
    canvas, gradient = canvas_of(0.5), canvas_of(1.0)
    optimizer = ProjectedLbfgs(canvas, 1.0)
    optimizer.update(2.0, gradient)
    for number, loss in enumerate((1.0, 1.5, *[0.9] * (RECENT - 1)), start=1):  # 1.5 is above 1.0 and below 2.0
        before = canvas.clone()
        optimizer.update(loss, gradient / 2**number)  # a curvature that makes every step as long as the first one
        torch.testing.assert_close(canvas - before, torch.full_like(canvas, -FIRST_STEP))
    before = canvas.clone()
    optimizer.update(1.6, gradient)  # below 2.0, which is forgotten
    torch.testing.assert_close(canvas - before, torch.full_like(canvas, 0.75 * FIRST_STEP))


def test_lbfgs_goes_on_from_a_higher_loss_when_shorter_steps_do_not_help():
    canvas, gradient = canvas_of(0.5), canvas_of(1.0)
    optimizer = ProjectedLbfgs(canvas, 1.0)
    optimizer.update(1.0, gradient)
    optimizer.update(0.9, 0.8 * gradient)  # by this curvature the next step is four times as long
    torch.testing.assert_close(canvas - 0.5, torch.full_like(canvas, -5 * FIRST_STEP))
    for _ in range(BACKTRACKS):
        optimizer.update(3.0, 0.8 * gradient)
    before = canvas.clone()
    optimizer.update(3.0, 0.8 * gradient)  # which is forgotten
    torch.testing.assert_close(canvas - before, torch.full_like(canvas, -FIRST_STEP))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_lbfgs_survives_a_few_losses_that_are_not_finite_and_then_says_so(wrong):
    canvas, gradient = canvas_of(0.5), canvas_of(1.0)
    optimizer = ProjectedLbfgs(canvas, 1.0)
    optimizer.update(1.0, gradient)
    for _ in range(BACKTRACKS):
        optimizer.update(wrong, gradient * math.nan)
        assert torch.isfinite(canvas).all()
    optimizer.update(0.9, gradient)
    for _ in range(BACKTRACKS):
        optimizer.update(wrong, gradient * math.nan)
    with pytest.raises(FloatingPointError, match=f"the loss is {wrong}"):
        optimizer.update(wrong, gradient * math.nan)


@SEARCHES
def test_a_first_loss_that_is_not_finite_raises(line_search):
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        ProjectedLbfgs(canvas_of(0.5), 1.0, line_search=line_search).update(math.nan, canvas_of(1.0))


def test_wolfe_steps_back_from_losses_that_are_not_finite(matrix):
    goal = matrix @ np.random.default_rng(1).uniform(0.2, 0.8, SIZE)
    plain = least_squares(matrix, goal)
    start = plain(canvas_of(0.5).flatten()).item()
    canvas, seen = canvas_of(0.5), []

    def cliff(x):
        loss = plain(x)
        seen.append(loss.item())
        return loss * math.nan if len(seen) % 4 == 2 else loss

    best, _ = minimise(ProjectedLbfgs(canvas, 1.0, line_search="wolfe"), canvas, cliff, 60)
    assert best < 1e-3 * start


def test_wolfe_drops_its_memory_where_no_length_is_lower():
    canvas = canvas_of(0.5)
    optimizer = ProjectedLbfgs(canvas, 1.0, line_search="wolfe")
    optimizer.update(1.0, canvas_of(1.0))
    optimizer.update(0.9, canvas_of(0.5))  # accepted; the next step is as long again, by this curvature
    point = canvas_of(0.5 - FIRST_STEP)
    torch.testing.assert_close(canvas, point - FIRST_STEP)
    moves = []
    for _ in range(20):
        optimizer.update(5.0, canvas_of(-2.0))
        moves.append((canvas - point).mean().item())
    assert all(move < 0 for move in moves)
    assert min(moves) == pytest.approx(-FIRST_STEP, rel=1e-6)  # the first of steepest descent, after ten trials
    assert moves.index(min(moves)) == 9


def test_lbfgs_without_bounds_leaves_the_box(matrix):
    solution = np.random.default_rng(1).uniform(-3, 4, SIZE)
    canvas, losses = canvas_of(0.5), []
    optimizer = ProjectedLbfgs(canvas, 1.0, bounds=None)
    function = least_squares(matrix, matrix @ solution)
    for _ in range(100):
        point = canvas.detach().clone().requires_grad_()
        losses.append(function(point.flatten()))
        optimizer.update(losses[-1].item(), torch.autograd.grad(losses[-1], point)[0])
    np.testing.assert_allclose(canvas.flatten(), solution, atol=1e-4)


def test_history_is_how_many_pairs_are_remembered(matrix):
    function = least_squares(matrix, matrix @ np.random.default_rng(1).uniform(0.2, 0.8, SIZE))
    found = {}
    for history in (1, 30):
        canvas = canvas_of(0.5)
        found[history], _ = minimise(ProjectedLbfgs(canvas, 1.0, history=history), canvas, function, 40)
    assert found[30] < 0.05 * found[1]


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_lbfgs_rests_where_every_pixel_pushes_out_of_the_box(start):
    canvas = canvas_of(start)
    optimizer = ProjectedLbfgs(canvas, 1.0)
    for _ in range(3):
        optimizer.update(1.0, canvas_of(1.0 if start == 0 else -1.0))
        assert (canvas == start).all()


def test_lbfgs_step_scales_with_lr():
    changes = []
    for lr in (1.0, 0.5):
        canvas = canvas_of(0.5)
        ProjectedLbfgs(canvas, lr).update(1.0, canvas_of(1.0))
        changes.append(canvas - 0.5)
    torch.testing.assert_close(changes[1], changes[0] / 2)
