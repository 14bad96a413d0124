import pytest
import torch
import torch.nn.functional as F

from transfer.judges import frauds
from transfer.judges.frauds import match_colours, scramble_phases


def scene(seed: int, height: int = 72, width: int = 96) -> torch.Tensor:
    """Soft blobs in colour."""
    blobs = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


def covariance(image: torch.Tensor) -> torch.Tensor:
    return torch.cov(image[0].flatten(1), correction=0)


@pytest.fixture
def picture():
    return torch.rand(1, 3, 33, 47, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def style():
    return torch.rand(1, 3, 40, 30, generator=torch.Generator().manual_seed(1)) ** 2


def sorted_values(image):
    return image[0].flatten(1).sort(dim=1).values


def test_colours_have_the_moments_of_the_reference():
    source, reference = scene(0), 0.4 + 0.2 * scene(1, 60, 60)  # nothing is clipped
    matched = match_colours(source, reference)
    assert torch.allclose(matched.mean((0, 2, 3)), reference.mean((0, 2, 3)), atol=1e-3)
    assert torch.allclose(covariance(matched), covariance(reference), atol=2e-4)


def test_colours_of_itself_are_a_fixed_point():
    assert torch.allclose(match_colours(scene(0), scene(0)), scene(0), atol=1e-3)


def test_flat_and_grey_pictures_have_colours_too():
    flat, grey = torch.full((1, 3, 40, 40), 0.5), scene(0).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    for source, reference in ((flat, scene(1)), (scene(1), flat), (grey, scene(1)), (scene(1), grey)):
        assert match_colours(source, reference).isfinite().all()


def test_scrambled_picture_has_the_spectrum_and_no_likeness():
    source = 0.4 + 0.2 * scene(0)
    scrambled = scramble_phases(source)
    assert torch.allclose(torch.fft.fft2(scrambled).abs(), torch.fft.fft2(source).abs(), atol=0.05)
    assert torch.corrcoef(torch.stack([source.flatten(), scrambled.flatten()]))[0, 1] < 0.8
    assert not torch.equal(scrambled, scramble_phases(source, seed=1))


def test_histograms_are_the_styles_and_the_order_is_the_pictures(picture, style):
    matched = frauds.match_histograms(picture, style)
    levels = torch.linspace(0.01, 0.99, 50)
    quantiles = [sorted_values(image).quantile(levels, dim=1) for image in (matched, style)]
    assert torch.allclose(*quantiles, atol=0.01)
    assert torch.equal(matched[0, 0].flatten().argsort(), picture[0, 0].flatten().argsort())


def test_blend_is_a_mean_by_share(picture, style):
    stretched = frauds.stretch(style, picture)
    assert torch.allclose(frauds.blend(picture, style, 0.25), 0.75 * picture + 0.25 * stretched)
    assert torch.equal(frauds.blend(picture, style, 0.0), picture)


def test_coloured_noise_has_pixels_of_the_style_alone(picture, style):
    noise = frauds.coloured_noise(style, picture)
    assert noise.shape == picture.shape
    own = {tuple(pixel) for pixel in style[0].flatten(1).T.tolist()}
    assert {tuple(pixel) for pixel in noise[0].flatten(1).T.tolist()} <= own
    neighbours = torch.corrcoef(torch.stack([noise[0, 0, :, :-1].flatten(), noise[0, 0, :, 1:].flatten()]))
    assert abs(neighbours[0, 1]) < 0.1


def test_noise_has_its_deviation():
    grey = torch.full((1, 3, 64, 64), 0.5)
    assert (frauds.add_noise(grey, 0.05) - grey).std() == pytest.approx(0.05, rel=0.05)


def test_crop_is_the_lower_right_part_enlarged(style):
    part = frauds.crop(style, share=0.5, zoom=1.0)
    assert torch.allclose(part, style[..., 20:, 15:])
    assert frauds.crop(style).shape == (1, 3, 32, 24)


def test_flat_blurred_checkered_and_clipped(picture, style):
    flat = frauds.flat(style, picture)
    assert flat.shape == picture.shape
    assert torch.allclose(flat[0, :, 5, 7], style.mean(dim=(0, 2, 3)))
    assert frauds.blur(picture).std() < 0.5 * picture.std()
    grey = torch.full((1, 3, 8, 8), 0.5)
    checkered = frauds.add_checkerboard(grey, 0.1) - grey
    assert torch.fft.fft2(checkered[0, 0])[4, 4].real == pytest.approx(0.1 * 64)
    assert ((frauds.overexpose(picture) <= 0) | (frauds.overexpose(picture) >= 1)).float().mean() > 0.3


def test_exposure_moves_middle_grey_by_its_factor_and_keeps_black_and_white():
    tones = torch.tensor([0.0, 0.5, 1.0]).expand(1, 3, 1, 3)
    assert frauds.change_gamma(tones, 0.8)[0, 0, 0].tolist() == pytest.approx([0.0, 0.4, 1.0])
    assert frauds.change_gamma(tones, 1.25)[0, 0, 0].tolist() == pytest.approx([0.0, 0.625, 1.0])


def test_resize_rounds_the_sides(picture):
    assert frauds.resize(picture, 1.5).shape == (1, 3, 50, 70)
