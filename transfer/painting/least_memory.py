"""What every painting takes, whatever the network: enough to refuse gigantic ones before torch is imported."""

import math
from collections.abc import Sequence

from nstkit.config import Device
from nstkit.memory import Demand, free_memory_bytes, may_have_gpu
from nstkit.settings import known
from transfer.painting.settings import MARGIN_PX, OptimizationSettings

COLOUR_BYTES = 3 * 4  # of a pixel, float32
CANVAS_COPIES = 4  # the parameters, the picture of them, and the gradient of each
LEAST_HISTORY = 5  # of L-BFGS: down to it the history is shortened where memory is short

Size = tuple[int, int]


def least_bytes(content: Size | None, styles: Sequence[Size], optimization: OptimizationSettings) -> int:
    """Return what a painting takes beside its network and the features, with the shortest history [bytes].

    Args:
        content: (height, width) of the content picture [px], None where there is none.
        styles: of each style; without a content the first has the size of the result.
        optimization: resolved.
    """
    size = content or styles[0]
    canvas = math.prod(size)
    pictures = sum(math.prod(each) for each in (content, *styles) if each is not None)
    remembered = min(LEAST_HISTORY, optimization.history, known(optimization.steps) // known(optimization.scales))
    return (pictures + CANVAS_COPIES * canvas) * COLOUR_BYTES + remembered * bytes_a_pair(size, optimization)


def bytes_a_pair(size: Size, optimization: OptimizationSettings) -> int:
    """Return what L-BFGS keeps of a step on a canvas of (height, width): the step and the change of the gradient."""
    margin_px = MARGIN_PX if optimization.canvas == "fourier" else 0
    values = math.prod(side + margin_px for side in size)
    return 2 * COLOUR_BYTES * values if optimization.optimizer == "lbfgs" else 0


def check_least_memory(
    content: Size | None,
    styles: Sequence[Size],
    optimization: OptimizationSettings,
    device: Device,
    limit_gib: float | None = None,
) -> None:
    """Raise `UserError` where a painting does not fit into the machine's memory with any network.

    With a GPU, whose memory only torch knows, nothing is said. The arguments are those of `least_bytes`, and the limit
    that of `free_memory_bytes`.
    """
    if device == "cpu" or (device == "auto" and not may_have_gpu()):
        what = f"Painting {max(content or styles[0])} px with any network"
        needed = least_bytes(content, styles, optimization)
        Demand(what, needed, free_memory_bytes(None, limit_gib), "Use a smaller --size.", is_least=True).check()
