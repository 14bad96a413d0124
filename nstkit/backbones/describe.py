"""What each tap of a backbone is: its place, its size, how far it sees, and how its maps of a picture are spread."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.spread import peak_shares, spread_entropy
from nstkit.errors import UserError

FIELD_PX = (32, 768)  # height and width of the picture that receptive fields are measured on
FIELD_BATCH = 4
SILENT = (nn.Identity, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True)
class TapFacts:
    """What is known of a tap.

    Attributes:
        name: what the user calls it.
        path: module path in the network.
        channels: of its maps.
        stride: picture pixels a map position.
        field_px: width of the picture that one position depends on [px]; infinite where it depends on all of it.
        is_style: style is taken from it by default.
        is_content: likewise for content.
        scale: root mean square of its maps of the picture; None without a picture, as the next two.
        entropy: see `spread_entropy`.
        peak: share of the sum of |F| that the largest 1 % of the entries hold, 0.01 to 1.
    """

    name: str
    path: str
    channels: int
    stride: int
    field_px: float
    is_style: bool
    is_content: bool
    scale: float | None = None
    entropy: float | None = None
    peak: float | None = None


def describe_taps(backbone: Backbone, image: Float[Tensor, "1 3 h w"] | None = None) -> list[TapFacts]:
    """Return what is known of every tap, in order of depth.

    Args:
        backbone: on any device.
        image: sRGB in [0, 1], on its device; without it nothing is said of the maps' values.
    """
    fields = receptive_fields(backbone)
    measured = {} if image is None else measure_maps(backbone, image)
    return [
        TapFacts(
            tap.name,
            tap.path,
            tap.channels,
            tap.stride,
            fields[tap.name],
            tap.name in backbone.style_taps,
            tap.name in backbone.content_taps,
            **measured.get(tap.name, {}),
        )
        for tap in backbone.taps.values()
    ]


@torch.no_grad()
def measure_maps(backbone: Backbone, image: Float[Tensor, "1 3 h w"]) -> dict[str, dict[str, float]]:
    """Return scale, entropy and peak of each tap's maps of a picture, by tap."""
    return {
        name: {
            "scale": float(maps.float().square().mean().sqrt()),
            "entropy": spread_entropy(maps),
            "peak": float(peak_shares(maps)),
        }
        for name, maps in backbone.features(image, backbone.taps).items()
    }


@torch.no_grad()
def receptive_fields(backbone: Backbone) -> dict[str, float]:
    """Return the width of the picture that one position of each tap depends on [px], by tap.

    Infinite where a position depends on the whole width of a picture of 768 px: attention over all of it,
    squeeze-and-excitation, group norm. Not a number where the network takes no such picture.

    A column of not-a-numbers is put into the picture: they pass through every operation to all that depends on it, so
    no threshold is needed. A position sees so many columns as columns mark it: the marked positions of a row, summed
    over `stride` neighbouring columns, are the field's width: exactly, but for attention in windows, where it differs
    from place to place.
    """
    height, width = FIELD_PX
    taps = list(backbone.taps.values())
    count = max(tap.stride for tap in taps)
    middle = width // 2
    marked: dict[str, list[int]] = {tap.name: [] for tap in taps}
    is_global = dict.fromkeys(marked, False)
    pictures = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)).to(backbone.mean)
    # A convolution by Winograd's or Fourier's transform would mark neighbours that do not depend on the column.
    with torch.backends.cudnn.flags(enabled=False):
        for start in range(0, count, FIELD_BATCH):
            columns = range(middle + start, middle + min(start + FIELD_BATCH, count))
            batch = pictures.repeat(len(columns), 1, 1, 1)
            for row, column in enumerate(columns):
                batch[row, :, :, column] = math.nan
            try:
                found = backbone.features(batch, marked)
            except (UserError, RuntimeError, AssertionError, ValueError):
                return dict.fromkeys(marked, math.nan)
            for name, maps in found.items():
                rows = maps.isnan().any(dim=1).any(dim=1)  # (b, w)
                marked[name] += rows.sum(dim=1).tolist()
                is_global[name] |= bool((rows[:, 0] | rows[:, -1]).any())
    return {tap.name: math.inf if is_global[tap.name] else float(sum(marked[tap.name][: tap.stride])) for tap in taps}


def taps_table(backbone: Backbone, image: Float[Tensor, "1 3 h w"] | None = None) -> str:
    """Return a table of the taps for the screen: those with names of their own and the defaults first.

    Modules that do nothing here (identity, dropout) are left out; they are taps nevertheless.

    Args:
        backbone: as for `describe_taps`.
        image: likewise.
    """
    facts, network = describe_taps(backbone, image), backbone.network
    first = [tap for tap in facts if tap.name != tap.path or tap.is_style or tap.is_content]
    rest = [tap for tap in facts if tap not in first and not isinstance(network.get_submodule(tap.path), SILENT)]
    width = max(len("module path"), *(len(tap.name) for tap in facts))
    header = f"{'tap':{width}s} {'channels':>8s} {'stride':>6s} {'sees':>6s}"
    if image is not None:
        header += f" {'scale':>9s} {'entropy':>7s} {'peak':>5s}"
    lines = [f"{backbone.label}: {len(facts)} taps", f"{header}  default"]
    lines += [_row(tap, width) for tap in first]
    if rest:
        lines += ["", "and by module path:", *(_row(tap, width) for tap in rest)]
    legend = "sees: width of the picture that one position depends on [px]."
    if image is not None:
        legend += (
            "\nscale: root mean square; entropy: of |F| / sum |F|, 1 = even, 0 = one entry holds all; peak: share of"
            f"\nthe largest 1 % of the entries; on a picture of {image.shape[3]} x {image.shape[2]} px."
        )
    return "\n".join([*lines, "", legend])


def _row(tap: TapFacts, width: int) -> str:
    field = "all" if math.isinf(tap.field_px) else "?" if math.isnan(tap.field_px) else f"{tap.field_px:.0f}"
    line = f"{tap.name:{width}s} {tap.channels:8d} {tap.stride:6d} {field:>6s}"
    if tap.scale is not None:
        line += f" {tap.scale:9.3g} {tap.entropy:7.3f} {tap.peak:5.2f}"
    uses = ", ".join(use for use, is_used in (("style", tap.is_style), ("content", tap.is_content)) if is_used)
    place = "" if tap.name == tap.path else f"= {tap.path}"
    return f"{line}  {uses:14s} {place}".rstrip()
