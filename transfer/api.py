"""The one call from Python: `stylize`."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from PIL import Image
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.normalisation import ChannelOrder, ValueRange
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import Padding, Pooling, Preprocess
from nstkit.config import Device, Precision, RunSettings
from nstkit.errors import UserError
from nstkit.hardware import choose_device
from nstkit.pictures.tensors import as_image, to_picture
from nstkit.settings import check_names
from nstkit.unused import warn_of_unused
from transfer.config import NetworkSettings, PictureSettings, TransferConfig
from transfer.given_pictures import AnyPicture, Array, Blend, scene_of
from transfer.painting.estimate import fit_memory
from transfer.painting.format import fit_format, precision_in_place
from transfer.painting.loop import paint
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
from transfer.pairs import read_start

if TYPE_CHECKING:
    from typing import Never as Nothing  # a type checker refuses every unknown name before it is run
else:
    Nothing = object

Picture = TypeVar("Picture", Image.Image, Tensor)


def stylize(
    content: Picture | Array | str | Path | None,
    style: Picture | AnyPicture | None,
    *,
    backbone: str | Path | Backbone = "carried",
    mode: Mode = "transfer",
    size: int = 512,
    style_scale: float = 1.0,
    blend: Blend = (),
    content_mask: AnyPicture | None = None,
    style_mask: AnyPicture | Sequence[AnyPicture] | None = None,
    region_weights: tuple[str, ...] | list[str] = (),
    init: AnyPicture | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    tolerance: float = 0.0,
    scales: int | None = None,
    canvas: CanvasKind = "fourier",
    pixel_range: PixelRange = "0-1",
    optimizer: Optimizer | None = None,
    lr: float | None = None,
    lr_decay: float = 1.0,
    lr_decay_steps: int = 1,
    beta1: float = 0.9,
    beta2: float = 0.99,
    epsilon: float = 1e-8,
    history: int = 30,
    line_search: LineSearch = "backtrack",
    average: float = 0.0,
    tile: int | None = None,
    jitter: int | None = None,
    loss: Loss = "relative",
    statistic: Statistic = "gram",
    color: Color = "style",
    content_weight: float | None = None,
    style_weight: float | None = None,
    tv_weight: float | None = None,
    content_taps: tuple[str, ...] | list[str] = (),
    style_taps: tuple[str, ...] | list[str] = (),
    octaves: int = 1,
    equalize: Equalize = "none",
    normalize_gradients: bool = False,
    gauge: Gauge = "raw",
    smoothing: Smoothing = "none",
    smoothing_taps: tuple[str, ...] | list[str] = (),
    temperature: float = 1.0,
    arch: str | None = None,
    preprocess: Preprocess = "own",
    pooling: Pooling = "max",
    padding: Padding = "zero",
    swap: tuple[str, ...] | list[str] = (),
    mean: tuple[float, ...] | list[float] = (),
    std: tuple[float, ...] | list[float] = (),
    channel_order: ChannelOrder = "own",
    value_range: ValueRange = "own",
    seed: int = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    memory: float | None = None,
    **unknown: Nothing,
) -> Picture:
    """Return `content` painted in the style of `style`.

    Nothing of the caller's changes: neither the pictures nor a loaded backbone nor any random state.

    Args:
        content: a Pillow picture, a file, or an array or tensor (H, W, 3), (3, H, W) or (1, 3, H, W), sRGB in uint8 or
            as floats in [0, 1]; all that `nstkit.pictures.tensors.as_image` takes. It is scaled to `size`, but for a
            tensor, which is taken at its own. None with `mode="texture"`.
        style: a picture of any kind, whatever the content is. None with `mode="content"`.
        backbone: as after `--backbone`, or a loaded one, which spares loading it again.
        mode: `transfer`, `texture` (the style alone, from noise), or `content` (what the content layers keep).
        size: longer side of all pictures but tensors [px], at least 32.
        style_scale: size of the style beside that of the result, which a tensor is scaled by too.
        blend: pictures in place of `style`, which then is None: each FILE, FILE=WEIGHT or a pair of a picture of any
            kind and its weight.
        content_mask: a picture of any kind whose colours name regions of the content; see `transfer.painting.masks`.
        style_mask: the same for the style; of a blend one for each, or a colour such as `red` for all of a style.
        region_weights: each COLOUR=WEIGHT.
        init: first canvas: `content`, `style`, `noise`, `grey`, or a picture of any kind. None = content; noise for
            texture and content.
        steps: evaluations of the loss. None = 100, or as many as `seconds` allows.
        seconds: longest time [s].
        tolerance: stop when the loss has fallen by less than this share over 25 evaluations; 0 = never.
        scales: sizes painted one after the other, each twice the one before. None = 1 up to 768 px, one more for each
            doubling, and two more for a texture.
        canvas: `fourier` (the spectrum of decorrelated colours) or `pixels`.
        pixel_range: `0-1` or `0-255`: of the numbers of a canvas of pixels, to which `lr` belongs.
        optimizer: `lbfgs`, `adam`, `nadam` or `sgd`. None = lbfgs, and with jitter adam.
        lr: step size. None = what suits optimizer and canvas.
        lr_decay: factor by which the step size falls; not for lbfgs.
        lr_decay_steps: evaluations over which it falls by that factor.
        beta1: of adam and nadam, decay of the mean of gradients.
        beta2: likewise of their squares.
        epsilon: what they add to the root of that mean.
        history: steps that lbfgs remembers.
        line_search: of lbfgs, `backtrack` or `wolfe`.
        average: decay of a running mean over the canvases, in [0, 1); 0 = the best canvas is the result.
        tile: longest side of the tiles in which larger pictures are looked at [px]; the picture is the same. None =
            whole where memory allows it, else the largest tiles that fit.
        jitter: largest shift of the canvas in each evaluation [px]. None = the side of the network's patches, or 0.
        loss: `relative` (scale-free), `gatys`, `neural-style`, `keras` or `tensorflow`.
        statistic: what style is: `gram`, `covariance`, `mean-std`, `histogram`, `sliced-wasserstein` or
            `nearest-neighbours`.
        color: whose colours the result has: `style` (the style's), or the content's by way of `luminance`, `histogram`
            or `covariance`.
        content_weight: 0 or more. None = that of the loss, see `transfer.painting.settings.WEIGHTS`.
        style_weight: likewise; 30 for the relative loss.
        tv_weight: likewise, of total variation; for the relative loss 10 where the canvas is of pixels or the optimizer
            is not lbfgs.
        content_taps: layers that content is taken from, each NAME or NAME=WEIGHT. None given = the network's default.
        style_taps: layers that style is taken from, written in the same way.
        octaves: sizes at which every loss is taken at once.
        equalize: `none`, `loss` or `gradient`: weigh the layers so that these are equal for the first canvas.
        normalize_gradients: divide each layer's gradient by its L1 norm.
        gauge: `raw`, or `canonical`: each channel divided by its mean over fixed pictures.
        smoothing: of activations: `none`, `softmax` or `scale` (SWAG).
        smoothing_taps: layers that are smoothed. None given = all for softmax, those of stride 16 and more for scale.
        temperature: what activations are divided by before the softmax, above 0.
        arch: factory of a checkpoint that was made by one, package.module:function.
        preprocess: `own`, `imagenet` or `caffe` normalisation of the picture; like the next seven not with a loaded
            backbone, which has its own.
        pooling: `max` (the network's own), `avg`, `plain-avg` or `l2`.
        padding: `zero` (the network's own), `replicate` or `reflect`.
        swap: TAP..TAP@SPEC, layers that get the weights of another backbone.
        mean: what weights of another program want subtracted from the channels, three values in their order and range.
        std: three values that the channels are then divided by.
        channel_order: of those weights, `own` (what is known of the network), `rgb` or `bgr`.
        value_range: `own`, or `0-1` or `0-255`: of the channels before mean and std, which then are 0 and 1 if not
            given.
        seed: of noise and jitter.
        device: `auto`, `cuda`, `mps` or `cpu`.
        precision: `auto`, `fp32`, `bf16` or `fp16`. On a CPU auto measures which of the first two is faster, once.
        memory: that the process may fill [GiB]. None = what is free.
        unknown: none; a wrong name is reported with the nearest right one.

    Returns:
        A tensor (1, 3, H, W) in [0, 1] where the content is a tensor, else a Pillow picture. Without a content
        (`mode="texture"`) the style decides.

    Raises:
        nstkit.errors.UserError: for a setting that is unknown or not allowed, a backbone or tap that cannot be used, or
            pictures that are none, or do not go with the mode.

    Example:
        >>> from nstkit.sample import sample_content, sample_style
        >>> picture = stylize(sample_content(), sample_style(64), size=48, steps=2, precision="fp32")
        >>> picture.size
        (48, 32)
    """
    values = {name: value for name, value in locals().items() if name not in NOT_SETTINGS}  # stands before other names
    start_word = init if isinstance(init, str) else None
    start = None if isinstance(init, str) else init
    painting = {name: value for name, value in values.items() if name in PaintSettings().flat()}
    changes = {name: value for name, value in values.items() if name in NetworkSettings().flat()}
    check_names(unknown, {**values, "backbone": backbone, "init": init})
    settings = PaintSettings.of(**painting, init=start_word)
    if region_weights and content_mask is None:
        raise UserError("region_weights without content_mask, which has the regions. Add it.")
    pictures = PictureSettings(mode=mode, size=size, style_scale=style_scale, region_weights=tuple(region_weights))
    masks = {"content_mask": content_mask is not None, "style_mask": style_mask is not None}
    given = {**values, **masks, **settings.flat()}
    warn_of_unused(TransferConfig, given, {**given, **settings.resolved(mode, size).flat()})
    scene = scene_of(pictures, content, style, blend, content_mask, style_mask)
    if start_word is not None:
        start = read_start(start_word, max(scene.size))
    if start is not None:
        scene = replace(scene, start=as_image(start, "init"))
    place = choose_device(RunSettings(device=device, precision=precision).device)
    scene = scene.to(place)
    eye = loaded(backbone, NetworkSettings.of(**changes), place)
    settings = settings.resolved(mode, max(scene.size), eye.patch_px)
    if eye is backbone:
        chosen = precision_in_place(eye, settings.losses, precision)
    else:
        chosen = fit_format(eye, settings.losses, precision).format.precision
    settings = settings.changed(precision=chosen)
    settings = fit_memory(*scene.sizes, eye, settings, place)
    result = paint(scene, eye, settings).image
    is_tensor = isinstance(style if content is None else content, Tensor)  # of a blend it is a picture
    return cast(Picture, result if is_tensor else to_picture(result))  # as what was given, which no annotation can say


NOT_SETTINGS = ("content", "style", "blend", "content_mask", "style_mask", "backbone", "init", "unknown")


def loaded(backbone: str | Path | Backbone, network: NetworkSettings, device: torch.device) -> Backbone:
    """Return a backbone on a device: loaded by name, or the caller's own, which stays where it is.

    Args:
        backbone: as after `--backbone`, or a loaded one.
        network: what is changed about a network that is loaded here.
        device: where to paint.

    Raises:
        UserError: where a loaded backbone would have to be changed, or one cannot be loaded.
    """
    if isinstance(backbone, (str, Path)):
        return load_backbone(backbone, **network.loading).to(device)
    if not isinstance(backbone, Backbone):
        raise UserError(
            f"backbone: {type(backbone).__name__} is none. Give a name such as vgg19, or a result of load_backbone."
        )
    unchanged = NetworkSettings().flat()
    changed = [name for name, value in network.flat().items() if value != unchanged[name]]
    if changed:
        raise UserError(
            f"{', '.join(changed)} with a backbone that is loaded already. Give that to nstkit.load_backbone instead."
        )
    return backbone if backbone.mean.device == device else copy.deepcopy(backbone).to(device)
