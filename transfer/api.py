"""The one call from Python: `stylize`."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, Unpack, overload

import torch
from PIL import Image
from torch import Tensor, nn

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.config import RunSettings
from nstkit.errors import UserError, nearest
from nstkit.hardware import choose_device
from nstkit.pictures.tensors import as_image, to_picture
from nstkit.settings import check_names, known
from nstkit.unused import warn_of_unused
from transfer.config import NetworkSettings, PictureSettings, TransferConfig
from transfer.given_pictures import AnyPicture, Array, scene_of
from transfer.keywords import Keywords, Progress, defaults, signature_of
from transfer.painting.estimate import fit_memory
from transfer.painting.format import fit_format, precision_in_place
from transfer.painting.loop import Step, paint
from transfer.painting.settings import UNLIMITED_STEPS, PaintSettings
from transfer.pairs import read_start
from transfer.presets import PRESETS, warn_of_few_steps
from transfer.result import Result

Plain: TypeAlias = Image.Image | Array | str | Path
Yes: TypeAlias = Literal[True]
No: TypeAlias = Literal[False]
Style: TypeAlias = AnyPicture | None


@overload
def stylize(
    content: Tensor, style: Style, *, full: No = False, progress: Progress = False, **settings: Unpack[Keywords]
) -> Tensor: ...
@overload
def stylize(  # type: ignore[overload-overlap]  # a style alone decides, and is looked at first
    content: None, style: Tensor, *, full: No = False, progress: Progress = False, **settings: Unpack[Keywords]
) -> Tensor: ...
@overload
def stylize(
    content: Plain | None,
    style: Style,
    *,
    full: No = False,
    progress: Progress = False,
    **settings: Unpack[Keywords],
) -> Image.Image: ...
@overload
def stylize(
    content: Tensor, style: Style, *, full: Yes, progress: Progress = False, **settings: Unpack[Keywords]
) -> Result[Tensor]: ...
@overload
def stylize(  # type: ignore[overload-overlap]  # a style alone decides, and is looked at first
    content: None, style: Tensor, *, full: Yes, progress: Progress = False, **settings: Unpack[Keywords]
) -> Result[Tensor]: ...
@overload
def stylize(
    content: Plain | None, style: Style, *, full: Yes, progress: Progress = False, **settings: Unpack[Keywords]
) -> Result[Image.Image]: ...
def stylize(content: Any, style: Any, *, full: bool = False, progress: Progress = False, **settings: Any) -> Any:
    """Return `content` painted in the style of `style`.

    Nothing of the caller's changes: neither the pictures nor a network nor any random state.

    Args:
        content: a Pillow picture, a file, or an array or tensor (H, W, 3), (3, H, W) or (1, 3, H, W), sRGB in uint8 or
            as floats in [0, 1]; all that `nstkit.pictures.tensors.as_image` takes. It is scaled to `size`, but for a
            tensor, which is taken at its own. None with `mode="texture"`.
        style: a picture of any kind, whatever the content is. None with `mode="content"`.
        full: return a `transfer.result.Result`, which has the losses of every step, Gram matrices and judges beside the
            picture, and draws itself in a notebook.
        progress: True shows a bar, in a notebook as on a terminal; a function is called with a
            `transfer.painting.loop.Step` after each evaluation.
        preset: a paper's or a program's settings (`--list-presets`); all that is given beside it wins.
        backbone: as after `--backbone`, a loaded one, which spares loading it again, or a network of one's own; see
            `nstkit.load_backbone`, which takes its `mean` and `std`.
        mode: `transfer`, `texture` (the style alone, from noise), or `content` (what the content layers keep).
        size: longer side of all pictures but tensors [px], at least 32.
        rows: height of the result and of the style [px], in place of `size`; not of tensors.
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
        settings: all of the above but the first four; a wrong name is reported with the nearest right one.

    Returns:
        A tensor (1, 3, H, W) in [0, 1] where the content is a tensor, else a Pillow picture. Without a content
        (`mode="texture"`) the style decides. With `full` a `Result`, whose `picture` is that.

    Raises:
        nstkit.errors.UserError: for a setting that is unknown or not allowed, a backbone or tap that cannot be used, or
            pictures that are none, or do not go with the mode.

    Example:
        >>> from nstkit.sample import sample_content, sample_style
        >>> picture = stylize(sample_content(), sample_style(64), size=48, steps=2, precision="fp32")
        >>> picture.size
        (48, 32)
    """
    check_names(settings, dict.fromkeys(["content", "style", "full", "progress", *DEFAULTS]))
    given = {**settings_of_preset(settings), **settings}
    values = {**DEFAULTS, **given}
    mode, size, init, device, precision = (values[name] for name in ("mode", "size", "init", "device", "precision"))
    start_word = init if isinstance(init, str) else None
    start = None if isinstance(init, str) else init
    settings_of_painting = {name: value for name, value in values.items() if name in PaintSettings().flat()}
    changes = {name: value for name, value in values.items() if name in NetworkSettings().flat() and name != "backbone"}
    painter = PaintSettings.of(**{**settings_of_painting, "init": start_word})
    if values["region_weights"] and values["content_mask"] is None:
        raise UserError("region_weights without content_mask, which has the regions. Add it.")
    of_pictures = ("mode", "size", "rows", "style_scale", "region_weights")
    pictures = PictureSettings(**{name: values[name] for name in of_pictures})
    masks = {name: values[name] is not None for name in ("content_mask", "style_mask")}
    first = {**values, **masks, **painter.flat()}
    asked = {name: first[name] for name in settings if name in first}
    warn_of_unused(TransferConfig, asked, {**first, **painter.resolved(mode, size).flat()})
    scene = scene_of(pictures, content, style, values["blend"], values["content_mask"], values["style_mask"])
    if start_word is not None:
        start = read_start(start_word, max(scene.size))
    if start is not None:
        scene = replace(scene, start=as_image(start, "init"))
    place = choose_device(RunSettings(device=device, precision=precision).device)
    scene = scene.to(place)
    eye = loaded(values["backbone"], NetworkSettings.of(**changes), place)
    painter = painter.resolved(mode, max(scene.size), eye.patch_px)
    warn_of_few_steps(values["preset"], values, known(painter.optimization.init), known(painter.optimization.steps))
    if eye is values["backbone"]:
        chosen = precision_in_place(eye, painter.losses, precision)
    else:
        chosen = fit_format(eye, painter.losses, precision).format.precision
    painter = painter.changed(precision=chosen)
    painter = fit_memory(*scene.sizes, eye, painter, place)
    losses: dict[str, list[float]] = {}
    with shown(progress, known(painter.optimization.steps)) as show:

        def report(step: Step) -> None:
            for tag, value in step.scalars.items():
                losses.setdefault(tag, []).append(value)
            show(step)

        painting = paint(scene, eye, painter, report)
    is_tensor = isinstance(style if content is None else content, Tensor)  # of a blend it is a picture
    picture = painting.image if is_tensor else to_picture(painting.image)
    if not full:
        return picture
    used = {name: values[name] for name in values if values[name] is None or isinstance(values[name], PLAIN)}
    return Result(picture, painting, losses, {**used, "backbone": eye.label, **painter.flat()}, scene, eye, painter)


DEFAULTS = defaults()
PLAIN = (bool, int, float, str, tuple, list)
vars(stylize)["__signature__"] = signature_of(stylize)  # which `help` and notebooks show


def settings_of_preset(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the preset among the settings sets, nothing where there is none.

    Raises:
        UserError: for an unknown preset, or one that does not go with the backbone.
    """
    name = settings.get("preset")
    if name is None:
        return {}
    if name not in PRESETS:
        raise UserError(f"preset {name}: not known.{nearest(str(name), PRESETS)} Allowed: {', '.join(PRESETS)}.")
    backbone = settings.get("backbone")
    named = [str(backbone)] if isinstance(backbone, (str, Path)) else None
    values = PRESETS[name]({**settings, "backbone": named})
    return {**values, "backbone": values["backbone"][0]}


