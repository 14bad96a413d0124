import pytest
import torch

from nstkit.quality import sample
from nstkit.quality.activity import hoyer_sparsities, peak_shares
from nstkit.quality.extract import count_classes, extract, look_at_maps
from nstkit.quality.rank import gram_ranks
from nstkit.quality.sample import batches

TAPS = ("relu1_1", "conv3_1", "relu5_1")


@pytest.fixture
def in_batches(textures, cpu, monkeypatch):
    """A function that yields the test pictures in batches of a size."""

    def read(size):
        monkeypatch.setattr(sample, "MAX_BATCH", size)
        return batches(textures.test, torch.arange(len(textures.test)), cpu)

    return read


@pytest.fixture
def all_at_once(in_batches, textures):
    ((image, labels),) = in_batches(len(textures.test))
    return image, labels


def test_batches_leave_what_all_pictures_at_once_give(small_backbone, in_batches, all_at_once):
    image, labels = all_at_once
    found = extract(small_backbone, in_batches(7), TAPS, "fp32", with_logits=True)
    maps = small_backbone.features(image, TAPS)
    assert tuple(found.taps) == TAPS
    for name, values in maps.items():
        torch.testing.assert_close(found.taps[name].pooled, values.mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.taps[name].lowest, values.amin(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.taps[name].highest, values.amax(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    expected = small_backbone.network((image - small_backbone.mean) / small_backbone.std)
    torch.testing.assert_close(found.logits, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(found.labels, labels)


def test_without_logits_the_taps_are_the_same(small_backbone, in_batches):
    with_logits = extract(small_backbone, in_batches(7), TAPS, "fp32", with_logits=True)
    without = extract(small_backbone, in_batches(7), TAPS, "fp32")
    assert without.logits is None
    for name in TAPS:
        assert torch.equal(without.taps[name].pooled, with_logits.taps[name].pooled)


def test_bf16_is_close_and_kept_as_float32(small_backbone, in_batches):
    exact = extract(small_backbone, in_batches(60), TAPS, "fp32").taps["relu1_1"]
    rough = extract(small_backbone, in_batches(60), TAPS, "bf16").taps["relu1_1"]
    assert rough.pooled.dtype == rough.lowest.dtype == torch.float32
    torch.testing.assert_close(rough.pooled, exact.pooled, rtol=0.05, atol=0.01)
    assert not torch.equal(rough.pooled, exact.pooled)


def test_maps_are_averaged_over_pictures_whatever_the_batches(small_backbone, in_batches, all_at_once):
    maps = small_backbone.features(all_at_once[0], TAPS)
    found = dict(look_at_maps(small_backbone, in_batches(7), TAPS, "fp32"))
    for name, values in maps.items():
        expected = {
            "extractor/gram_rank": gram_ranks(values).mean().item(),
            "extractor/peak": peak_shares(values).mean().item(),
            "extractor/hoyer": hoyer_sparsities(values).mean().item(),
        }
        assert found[name] == pytest.approx(expected, rel=1e-4)


def test_no_hook_stays(small_backbone, in_batches):
    extract(small_backbone, in_batches(60), TAPS, "fp32", with_logits=True)
    assert not any(module._forward_hooks for module in small_backbone.network.modules())


def test_count_classes(small_backbone):
    assert count_classes(small_backbone, torch.rand(1, 3, 32, 32)) == 3
    assert count_classes(small_backbone, torch.rand(1, 3, 16, 16)) is None  # the fifth pooling has nothing left
    small_backbone.network = small_backbone.network.features  # maps, no logits
    assert count_classes(small_backbone, torch.rand(1, 3, 32, 32)) is None
