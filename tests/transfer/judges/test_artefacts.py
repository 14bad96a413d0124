import pytest
import torch
import torch.nn.functional as F

from transfer.judges.artefacts import (
    ARTEFACTS,
    CHECKERBOARD,
    CLIPPED,
    GHOST,
    GUARDS,
    HIGH_FREQUENCIES,
    LIMITS,
    artefacts,
    checkerboard,
    clipped,
    ghost,
    high_frequency_excess,
)
from transfer.judges.frauds import match_colours

FUNCTIONS = (ghost, high_frequency_excess, checkerboard, clipped)


def scene(seed: int, height: int = 96, width: int = 128) -> torch.Tensor:
    """Blobs of several sizes, so that the spectrum falls as that of a photograph."""
    generator = torch.Generator().manual_seed(seed)
    layers = [
        F.interpolate(torch.rand(1, 3, 3 * k, 4 * k, generator=generator), (height, width), mode="bicubic") / k
        for k in (1, 2, 4, 8, 16)
    ]
    return (sum(layers) / 2.5).clamp(0.02, 0.98)


CONTENT, STYLE = scene(0), scene(1, 110, 100)


def grid(period: int, height: int = 96, width: int = 128) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((x // (period // 2) + y // (period // 2)) % 2 * 2.0 - 1)[None, None]


def noise(seed: int) -> torch.Tensor:
    return torch.randn(CONTENT.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("guard", FUNCTIONS)
def test_silent_about_the_content_a_recolouring_and_another_scene(guard):
    for picture in (CONTENT, match_colours(CONTENT, STYLE).clamp(0.02, 0.98), scene(5)):
        assert guard(picture, CONTENT, STYLE) < 0.6 * LIMITS[(HIGH_FREQUENCIES if guard != ghost else GHOST).name]
    assert guard(CONTENT, CONTENT, STYLE) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_ghost_of_a_blend_stretched_cropped_or_shifted(share):
    stretched = F.interpolate(STYLE, CONTENT.shape[-2:], mode="bilinear", antialias=True)
    covering = F.interpolate(STYLE, (141, 128), mode="bilinear", antialias=True)[..., 22:118, :]
    shifted = F.pad(stretched, (3, 0, 0, 2), mode="replicate")[..., 2:, :128]
    for laid in (stretched, covering, shifted):
        assert ghost(share * laid + (1 - share) * CONTENT, CONTENT, STYLE) > 0.85


def test_ghost_sees_through_recolouring_and_noise():
    stretched = F.interpolate(STYLE, CONTENT.shape[-2:], mode="bilinear", antialias=True)
    blend = match_colours(stretched + CONTENT, STYLE) + 0.02 * noise(0)
    assert ghost(blend.clamp(0, 1), CONTENT, STYLE) > LIMITS[GHOST.name]


def test_a_flat_picture_has_no_ghost():
    for flat in (torch.full_like(CONTENT, 0.5), torch.zeros_like(CONTENT)):
        assert ghost(flat, CONTENT, STYLE) == 0
        assert [guard(flat, CONTENT, STYLE) for guard in (high_frequency_excess, checkerboard)] == [0, 0]


def test_high_frequencies_grow_with_noise_and_stay_with_contrast():
    values = [high_frequency_excess(CONTENT + sigma * noise(0), CONTENT, STYLE) for sigma in (0.0, 0.02, 0.05, 0.1)]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[1] > 1
    noisy = CONTENT + 0.1 * noise(0)
    assert high_frequency_excess(0.8 * noisy, CONTENT, STYLE) == pytest.approx(values[3], abs=0.05)
    assert high_frequency_excess(noisy, noisy, STYLE) == 0


@pytest.mark.parametrize("period", [2, 4])
def test_checkerboard_of_two_hundredths(period):
    assert checkerboard(CONTENT + 0.02 * grid(period), CONTENT, STYLE) > 3
    assert checkerboard(CONTENT + 0.02 * grid(period), CONTENT + 0.02 * grid(period), STYLE) == 0


def test_checkerboard_is_not_noise_nor_an_enlarged_picture():
    assert checkerboard(CONTENT + 0.1 * noise(0), CONTENT, STYLE) < 1
    small = F.interpolate(scene(3), scale_factor=0.5, mode="bilinear", antialias=True)
    enlarged = F.interpolate(small, CONTENT.shape[-2:], mode="bilinear")
    assert checkerboard(enlarged, CONTENT, STYLE) < 1


def test_clipped_share_by_hand():
    picture = CONTENT.clone()
    picture[..., :24, :] = 1.0
    picture[..., 24:48, :] = 0.0
    assert clipped(picture, CONTENT, STYLE) == pytest.approx(0.5)
    assert clipped(picture, picture, STYLE) == 0


def test_one_number():
    none = dict.fromkeys(LIMITS, 0.0)
    assert artefacts(none) == 0
    assert artefacts({**none, GHOST.name: LIMITS[GHOST.name]}) == 1
    assert artefacts({**none, GHOST.name: 10.0}) == 1
    half = {name: limit / 2 for name, limit in LIMITS.items()}
    assert artefacts(half) == pytest.approx(1 - 0.75**4)


@pytest.mark.parametrize("guard", FUNCTIONS)
def test_refusals(guard):
    with pytest.raises(ValueError, match="differ"):
        guard(CONTENT[..., 1:], CONTENT, STYLE)
    with pytest.raises(ValueError, match="style: 100 x 20 px"):
        guard(CONTENT, CONTENT, STYLE[..., :20, :])


def test_measures_take_a_content_of_any_size():
    picture = (CONTENT + 0.05 * noise(0)).clamp(0, 1)
    content = scene(0, 60, 80)
    resized = F.interpolate(content, CONTENT.shape[-2:], mode="bilinear", antialias=True)
    functions = dict(zip((GHOST, HIGH_FREQUENCIES, CHECKERBOARD, CLIPPED), FUNCTIONS, strict=True))
    assert tuple(functions) == GUARDS
    for guard, function in functions.items():
        assert guard.function(picture, content, STYLE) == function(picture, resized, STYLE)


def test_the_verdict_looks_at_guards_alone():
    values = {guard.name: LIMITS[guard.name] / 2 for guard in GUARDS}
    assert ARTEFACTS.function({**values, "judge/colour": 9.0}) == artefacts(values)
