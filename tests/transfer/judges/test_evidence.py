import pytest
import torch

from transfer.judges.evidence import sample_patches, style_facts


def maps(seed: int, channels: int = 6, size: int = 12, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(seed))


def test_patches_are_windows_of_the_map_with_unit_length():
    features = maps(0)
    patches = sample_patches(features, 1000, seed=3)
    windows = torch.nn.functional.unfold(features, 3)[0].T
    windows = windows / windows.norm(dim=1, keepdim=True)
    assert patches.shape == (100, 54)
    assert (patches @ windows.T).amax(1) == pytest.approx(torch.ones(100), abs=1e-5)
    assert torch.allclose(sample_patches(features, 20, seed=3), patches[:20])


def test_facts_of_a_style_against_numpy():
    features, patch_features = maps(0), maps(1, 4, 9)
    facts = style_facts([features], [patch_features], seed=5)
    flat = features[0].flatten(1).double().numpy()
    assert facts.grams[0].numpy() == pytest.approx(flat @ flat.T / 144, rel=1e-5)
    assert facts.means[0].numpy() == pytest.approx(flat.mean(1), rel=1e-5)
    assert torch.equal(facts.patches[0], sample_patches(patch_features, 512, seed=5))


def test_patches_stand_elsewhere_for_another_seed():
    assert not torch.equal(sample_patches(maps(0), 20, seed=3), sample_patches(maps(0), 20, seed=4))
