"""What every statistic promises: gradients, what it forgets, its scale, and what weights of positions mean."""

import pytest
import torch

from nstkit.errors import UserError
from transfer.painting.losses.functions import relative_style_scale
from transfer.painting.losses.statistics.table import STATISTICS

pytestmark = pytest.mark.numerics
NAMES = tuple(STATISTICS)


def random_maps(seed, shape=(1, 5, 6, 7), dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def summary(name, features, weights=None):
    """Return the statistic of one layer's features."""
    return STATISTICS[name].summary([features], [1.0], weights)


def loss(name, canvas, content, style):
    """Return the relative loss of a canvas."""
    target = summary(name, style)
    distance = STATISTICS[name].distance
    scale = relative_style_scale(summary(name, content), lambda seen: distance(seen, target))
    return distance(summary(name, canvas), target) / scale


@pytest.fixture
def weights():
    """Weights of 6 x 7 positions, some 0."""
    return torch.rand(1, 1, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(9)).sub(0.2).clamp(min=0)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_gradient(name, is_weighted, weights):
    target = summary(name, random_maps(1, (1, 5, 4, 3)))
    chosen = weights if is_weighted else None
    canvas = random_maps(
        5
    ).requires_grad_()  # no two of whose values are so near that the steps would change their order
    assert torch.autograd.gradcheck(lambda maps: STATISTICS[name].distance(summary(name, maps, chosen), target), canvas)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_of_a_dead_channel_is_finite(name):
    dead = random_maps(0)
    dead[:, 2] = 0
    dead.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(name, dead, random_maps(1), random_maps(2)), dead)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", NAMES)
def test_where_things_are_is_forgotten(name):
    content, style, canvas = (random_maps(seed) for seed in range(3))
    order = torch.randperm(42, generator=torch.Generator().manual_seed(3))
    permuted = canvas.flatten(2)[:, :, order].view_as(canvas)
    torch.testing.assert_close(loss(name, permuted, content, style), loss(name, canvas, content, style))
    assert loss(name, canvas.flip(1), content, style) != pytest.approx(loss(name, canvas, content, style).item())


@pytest.mark.parametrize("factor", [1e-3, 1e4])
@pytest.mark.parametrize("name", NAMES)
def test_loss_is_one_at_the_content_and_zero_at_the_style_at_any_scale_of_the_features(name, factor):
    content, style, canvas = (random_maps(seed) for seed in range(3))
    assert loss(name, content, content, style).item() == pytest.approx(1)
    assert loss(name, style, content, style).item() == pytest.approx(0, abs=1e-9)
    found = loss(name, canvas, content, style).item()
    assert found > 0.05
    assert loss(name, canvas * factor, content * factor, style * factor).item() == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_of_canvas_and_style_may_differ(name):
    doubled = random_maps(0).repeat(1, 1, 2, 3)
    assert loss(name, doubled, random_maps(1), random_maps(0)).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_equal_weights_change_nothing(name):
    features = random_maps(0, dtype=torch.float32)
    whole = summary(name, features, torch.full((1, 1, 6, 7), 0.7))
    torch.testing.assert_close(whole, summary(name, features), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_zero_and_one_select_positions(name):
    features = random_maps(0)
    weights = torch.zeros(1, 1, 6, 7, dtype=torch.float64)
    weights[..., 2:5, 1:4] = 1
    found, alone = summary(name, features, weights), summary(name, features[..., 2:5, 1:4])
    if name == "nearest-neighbours":  # whose vectors are scaled by the energy of the whole map
        found, alone = (vectors / vectors.norm() for vectors in (found, alone))
    torch.testing.assert_close(found, alone)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_summed_in_float32(name):
    features = (5 + random_maps(4, (1, 4, 64, 64))).to(torch.bfloat16)
    found, reference = summary(name, features), summary(name, features.double())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), reference, rtol=2e-3, atol=2e-3)


def test_direction_of_one_channel_is_refused():
    with pytest.raises(UserError, match="of which one channel has none"):
        summary("nearest-neighbours", random_maps(0, (1, 1, 6, 7)))
    for name in set(NAMES) - {"nearest-neighbours"}:
        assert torch.isfinite(summary(name, random_maps(0, (1, 1, 6, 7)))).all()
