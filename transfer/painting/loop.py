"""The loop that paints one picture. It knows no files and no screen: it hands a small record to one callback."""

import random
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.batchnorm import settled
from nstkit.errors import UserError, is_out_of_memory
from nstkit.settings import known
from transfer.painting.canvas import Canvas, build_canvas, start_picture
from transfer.painting.colour import recolour
from transfer.painting.losses.objective import Objective
from transfer.painting.optimizers.build import CanvasOptimizer, build_optimizer
from transfer.painting.pyramid import Kept, Scale, plan_scales
from transfer.painting.reach import measure_tiling
from transfer.painting.scene import Scene, resize
from transfer.painting.settings import PaintSettings
from transfer.painting.tiles import Tiling


@dataclass(frozen=True)
class Step:
    """What the loop reports after each evaluation of the loss.

    Attributes:
        number: evaluations so far, from 1.
        scalars: the losses by tag, of `canvas` as it is.
        canvas: (1, 3, H, W) in [0, 1]; it changes in place after the call.
        time_s: since the loop began.
    """

    number: int
    scalars: dict[str, float]
    canvas: Float[Tensor, "1 3 h w"]
    time_s: float


@dataclass(frozen=True)
class Painting:
    """The resulting canvas and the losses measured on exactly that canvas.

    Attributes:
        image: (1, 3, H, W) in [0, 1].
        scalars: the losses by tag.
        number: the evaluation that it comes from.
        time_s: of the whole loop.
        is_interrupted: a signal ended the loop before its last step.
        unfinished: why the picture is smaller than the scene: memory was too small for a larger scale; else None.
        facts: of the objective, see there.
    """

    image: Float[Tensor, "1 3 h w"]
    scalars: dict[str, float]
    number: int
    time_s: float
    is_interrupted: bool = False
    unfinished: str | None = None
    facts: dict[str, float] = field(default_factory=dict)


@torch.inference_mode(False)
@torch.enable_grad()  # whatever the caller has switched off
def paint(
    scene: Scene,
    backbone: Backbone,
    settings: PaintSettings,
    report: Callable[[Step], None] = lambda step: None,
    at_scale: Callable[[Tensor], None] = lambda image: None,
    *,
    keeps_unfinished: bool = False,
    tiling: Tiling | None = None,
) -> Painting:
    """Return the painting of one scene.

    Args:
        scene: on the device of the backbone.
        backbone: the network whose features are compared; it stays as it is. If its weights are random, a copy is used
            whose batch norm has the statistics of the scene.
        settings: resolved.
        report: called after each evaluation.
        at_scale: called with what a scale has come to before a larger one begins.
        keeps_unfinished: whether KeyboardInterrupt ends the painting with the canvas so far, and too little memory with
            the last scale that was finished.
        tiling: how large pictures are cut; None = as the settings want it.

    Raises:
        KeyboardInterrupt: otherwise, and before the first evaluation.
        UserError: when the loss is not finite, no tap of the network carries anything, or memory is too small.
        NoTiles: where tiles are asked for and would paint another picture.
    """
    started = time.perf_counter()
    scene, finish = recolour(scene, settings.losses.color)
    backbone = settled(backbone, scene.pictures)
    tile = settings.optimization.tile
    if tiling is None and tile is not None and any(max(picture.shape[2:]) > tile for picture in scene.pictures):
        tiling = measure_tiling(backbone, settings.losses, tile)
    image: Tensor | None = None
    unfinished: str | None = None
    optimizer: CanvasOptimizer | None = None
    kept: Kept | None = None
    steps_done, is_interrupted = 0, False
    painted: tuple[int, int] | None = None
    is_stuck = True

    def show(step: Step) -> None:
        report(replace(step, canvas=finish(step.canvas)))

    for scale in plan_scales(scene.size, settings.optimization):
        before, kept = kept, Kept(settings.optimization, steps_done)
        first = image
        if image is not None:
            at_scale(finish(image))
        if settings.optimization.optimizer == "lbfgs":
            optimizer = None  # whose history, which is of no use any more, is a large part of the memory
        try:
            small, start = with_start(scene.at(scale.size), settings)
            first = start if image is None else resize(image, scale.size)
            objective = Objective(backbone, small, settings.losses, settings.precision, tiling)
            canvas = build_canvas(settings.optimization.canvas, first, settings.optimization.pixel_range)
            optimizer = build_optimizer(settings.optimization, canvas, optimizer)
            _optimize(small, objective, canvas, optimizer, settings, scale, kept, started, show)
        except KeyboardInterrupt:
            if kept.seen == 0 or not keeps_unfinished:
                raise
            is_interrupted = True
        except FloatingPointError as error:
            raise UserError(
                f"{backbone.label}: {error} at step {kept.seen}. Try --precision fp32 or a lower --lr."
            ) from error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            unfinished = too_large(scale.size, painted)
            if before is None or image is None or not keeps_unfinished:
                raise UserError(unfinished) from error
            kept = before
            break
        image = first if kept.image is None else kept.image
        steps_done, painted, is_stuck = kept.seen, scale.size, is_stuck and kept.is_stuck
        if is_interrupted:
            break
    assert image is not None  # there is at least one scale
    assert kept is not None
    time_s = time.perf_counter() - started
    if unfinished is not None:
        return Painting(finish(image), kept.last, kept.number, time_s, unfinished=unfinished, facts=objective.facts)
    scalars = kept.scalars
    if scalars is None or scale.size != scene.size:
        image = scene.over_photograph(resize(image, scene.size))
        if is_interrupted:  # maybe at a smaller size, whose losses are not those of the whole picture
            whole = with_start(scene, settings)[0]
            objective = Objective(backbone, whole, settings.losses, settings.precision, tiling)
        with torch.no_grad():
            scalars = _as_numbers(objective(image))
    if is_stuck and not is_interrupted:
        warnings.warn("no canvas was better than the first, so that is the result. Try another --lr.", stacklevel=2)
    time_s = time.perf_counter() - started
    return Painting(finish(image), scalars, kept.number, time_s, is_interrupted, facts=objective.facts)


