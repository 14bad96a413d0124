"""The keywords of `transfer.stylize`: what a type checker allows, and what `help` shows with its defaults."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, get_type_hints

from torch import nn

from nstkit.backbones.normalisation import ChannelOrder, ValueRange
from nstkit.backbones.spec import Padding, Pooling, Preprocess
from nstkit.config import Device, Precision
from transfer.config import NetworkSettings, PictureSettings, TransferRunSettings
from transfer.given_pictures import AnyPicture, Blend
from transfer.painting.loop import Step
from transfer.painting.settings import (
    CanvasKind,
    Color,
    Equalize,
    Gauge,
    LineSearch,
    Loss,
    Mode,
    Optimizer,
    PaintSettings,
    PixelRange,
    Smoothing,
    Statistic,
)
from transfer.presets import PresetName

AnyBackbone: TypeAlias = str | Path | nn.Module
Progress: TypeAlias = bool | Callable[[Step], object]


class Keywords(TypedDict, total=False):
    """Settings of `stylize`; see there."""

    preset: PresetName | None
    backbone: AnyBackbone
    mode: Mode
    size: int
    rows: int | None
    style_scale: float
    blend: Blend
    content_mask: AnyPicture | None
    style_mask: AnyPicture | Sequence[AnyPicture] | None
    region_weights: tuple[str, ...] | list[str]
    init: AnyPicture | None
    steps: int | None
    seconds: float | None
    tolerance: float
    scales: int | None
    canvas: CanvasKind
    pixel_range: PixelRange
    optimizer: Optimizer | None
    lr: float | None
    lr_decay: float
    lr_decay_steps: int
    beta1: float
    beta2: float
    epsilon: float
    history: int
    line_search: LineSearch
    average: float
    tile: int | None
    jitter: int | None
    loss: Loss
    statistic: Statistic
    color: Color
    content_weight: float | None
    style_weight: float | None
    tv_weight: float | None
    content_taps: tuple[str, ...] | list[str]
    style_taps: tuple[str, ...] | list[str]
    octaves: int
    equalize: Equalize
    normalize_gradients: bool
    gauge: Gauge
    smoothing: Smoothing
    smoothing_taps: tuple[str, ...] | list[str]
    temperature: float
    arch: str | None
    preprocess: Preprocess
    pooling: Pooling
    padding: Padding
    swap: tuple[str, ...] | list[str]
    mean: tuple[float, ...] | list[float]
    std: tuple[float, ...] | list[float]
    channel_order: ChannelOrder
    value_range: ValueRange
    seed: int
    device: Device
    precision: Precision
    memory: float | None


def defaults() -> dict[str, Any]:
    """Return the default of each keyword: those of the command, with one backbone and no masks."""
    known: dict[str, Any] = {
        **PictureSettings().flat(),
        **TransferRunSettings().flat(),
        **NetworkSettings().flat(),
        **PaintSettings().flat(),
    }
    (backbone,) = NetworkSettings().backbone
    known |= {"backbone": backbone, "content_mask": None, "style_mask": None}
    return {name: known[name] for name in Keywords.__annotations__}


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function with the keywords and their defaults in place of `**settings`."""
    own = inspect.signature(function)
    hints = get_type_hints(Keywords, include_extras=False)
    first = [parameter for parameter in own.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    further = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in defaults().items()
    ]
    return own.replace(parameters=[*first, *further])
