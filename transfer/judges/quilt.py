"""A picture laid out of patches of the style: a true positive that no network has painted.

Its texture is the style's own, stroke for stroke, and its layout is the content's. So a judge that does not prefer it
to the photograph, to noise or to a blend does not see style; and no judge can like it because it is the painter's eye.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from transfer.judges.filters import gaussian_blur, luminance
from transfer.judges.frauds import quantiles

CANDIDATES = 4096
"""Most patches of the style that are tried for a place, if not said otherwise; more change the picture little."""
TOLERANCE = 1.2
"""A patch is drawn among those whose error is at most this times the least: always the best one repeats verbatim."""

Pixels = NDArray[np.float32]


@torch.no_grad()
def quilt(
    style: Float[Tensor, "1 3 hs ws"],
    content: Float[Tensor, "1 3 h w"],
    *,
    patch_px: int = 12,
    agreement: float = 0.7,
    candidates: int = CANDIDATES,
    seed: int = 0,
) -> Float[Tensor, "1 3 h w"]:
    """Return the content's layout in patches of the style, cut along the seams that show least.

    Args:
        style: (1, 3, Hs, Ws), sRGB in [0, 1], sides from `patch_px`.
        content: (1, 3, H, W), sRGB in [0, 1], sides from `patch_px`.
        patch_px: side of a patch, 6 or more; larger ones keep more of the style and less of the content.
        agreement: in [0, 1], the weight of the content's luminance against that of the neighbouring patches. 0 is
            texture synthesis, which leaves the content alone.
        candidates: most patches of the style that are tried for a place.
        seed: of the draws.

    Raises:
        ValueError: a picture is smaller than a patch, or a patch is below 6 px.

    Source: Efros and Freeman 2001, Image quilting for texture synthesis and transfer, sections 2.1 and 3.
    Differs: one pass, with a weight of its own, where theirs repeats with smaller patches. The content's luminance is
        given the style's distribution before they are compared, so that all of the style is used, or a dark painting
        would give its lightest patch to every place. Of the style's patches at most `candidates` are tried.
    """
    if patch_px < 6:
        raise ValueError(f"patch_px is {patch_px}; allowed is 6 or more.")
    for role, picture in (("style", style), ("content", content)):
        if min(picture.shape[-2:]) < patch_px:
            size = f"{picture.shape[-1]} x {picture.shape[-2]}"
            raise ValueError(f"{role}: {size} px is smaller than a patch of {patch_px} px.")
    rng = np.random.default_rng(seed)
    overlap = patch_px // 3
    step = patch_px - overlap
    height, width = content.shape[-2:]
    patches, tones = _candidates(style, patch_px, candidates, rng)
    target = _with_distribution(_tone(content), _tone(style))
    rows, columns = (1 + -(-(side - patch_px) // step) for side in (height, width))
    canvas = np.zeros((patch_px + (rows - 1) * step, patch_px + (columns - 1) * step, 3), np.float32)
    target = np.pad(target, [(0, canvas.shape[0] - height), (0, canvas.shape[1] - width)], mode="edge")
    seams = {
        covers: _Errors(patches[:, _covered(patch_px, overlap, *covers)])
        for covers in ((True, False), (False, True), (True, True))
    }
    agreements = _Errors(tones)
    for row in range(rows):
        for column in range(columns):
            place = (slice(row * step, row * step + patch_px), slice(column * step, column * step + patch_px))
            covers = (column > 0, row > 0)
            error = agreement * agreements(target[place])
            if any(covers):
                error = error + (1 - agreement) * seams[covers](canvas[place][_covered(patch_px, overlap, *covers)])
            chosen = patches[_draw(error, rng)]
            is_new = seam_mask(canvas[place], chosen, overlap, *covers)
            canvas[place] = np.where(is_new[..., None], chosen, canvas[place])
    picture = torch.from_numpy(canvas[:height, :width].copy()).permute(2, 0, 1)[None]
    return picture.clamp(0, 1).to(content)


class _Errors:
    """Mean squared difference of one vector from many, by one matrix product."""

    def __init__(self, vectors: Pixels) -> None:
        self._vectors = np.ascontiguousarray(vectors.reshape(len(vectors), -1))
        self._squares = (self._vectors**2).sum(1)

    def __call__(self, wanted: Pixels) -> Pixels:
        wanted = wanted.reshape(-1)
        return (self._squares - 2 * (self._vectors @ wanted) + wanted @ wanted) / len(wanted)


def _covered(patch_px: int, overlap: int, has_left: bool, has_top: bool) -> Bool[NDArray, "p p"]:
    """Return which part of a patch its neighbours on the left and on the top cover."""
    is_covered = np.zeros((patch_px, patch_px), bool)
    is_covered[:, :overlap] |= has_left
    is_covered[:overlap] |= has_top
    return is_covered


def _candidates(
    style: Float[Tensor, "1 3 hs ws"], patch_px: int, count: int, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Return at most `count` patches of the style (N, p, p, 3) and their luminances (N, p, p)."""
    planes = np.concatenate([style[0].permute(1, 2, 0).float().cpu().numpy(), _tone(style)[..., None]], axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(planes, (patch_px, patch_px), axis=(0, 1))
    down, along = windows.shape[:2]
    chosen = rng.permutation(down * along)[:count]
    patches = windows[chosen // along, chosen % along].transpose(0, 2, 3, 1)  # (n, p, p, 4)
    return np.ascontiguousarray(patches[..., :3]), np.ascontiguousarray(patches[..., 3])


def _with_distribution(values: Pixels, wanted: Pixels) -> Pixels:
    """Return `values` with the distribution of `wanted`, their order kept; half way, for a sky is no gradient."""
    rank = values.reshape(-1).argsort(kind="stable").argsort(kind="stable")
    matched = quantiles(wanted, (rank + 0.5) / len(rank)).astype(np.float32)
    moved = (values - values.mean()) * (wanted.std() / max(float(values.std()), 1e-3)) + wanted.mean()
    return 0.5 * matched.reshape(values.shape) + 0.5 * moved


def _tone(picture: Float[Tensor, "1 3 h w"]) -> Pixels:
    """Return the luminance without its finest detail, which no patch of another picture could follow."""
    return gaussian_blur(luminance(picture.float().cpu()), 1.5, reach_px=3)[0, 0].numpy()


def _draw(error: NDArray[np.floating], rng: np.random.Generator) -> int:
    """Return one of the patches that are almost as good as the best."""
    return int(rng.choice(np.flatnonzero(error <= max(0.0, float(error.min())) * TOLERANCE + 1e-6)))


def seam_mask(old: Pixels, new: Pixels, overlap: int, has_left: bool, has_top: bool) -> Bool[NDArray, "p p"]:
    """Return where the new patch is laid over what is there: right of and below the cheapest cuts.

    Args:
        old: what is there, (p, p, 3).
        new: the patch, (p, p, 3).
        overlap: columns on the left and rows on the top that both cover.
        has_left: there is a neighbour on the left.
        has_top: there is one above.
    """
    is_new = np.ones(old.shape[:2], bool)
    difference = ((old - new) ** 2).sum(2)
    if has_left:
        cut = cheapest_cut(difference[:, :overlap])
        is_new[:, :overlap] &= np.arange(overlap) >= cut[:, None]
    if has_top:
        cut = cheapest_cut(difference[:overlap].T)
        is_new[:overlap] &= (np.arange(overlap) >= cut[:, None]).T
    return is_new


def cheapest_cut(cost: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the column of the cheapest path from the first to the last row that moves by at most one column a row.

    Args:
        cost: of each place, (rows, columns).
    """
    walled = np.pad(cost.astype(np.float64), [(0, 0), (1, 1)], constant_values=np.inf)
    total = walled[:, 1:-1]
    for row in range(1, len(total)):
        above = walled[row - 1]
        total[row] += np.minimum(np.minimum(above[:-2], above[1:-1]), above[2:])
    path = np.empty(len(total), np.int64)
    path[-1] = total[-1].argmin()
    for row in range(len(total) - 2, -1, -1):
        first = max(0, path[row + 1] - 1)
        path[row] = first + total[row, first : path[row + 1] + 2].argmin()
    return path
