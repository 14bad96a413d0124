"""A picture's energy by spatial frequency, over small tiles: how much of it is fine, and what sticks out at a grid."""

import torch
from jaxtyping import Float
from torch import Tensor

TILE_PX = 32
"""Side of the tiles."""
HIGH_FREQUENCY = 0.35
"""Lower end of the high frequencies in cycles a pixel; 0.5 is the highest."""
WHITE = (3 / 8 * TILE_PX) ** 2
"""Energy at each frequency of white noise of variance 1: the squares of the window's values, added up."""
NEIGHBOURS = (-6, -5, -4, 4, 5, 6)
"""Bins away from the one that is looked at: outside of the window's main lobe."""


def energy_spectrum(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "t t"]:
    """Return the mean energy spectrum of the picture's tiles, half overlapping, over the channels, (32, 32).

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1], sides from 32 px.
    """
    tiles = picture[0].unfold(1, TILE_PX, TILE_PX // 2).unfold(2, TILE_PX, TILE_PX // 2)  # (3, rows, columns, t, t)
    window = torch.hann_window(TILE_PX, device=picture.device)
    tiles = (tiles - tiles.mean((-2, -1), keepdim=True)) * torch.outer(window, window)
    return torch.fft.fft2(tiles).abs().square().flatten(0, 2).mean(0)


def high_share(picture: Float[Tensor, "1 3 h w"]) -> float:
    """Return the share of a picture's energy above 0.35 cycles a pixel in rows or columns.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1], sides from 32 px.
    """
    energy = energy_spectrum(picture)
    frequency = torch.fft.fftfreq(TILE_PX, device=picture.device).abs()
    is_high = torch.maximum(frequency[:, None], frequency[None, :]) > HIGH_FREQUENCY
    # What a flat picture has by rounding to 8 bit is all noise, and none to speak of; 1e-5 is below any picture's.
    return (energy[is_high].sum() / (energy.sum() + WHITE * (2 / 255) ** 2 * energy.numel())).item() + 1e-5


def grid_peaks(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, " 6"]:
    """Return how far the energy at periods 2 and 4 stands above its neighbourhood, in octaves.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1], sides from 32 px.

    Returns:
        Across, down and both for period 2, then for period 4, (6,).
    """
    levels = (energy_spectrum(picture) + WHITE / (12 * 255**2)).log2()
    values = []
    for period in (2, 4):
        place = TILE_PX // period
        for row, column in ((0, place), (place, 0), (place, place)):
            along = (int(row > 0), int(column > 0))
            across = (-along[1], along[0])
            # Above both: an enlarged picture has a cliff along, and any picture more energy on the axes than beside.
            means = [
                torch.stack([levels[(row + n * dy) % TILE_PX, (column + n * dx) % TILE_PX] for n in NEIGHBOURS]).mean()
                for dy, dx in (along, across)
            ]
            values.append(levels[row, column] - torch.maximum(means[0], means[1]))
    return torch.stack(values)
