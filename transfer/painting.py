"""The loop that paints one picture. It knows no files and no screen: it hands a small record to one callback."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.features import Backbone
from nstkit.config import Precision
from nstkit.errors import UserError
from transfer.canvas import start_canvas
from transfer.config import TransferConfig
from transfer.losses import Objective
from transfer.optimize import build_optimizer


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
    """The best canvas and the losses measured on exactly that canvas.

    Attributes:
        image: (1, 3, H, W) in [0, 1].
        scalars: the losses by tag.
        number: the evaluation that it comes from.
        time_s: of the whole loop.
        is_interrupted: Ctrl-C ended the loop before its last step.
    """

    image: Float[Tensor, "1 3 h w"]
    scalars: dict[str, float]
    number: int
    time_s: float
    is_interrupted: bool = False


def paint(
    content: Float[Tensor, "1 3 h w"],
    style: Float[Tensor, "1 3 h2 w2"],
    backbone: Backbone,
    config: TransferConfig,
    precision: Precision,
    report: Callable[[Step], None] = lambda step: None,
) -> Painting:
    """Return the painting of one pair. All tensors and the backbone lie on one device.

    Args:
        content: sRGB in [0, 1].
        style: sRGB in [0, 1], of any size.
        backbone: the network whose features are compared.
        config: resolved settings.
        precision: of the network's computation.
        report: called after each evaluation.

    Raises:
        UserError: when the loss is not finite, or no tap of the network carries anything.
    """
    objective = Objective(backbone, content, style, config, precision)
    if not objective.style_targets and not objective.content_targets:
        raise UserError(f"{backbone.label}: no tap has features that vary. Choose others, see --list-taps.")
    canvas = start_canvas(config.init, content, style, config.seed).requires_grad_(True)
    optimizer = build_optimizer(config.optimizer, canvas, config.lr)
    best, best_scalars, best_number = canvas.detach().clone(), {"loss/total": float("inf")}, 0
    is_interrupted, started = False, time.perf_counter()
    try:
        for number in range(1, config.steps + 1):
            losses = objective(canvas)
            (gradient,) = torch.autograd.grad(losses["loss/total"], canvas)
            names, values = list(losses), torch.stack([loss.detach().float() for loss in losses.values()])
            scalars = dict(zip(names, values.tolist(), strict=True))
            if scalars["loss/total"] < best_scalars["loss/total"]:
                best.copy_(canvas.detach())
                best_scalars, best_number = scalars, number
            report(Step(number, scalars, canvas.detach(), time.perf_counter() - started))
            optimizer.update(scalars["loss/total"], gradient)
    except KeyboardInterrupt:
        if best_number == 0:
            raise
        is_interrupted = True
    except FloatingPointError as error:
        raise UserError(f"{backbone.label}: {error} at step {number}. Try --precision fp32 or a lower --lr.") from error
    return Painting(best, best_scalars, best_number, time.perf_counter() - started, is_interrupted)