@contextlib.contextmanager
def shown(progress: Progress, steps: int) -> Iterator[Callable[[Step], object]]:
    """Give what is called after each evaluation: the caller's own, a bar that moves, or nothing.

    Args:
        progress: see `stylize`.
        steps: evaluations that there will be at most.
    """
    if not progress:
        yield lambda step: None
    elif progress is not True:
        yield progress
    else:
        from tqdm.auto import tqdm  # of a notebook where there is one

        with tqdm(total=None if steps == UNLIMITED_STEPS else steps, desc="painting", unit="evaluations") as bar:

            def advance(step: Step) -> None:
                bar.set_postfix_str(f"loss {step.scalars['loss/total']:.3g}", refresh=False)
                bar.update()

            yield advance


def loaded(backbone: object, network: NetworkSettings, device: torch.device) -> Backbone:
    """Return a backbone on a device: loaded by name or from a network, or the caller's own, which stays where it is.

    Args:
        backbone: as after `--backbone`, a network, or a loaded one.
        network: what is changed about a network that is loaded here.
        device: where to paint.

    Raises:
        UserError: where a loaded backbone would have to be changed, or one cannot be loaded.
    """
    if isinstance(backbone, (str, Path)) or (isinstance(backbone, nn.Module) and not isinstance(backbone, Backbone)):
        return load_backbone(backbone, **network.loading).to(device)
    if not isinstance(backbone, Backbone):
        raise UserError(
            f"backbone: {type(backbone).__name__} is none. Give a name such as vgg19, a network, or a result of "
            f"load_backbone."
        )
    unchanged = NetworkSettings().flat()
    changed = [name for name, value in network.flat().items() if value != unchanged[name]]
    if changed:
        raise UserError(
            f"{', '.join(changed)} with a backbone that is loaded already. Give that to nstkit.load_backbone instead."
        )
    return backbone if backbone.mean.device == device else copy.deepcopy(backbone).to(device)
