import pytest
import torch
import torch.nn.functional as F

from nstkit.pictures import to_tensor
from transfer.judges.frauds import altered_contents, is_same, match_colours, scramble_phases, style_frauds
from transfer.sample import sample_style


def picture(seed: int, height: int = 72, width: int = 96) -> torch.Tensor:
    """Soft blobs in colour."""
    blobs = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


def covariance(image: torch.Tensor) -> torch.Tensor:
    return torch.cov(image[0].flatten(1), correction=0)


def test_colours_have_the_moments_of_the_reference():
    source, reference = picture(0), 0.4 + 0.2 * picture(1, 60, 60)  # nothing is clipped
    matched = match_colours(source, reference)
    assert torch.allclose(matched.mean((0, 2, 3)), reference.mean((0, 2, 3)), atol=1e-3)
    assert torch.allclose(covariance(matched), covariance(reference), atol=2e-4)


def test_colours_of_itself_are_a_fixed_point():
    assert torch.allclose(match_colours(picture(0), picture(0)), picture(0), atol=1e-3)


def test_flat_and_grey_pictures_have_colours_too():
    flat, grey = torch.full((1, 3, 40, 40), 0.5), picture(0).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    for source, reference in ((flat, picture(1)), (picture(1), flat), (grey, picture(1)), (picture(1), grey)):
        assert match_colours(source, reference).isfinite().all()


def test_scrambled_picture_has_the_spectrum_and_no_likeness():
    source = 0.4 + 0.2 * picture(0)
    scrambled = scramble_phases(source)
    assert torch.allclose(torch.fft.fft2(scrambled).abs(), torch.fft.fft2(source).abs(), atol=0.05)
    assert torch.corrcoef(torch.stack([source.flatten(), scrambled.flatten()]))[0, 1] < 0.8
    assert not torch.equal(scrambled, scramble_phases(source, seed=1))


def test_frauds_are_pictures_and_always_the_same():
    frauds, again = (style_frauds(picture(0), picture(1, 64, 80)) for _ in range(2))
    assert len(frauds) == 11
    for name, fraud in frauds.items():
        assert 0 <= fraud.min() < fraud.max() <= 1, name
        assert fraud.shape[-2:] in ((72, 96), (64, 80)), name
        assert torch.equal(fraud, again[name]), name
    assert len({fraud.sum().item() for fraud in frauds.values()}) == len(frauds)


def test_the_drawn_painting_is_no_fraud_of_itself():
    own = to_tensor(sample_style(64))
    assert "other painting" in style_frauds(picture(0), picture(1))
    assert "other painting" not in style_frauds(picture(0), own)


def test_altered_contents_keep_every_pixel():
    for name, altered in altered_contents(picture(0, 64, 80)).items():
        assert torch.allclose(altered.flatten(2).sort().values, picture(0, 64, 80).flatten(2).sort().values), name
        assert not is_same(altered, picture(0)), name


@pytest.mark.parametrize("size", [(36, 48), (200, 150)])
def test_same_at_another_size(size):
    assert is_same(picture(0), F.interpolate(picture(0), size, mode="bilinear", antialias=True))
    assert not is_same(picture(0), picture(1, *size))