def too_large(size: tuple[int, int], painted: tuple[int, int] | None) -> str:
    """Return the line that says for which size the memory was too small, and up to which it was painted.

    Args:
        size: (height, width) [px].
        painted: the scale before; None where there was none.
    """
    smaller = "a smaller --size" if painted is None else f"--size {max(painted)}, up to which it went well"
    return (
        f"too little memory to paint {size[1]} x {size[0]} px. Use {smaller}, a smaller --tile or network, --precision "
        f"bf16 or a shorter --history."
    )


def with_start(scene: Scene, settings: PaintSettings) -> tuple[Scene, Float[Tensor, "1 3 h w"]]:
    """Return the scene with its first canvas, and that canvas, at the size of the result."""
    init, kind = known(settings.optimization.init), settings.optimization.canvas
    start = start_picture(scene, init, settings.seed, kind)
    return replace(scene, start=start), start


def _optimize(
    scene: Scene,
    objective: Objective,
    canvas: Canvas,
    optimizer: CanvasOptimizer,
    settings: PaintSettings,
    scale: Scale,
    kept: Kept,
    started: float,
    report: Callable[[Step], None],
) -> None:
    """Evaluate and move the canvas until the scale's steps or seconds are spent, or it no longer gets better."""
    shifts, jitter = random.Random(settings.seed), known(settings.optimization.jitter)
    while kept.seen < scale.last_step and time.perf_counter() - started < scale.seconds:
        image = scene.over_photograph(canvas.image())
        shift = (shifts.randint(-jitter, jitter), shifts.randint(-jitter, jitter))
        losses = objective(image, shift)
        (gradient,) = torch.autograd.grad(losses["loss/total"], canvas.parameters)
        scalars = _as_numbers(losses)
        kept.take(image.detach(), scalars)
        report(Step(kept.seen, scalars, image.detach(), time.perf_counter() - started))
        if kept.is_converged(settings.optimization.tolerance):
            break
        optimizer.update(scalars["loss/total"], gradient)


def _as_numbers(losses: dict[str, Tensor]) -> dict[str, float]:
    """Return the losses as numbers, with one wait for the device."""
    values = torch.stack([loss.detach().float() for loss in losses.values()])
    return dict(zip(losses, values.tolist(), strict=True))
