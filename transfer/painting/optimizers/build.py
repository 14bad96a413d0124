"""The optimizer that the settings name."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from nstkit.settings import known
from transfer.painting.canvas import Canvas, PixelCanvas
from transfer.painting.optimizers.descent import DESCENTS, Descent
from transfer.painting.optimizers.lbfgs import ProjectedLbfgs
from transfer.painting.settings import OptimizationSettings


@runtime_checkable
class CanvasOptimizer(Protocol):
    """Moves the parameters of a canvas in place."""

    def update(self, loss: float, gradient: Tensor) -> None:
        """Move on from the loss and gradient at the present parameters; raise `FloatingPointError` for a NaN."""
        ...


def build_optimizer(
    settings: OptimizationSettings, canvas: Canvas, smaller: CanvasOptimizer | None = None
) -> CanvasOptimizer:
    """Return the optimizer of a canvas.

    Args:
        settings: resolved.
        canvas: whose parameters it moves.
        smaller: that of the scale before. The memory of L-BFGS and of a spectrum does not carry over.
    """
    if settings.optimizer == "lbfgs":
        return ProjectedLbfgs(
            canvas.parameters,
            known(settings.lr),
            history=settings.history,
            line_search=settings.line_search,
            bounds=canvas.range,
        )
    kind = DESCENTS[known(settings.optimizer)]
    decay = settings.lr_decay ** (1 / settings.lr_decay_steps)
    moments = {"betas": (settings.beta1, settings.beta2), "eps": settings.epsilon}
    constants = moments if settings.optimizer in ("adam", "nadam") else {}
    descent = Descent(canvas.parameters, kind, settings.lr, decay=decay, bounds=canvas.range, **constants)
    if isinstance(smaller, Descent) and isinstance(canvas, PixelCanvas):
        descent.carry_over(smaller)
    return descent
