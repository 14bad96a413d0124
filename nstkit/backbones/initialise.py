"""Weights before training, and batch norm folded away after it."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


@torch.no_grad()
def kaiming_init(model: nn.Module) -> None:
    """Initialise in place: convolutions N(0, 2 / fan_out), norms to identity, linear layers N(0, 0.01), biases 0.

    PyTorch's own default shrinks the signal at every layer: a plain VGG19 never leaves the loss ln(classes) with it.

    Source: He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", eq. 14 (the backward-pass condition).
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)


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
