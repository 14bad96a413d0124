"""Weights before training."""

import contextlib
import re
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nstkit.backbones.batchnorm import use_batch_statistics
from nstkit.backbones.spec import Init

NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)
SMALL = 0.3  # a branch's gain that is constant and below this is a trick of the start; learnt ones are not constant
GAINS = re.compile(r"(layer_?scale|gamma|gain|skipinit|res_?scale|resweight|alpha|ls|scale)_?\w*\d*$")


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random numbers on the CPU from `seed` on; what is drawn after the context does not know of it."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        yield


def initialise(network: nn.Module, init: Init, images: Float[Tensor, "n 3 h w"] | None = None) -> None:
    """Give a network its initial weights, in place.

    Args:
        network: any module.
        init: `kaiming` (variance 2 / fan_out, for the gradient), `kaiming-fan-in` (2 / fan_in, for the signal),
            `xavier` (the mean of both, without the 2), `lsuv` (scaled to what `images` bring about), `default` (as
            its library made it).
        images: normalised pictures, for `lsuv`; 64 to 256 will do.

    Raises:
        ValueError: for `lsuv` without pictures.
    """
    if init == "kaiming":
        kaiming_init(network)
    elif init == "kaiming-fan-in":
        normal_init(network, 0.0, 2.0)
    elif init == "xavier":
        normal_init(network, 0.5, 1.0)
    elif init == "lsuv":
        if images is None:
            raise ValueError("lsuv needs pictures")
        lsuv_init(network, images)


def kaiming_init(model: nn.Module) -> None:
    """Initialise in place: convolutions N(0, 2 / fan_out), norms to identity, linear layers N(0, 0.01), biases 0.

    PyTorch's own default shrinks the signal at every layer: a plain VGG19 never leaves the loss ln(classes) with it.

    Source: He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", eq. 14 (the backward-pass condition).
    """
    normal_init(model, 1.0, 2.0)


@torch.no_grad()
def normal_init(model: nn.Module, backward: float, gain: float) -> None:
    """Initialise in place: convolutions and hidden linear layers normal, norms to identity, biases 0.

    The deviation is sqrt(gain / fan), fan = (1 - backward) fan_in + backward fan_out; of linear layers 0.01.

    Source: He et al. 2015, eq. 10 (backward 0, gain 2) and 14 (1, 2); Glorot and Bengio 2010, eq. 12 (0.5, 1).
    Differs: linear layers N(0, 0.01) throughout, as VGG's authors have them: the first loss is ln(classes).
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            positions = module.kernel_size[0] * module.kernel_size[1]
            fan_in = module.in_channels // module.groups * positions
            fan_out = module.out_channels // module.groups * positions
            module.weight.normal_(std=(gain / ((1 - backward) * fan_in + backward * fan_out)) ** 0.5)
        elif isinstance(module, nn.Linear):
            module.weight.normal_(std=0.01)
        _reset_norm_and_bias(module)


def _reset_norm_and_bias(module: nn.Module) -> None:
    if isinstance(module, NORMS) and module.weight is not None:
        nn.init.ones_(module.weight)
    if isinstance(module, (nn.Conv2d, nn.Linear, *NORMS)) and module.bias is not None:
        nn.init.zeros_(module.bias)


@torch.no_grad()
def lsuv_init(network: nn.Module, images: Float[Tensor, "n 3 h w"]) -> None:
    """Initialise in place so that each convolution and linear layer has outputs of deviation 1 on these pictures.

    Convolutions start orthonormal, linear layers as `kaiming-fan-in`, biases at 0. One pass scales each layer's weights
    before the next layer sees its output. The logits, of the layer computed last, get deviation 0.1. Statistics of
    batch norm stay as they were; in the pass it takes those of the pictures.

    Source: Mishkin and Matas 2016, "All you need is a good init", algorithm 1.
    Differs: no iteration, as one division does where the bias is 0; the last layer, so that the first loss is
    ln(classes).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.orthogonal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
        _reset_norm_and_bias(module)
    reached: dict[nn.Conv2d | nn.Linear, None] = {}  # in the order of the pass

    def scale(module: nn.Conv2d | nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        deviation = output.float().std()
        if module not in reached and deviation.isfinite() and deviation > 0:
            module.weight.div_(deviation)
        reached[module] = None
        return module.forward(*inputs)  # not output / deviation: some layers standardise their weights themselves

    was_training = {module: module.training for module in network.modules()}
    statistics = {name: value.clone() for name, value in network.named_buffers()}
    layers = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    handles = [module.register_forward_hook(scale) for module in layers]
    try:
        use_batch_statistics(network)(images)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in was_training.items():
            module.training = mode
        for name, value in network.named_buffers():
            value.copy_(statistics[name])
    if reached:
        list(reached)[-1].weight.mul_(0.1)


@torch.no_grad()
def undo_identity_start(network: nn.Module) -> list[str]:
    """Set to 1 what multiplies residual branches by nothing or next to nothing at the start of training, in place.

    That is the weight of the last norm of a block (`zero_init_last`), layer scale (1e-6 or so), the gains of skipinit
    and ReZero. Convolutions and linear layers of zeros alone get He's normal weights. Random networks are meant:
    trained ones have no such constants, and stay as they are.

    Source: Goyal et al. 2017, section 5.1; Touvron et al. 2021, "Going deeper with Image Transformers", eq. 4; De and
        Smith 2020, "Batch normalization biases residual blocks", section 4.

    Returns:
        Names of the parameters that were changed.
    """
    changed = []
    for path, module in network.named_modules():
        is_norm = isinstance(module, NORMS) or "norm" in type(module).__name__.lower()
        for name, value in module.named_parameters(prefix=path, recurse=False):
            leaf = name.rpartition(".")[2]
            is_gain = (is_norm and leaf == "weight") or GAINS.match(leaf) is not None
            is_vector = value.numel() == max(value.shape, default=1)
            if is_gain and is_vector and value.abs().max() < SMALL and value.min() == value.max():
                value.fill_(1.0)
                changed.append(name)
            elif leaf == "weight" and isinstance(module, (nn.Conv2d, nn.Linear)) and not value.any():
                nn.init.kaiming_normal_(value)
                changed.append(name)
    return changed
