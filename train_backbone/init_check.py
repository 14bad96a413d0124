"""Before step 0: does the picture reach the loss, and the gradient the first layer? One batch tells."""

import copy
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from nstkit.backbones.batchnorm import use_batch_statistics
from nstkit.quality import sample
from nstkit.quality.rank import rankme

ENOUGH_PICTURES = (
    16  # for a rank above 2; more may not fit where a network is so large that it is trained on few at once
)
MIN_GRADIENT_RATIO = 1e-6  # plain VGG19 with PyTorch's default weights has 1e-8 and never learns; with kaiming 3e-3
MIN_RANKME = 2.0  # the same two: 1.0 and more than 10
ADVICE = "use --init kaiming or lsuv"


@dataclass(frozen=True)
class LayerRow:
    """A convolution or linear layer at step 0.

    Attributes:
        name: path of the module.
        output_std: deviation of its outputs over the batch.
        zero_share: share of zeros behind the first ReLU after it, in [0, 1]. None where no ReLU follows.
        gradient_ratio: norm of its weights' gradient, divided by the norm of its weights.
    """

    name: str
    output_std: float
    zero_share: float | None
    gradient_ratio: float


@dataclass(frozen=True)
class InitReport:
    """What a batch tells of initial weights.

    Attributes:
        rows: the layers, in the order of the computation.
        rankme: effective rank of the features that the last layer sees, at most the number of pictures.
        problems: a line for each, which says what is wrong and what to do. A network that can learn has none.
    """

    rows: tuple[LayerRow, ...]
    rankme: float
    problems: tuple[str, ...]


def seen_pictures(size_px: int, batch_size: int) -> int:
    """Return how many pictures of this side are enough for the check of a network that is trained on such batches."""
    return min(sample.batch_size(size_px), max(ENOUGH_PICTURES, batch_size))


def check_initial_weights(
    model: nn.Module, images: Float[Tensor, "n 3 h w"], labels: Int64[Tensor, " n"]
) -> InitReport:
    """Return what one batch tells of the initial weights. The model and all random states are left as they were.

    Dropout is off, and batch norm takes the statistics of the batch.

    Args:
        model: gives logits of pictures.
        images: normalised, on the model's device. Take 64 or more, as the rank cannot exceed their number.
        labels: their classes.
    """
    with _kept_random_states(images.device):
        return _check(use_batch_statistics(copy.deepcopy(model).requires_grad_()), images, labels)


def _check(model: nn.Module, images: Tensor, labels: Tensor) -> InitReport:
    """Return the report of a network that may be changed; the hooks stay in it."""
    layers: dict[nn.Module, str] = {
        module: name for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))
    }
    deviations: dict[nn.Module, float] = {}  # in the order of the computation
    zeros: dict[nn.Module, float] = {}
    last_input: list[Tensor] = []

    def see_layer(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        deviations.setdefault(module, output.detach().float().std().item())
        last_input[:] = [inputs[0].detach()]

    def see_relu(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if deviations:
            zeros.setdefault(next(reversed(deviations)), (output == 0).float().mean().item())

    for module in model.modules():
        if module in layers:
            module.register_forward_hook(see_layer)
        elif isinstance(module, (nn.ReLU, nn.ReLU6)):
            module.register_forward_hook(see_relu)
    functional.cross_entropy(model(images).float(), labels).backward()
    rows = tuple(
        LayerRow(layers[module], deviation, zeros.get(module), _gradient_ratio(module))
        for module, deviation in deviations.items()
    )
    features = last_input[0].flatten(2).mean(dim=2) if last_input[0].ndim > 2 else last_input[0]
    rank = rankme(features) if features.isfinite().all() else math.nan
    return InitReport(rows, rank, tuple(_problems(rows, rank)))


def _gradient_ratio(layer: nn.Module) -> float:
    weight = layer.get_parameter("weight")
    norm = 0.0 if weight.grad is None else weight.grad.norm().item()
    return norm / max(weight.norm().item(), torch.finfo(torch.float32).tiny)


def _problems(rows: tuple[LayerRow, ...], rank: float) -> Iterator[str]:
    for row in rows:
        if not math.isfinite(row.output_std):
            yield f"the output of {row.name} is not finite: the signal explodes; {ADVICE}"
            return
    for row in rows:
        if not math.isfinite(row.gradient_ratio):
            yield f"the gradient of {row.name} is not finite: it explodes; {ADVICE}"
            return
    # Of the first layer alone: within residual branches that start at zero others have no gradient yet.
    if rows[0].gradient_ratio < MIN_GRADIENT_RATIO:
        yield f"gradient/weight ratio {rows[0].gradient_ratio:.1e} at {rows[0].name}: the signal dies; {ADVICE}"
    if rank < MIN_RANKME:
        yield f"RankMe {rank:.2f} of the last features: they hardly depend on the picture; {ADVICE}"


@contextmanager
def _kept_random_states(device: torch.device) -> Iterator[None]:
    """Give every random number generator back the state that it had."""
    python, array = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(array)
