"""Weights before training, and batch norm folded away after it."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nstkit.backbones.spec import Init

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


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
    reached: dict[nn.Module, None] = {}  # in the order of the pass

    def scale(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
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


def use_batch_statistics(network: nn.Module) -> nn.Module:
    """Put a network into the mode of evaluation, without dropout, but its batch norm into that of training."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    return network


def fold_batchnorm(layers: nn.Sequential) -> nn.Sequential:
    """Return a copy in eval mode with each batch norm folded into the convolution before it.

    Raises:
        ValueError: for a batch norm that does not follow a convolution.
    """
    folded: list[nn.Module] = []
    for layer in copy.deepcopy(layers).eval():
        if not isinstance(layer, nn.BatchNorm2d):
            folded.append(layer)
        elif folded and isinstance(folded[-1], nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(folded[-1], layer)
        else:
            raise ValueError("a batch norm that does not follow a convolution cannot be folded")
    return nn.Sequential(*folded).eval()
