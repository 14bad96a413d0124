import numpy as np
import pytest
import torch
import torch.nn.functional as F

from transfer.judges.description import gabor_distance, gabor_statistics, histogram_distance, uv_histogram


def picture(seed: int, height: int = 60, width: int = 80) -> torch.Tensor:
    blobs = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


def waves(period_px: float, angle: float, size: int = 96) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    phase = 2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period_px
    return (0.5 + 0.3 * torch.sin(phase)).expand(1, 3, -1, -1)


def test_histogram_of_one_colour_by_hand():
    color = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    histogram = uv_histogram(color)
    assert histogram.sum().item() == pytest.approx(1, abs=1e-3)
    bins = np.linspace(-3, 3, 64)
    row, column = divmod(histogram[0].argmax().item(), 64)  # log(R/G), log(R/B)
    assert (row, column) == (np.abs(bins - np.log(2)).argmin(), np.abs(bins - np.log(4)).argmin())


def test_histogram_distance_ignores_places_and_size():
    a = picture(0)
    assert histogram_distance(a, a) == pytest.approx(0, abs=1e-3)
    assert histogram_distance(a.flip(2), a) == pytest.approx(0, abs=1e-3)
    assert histogram_distance(F.interpolate(a, scale_factor=3, mode="bilinear"), a) < 0.15
    assert 0.2 < histogram_distance(a, picture(1)) <= 1
    red, blue = (torch.tensor(c).view(1, 3, 1, 1).expand(1, 3, 8, 8) for c in ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9)))
    assert histogram_distance(red, blue) > 0.9


def test_gabor_answers_to_its_period_and_direction():
    for number, angle in enumerate((0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)):
        statistics = gabor_statistics(waves(6.0, angle))
        means = statistics.view(3, 2, 4)[:, 0]
        assert means.argmax() == 4 + number


def test_gabor_distance_ignores_places_and_sees_strokes():
    a = waves(6.0, 0.0)
    assert gabor_distance(a, a.roll(3, 3)) < 0.1
    assert gabor_distance(a, a.transpose(2, 3)) > 1
    assert gabor_distance(a, waves(12.0, 0.0)) > 1
    assert 0.3 < gabor_distance(a, 0.5 * a) < 1.05  # half the contrast is one octave, of filters that answer
    assert np.isfinite(gabor_distance(torch.zeros(1, 3, 48, 48), a))


def test_refusal_names_the_picture():
    with pytest.raises(ValueError, match="style: 60 x 40 px"):
        gabor_distance(picture(0), picture(1, 40, 60))
