"""The loop that paints one picture. It knows no files and no screen: it hands a small record to one callback."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.features import Backbone
from nstkit.backbones.repair import settle_batchnorm
from nstkit.config import Precision
from nstkit.errors import UserError
from transfer.canvas import Canvas, build_canvas, resize, start_picture
from transfer.config import TransferConfig
from transfer.objective import Objective
from transfer.optimize import Optimizer, build_optimizer

SMALLEST_SCALE_PX = 64  # shorter side below which the pyramid does not begin
CONVERGED_OVER = 25  # evaluations over which the loss has to fall by `tolerance`


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
        is_interrupted: Ctrl-C ended the loop before its last step.
        facts: of the objective, see there.
    """

    image: Float[Tensor, "1 3 h w"]
    scalars: dict[str, float]
    number: int
    time_s: float
    is_interrupted: bool = False
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """One size of the pyramid.

    Attributes:
        size: (height, width).
        last_step: evaluation after which the next size begins.
        seconds: since the start of the painting, after which the next size begins.
    """

    size: tuple[int, int]
    last_step: int
    seconds: float


def plan_scales(size: tuple[int, int], config: TransferConfig) -> list[Scale]:
    """Return the sizes that are painted one after the other, each half the next, and when each ends.

    The evaluations are shared out evenly, the seconds by the area, so that either gives the same pyramid.
    """
    factors = [2**-k for k in reversed(range(config.scales)) if k == 0 or min(size) / 2**k >= SMALLEST_SCALE_PX]
    areas = [factor**2 for factor in factors]
    limit = math.inf if config.seconds is None else config.seconds
    return [
        Scale(
            (max(1, round(size[0] * factor)), max(1, round(size[1] * factor))),
            max(k, round(config.steps * k / len(factors))),
            limit * sum(areas[:k]) / sum(areas),
        )
        for k, factor in enumerate(factors, start=1)
    ]


class Kept:
    """What a scale has come to: the canvas of the lowest loss, a running mean, or the last where losses do not compare.

    Attributes:
        image: (1, 3, H, W) in [0, 1], None before the first evaluation.
        scalars: its losses, None where it was not measured itself.
        number: the evaluation that it comes from.
        seen: the last evaluation, those of earlier scales included.
        losses: the total loss of every evaluation of this scale.
    """

    def __init__(self, config: TransferConfig, seen: int) -> None:
        self._average, self._is_comparable = config.average, config.jitter == 0
        self.image: Tensor | None = None
        self.scalars: dict[str, float] | None = None
        self.number = self.seen = seen
        self.losses: list[float] = []

    @torch.no_grad()
    def take(self, image: Tensor, scalars: dict[str, float]) -> None:
        """Take one evaluation."""
        self.seen += 1
        loss, lowest = scalars["loss/total"], min(self.losses, default=math.inf)
        self.losses.append(loss)
        if self.image is None:
            self.image = image.clone()
        elif self._average:
            # 1 / n at first: the mean of few must not lean on the very first.
            self.image.lerp_(image, max(1 - self._average, 1 / len(self.losses)))
        elif loss < lowest or not self._is_comparable:
            self.image.copy_(image)
        else:
            return
        self.scalars = scalars if self._is_comparable and not self._average else None
        self.number = self.seen

    def is_converged(self, tolerance: float) -> bool:
        """Return whether the lowest loss fell by less than this share over the last evaluations."""
        if not tolerance or len(self.losses) <= CONVERGED_OVER:
            return False
        return min(self.losses) > (1 - tolerance) * min(self.losses[:-CONVERGED_OVER])


def paint(
    content: Float[Tensor, "1 3 h w"] | None,
    style: Float[Tensor, "1 3 h2 w2"] | None,
    backbone: Backbone,
    config: TransferConfig,
    precision: Precision,
    report: Callable[[Step], None] = lambda step: None,
) -> Painting:
    """Return the painting of one pair. All tensors and the backbone lie on one device.

    Args:
        content: sRGB in [0, 1]; gives the size. None for a texture, which has the size of the style.
        style: sRGB in [0, 1], of any size. None where the content alone is painted.
        backbone: the network whose features are compared. If its weights are random, its batch norm is given the
            statistics of the two pictures.
        config: resolved settings.
        precision: of the network's computation.
        report: called after each evaluation.

    Raises:
        UserError: when the loss is not finite, or no tap of the network carries anything.
    """
    started = time.perf_counter()
    if backbone.is_random or backbone.unsettled:
        settle_batchnorm(backbone, [picture for picture in (content, style) if picture is not None])
    size = tuple((style if content is None else content).shape[2:])
    image, optimizer, number, is_interrupted = None, None, 0, False
    for scale in plan_scales(size, config):
        pictures = [None if picture is None else _scaled(picture, size, scale.size) for picture in (content, style)]
        start = start_picture(config.init, *pictures, config.seed, config.canvas)
        image = start if image is None else resize(image, scale.size)
        kept = Kept(config, number)
        try:
            objective = Objective(backbone, *pictures, config, precision, start)
            canvas = build_canvas(config.canvas, image)
            optimizer = build_optimizer(config, canvas, optimizer)
            _optimize(objective, canvas, optimizer, config, scale, kept, started, report)
        except KeyboardInterrupt:
            if kept.seen == 0:
                raise
            is_interrupted = True
        except FloatingPointError as error:
            raise UserError(
                f"{backbone.label}: {error} at step {kept.seen}. Try --precision fp32 or a lower --lr."
            ) from error
        image = image if kept.image is None else kept.image
        number = kept.seen
        if is_interrupted:
            break
    scalars = kept.scalars
    if scalars is None or scale.size != size:
        image = resize(image, size)
        if is_interrupted:  # maybe at a smaller size, whose losses are not those of the whole picture
            start = start_picture(config.init, content, style, config.seed, config.canvas)
            objective = Objective(backbone, content, style, config, precision, start)
        with torch.no_grad():
            scalars = _as_numbers(objective(image))
    time_s = time.perf_counter() - started
    return Painting(image, scalars, kept.number, time_s, is_interrupted, objective.facts)


def _optimize(
    objective: Objective,
    canvas: Canvas,
    optimizer: Optimizer,
    config: TransferConfig,
    scale: Scale,
    kept: Kept,
    started: float,
    report: Callable[[Step], None],
) -> None:
    """Evaluate and move the canvas until the scale's steps or seconds are spent, or it no longer gets better."""
    shifts = random.Random(config.seed)
    while kept.seen < scale.last_step and time.perf_counter() - started < scale.seconds:
        image = canvas.image()
        shift = tuple(shifts.randint(-config.jitter, config.jitter) for _ in range(2))
        losses = objective(image, shift)
        (gradient,) = torch.autograd.grad(losses["loss/total"], canvas.parameters)
        scalars = _as_numbers(losses)
        kept.take(image.detach(), scalars)
        report(Step(kept.seen, scalars, image.detach(), time.perf_counter() - started))
        if kept.is_converged(config.tolerance):
            break
        optimizer.update(scalars["loss/total"], gradient)


def _as_numbers(losses: dict[str, Tensor]) -> dict[str, float]:
    """Return the losses as numbers, with one wait for the device."""
    values = torch.stack([loss.detach().float() for loss in losses.values()])
    return dict(zip(losses, values.tolist(), strict=True))


def _scaled(picture: Tensor, full: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return a picture shrunk as one of size `full` is to `size`."""
    height, width = picture.shape[2:]
    return resize(picture, (max(1, round(height * size[0] / full[0])), max(1, round(width * size[1] / full[1]))))
