"""Batch norm: settled in a network that was never trained, of the batch before training, folded away after it."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nstkit.backbones.backbone import Backbone
from nstkit.pictures.tensors import shrink

SETTLING_PX = 1024  # of the pictures whose statistics are taken


def settled(backbone: Backbone, pictures: Float[Tensor, "b 3 h w"] | Sequence[Tensor]) -> Backbone:
    """Return a random network whose batch norms have the statistics of these pictures; any other as it is.

    A network that was never trained keeps mean 0 and variance 1 there, which are not its activations' own: signals
    then grow or vanish with depth, and it would be a worse one than what training starts from.

    Args:
        backbone: in eval mode. Neither it nor the global random state is changed.
        pictures: batches (B, 3, H, W), sRGB in [0, 1], of any sizes; each counts alike. Larger ones than 1024 px are
            looked at in that size, or this would be what fills the memory. Where a map has one position and the batch
            one picture there is no variance: that norm passes it on as it is.

    Returns:
        A copy that shares the parameters, in which all batch norms have new statistics, or those that
        `backbone.unsettled` names where the rest was trained. The backbone itself where its weights are not random and
        none is unsettled, or where none keeps statistics.

    Example:
        >>> import torch, nstkit
        >>> backbone = nstkit.load_backbone("vgg11_bn@random")
        >>> settled(backbone, torch.rand(1, 3, 64, 64)) is backbone
        False
        >>> trained = nstkit.load_backbone("carried")
        >>> settled(trained, torch.rand(1, 3, 64, 64)) is trained
        True
    """
    is_settled = not backbone.is_random and not backbone.unsettled
    if is_settled or not _norms_without_statistics(backbone):
        return backbone
    copied = backbone.with_own_buffers()
    _settle(copied, pictures)
    return copied


@torch.no_grad()
def _settle(backbone: Backbone, pictures: Tensor | Sequence[Tensor]) -> None:
    """Give the batch norms of a random network the statistics of these pictures, in place."""
    norms = _norms_without_statistics(backbone)
    momenta = [norm.momentum for norm in norms]
    handles = []
    for norm in norms:
        norm.reset_running_stats()
        handles.append(norm.register_forward_pre_hook(_learn))
    try:
        for batch in [pictures] if isinstance(pictures, Tensor) else pictures:
            batch = shrink(batch, SETTLING_PX)
            if backbone.sizes.is_partial:
                backbone.features(batch, list(backbone.taps)[-1:])
            else:
                backbone.features_and_output(batch, ())
    finally:
        for handle in handles:
            handle.remove()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def _norms_without_statistics(backbone: Backbone) -> list[_BatchNorm]:
    """Return the batch norms whose running statistics are not those of any pictures."""
    return [
        module
        for path, module in backbone.network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
        if not backbone.unsettled or path in backbone.unsettled
    ]


def _learn(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Let a norm take the statistics of what it is given, unless that is one value a channel, which has no variance.

    Set before each pass, not once before all: a network that is told the size of a picture gets its own attributes back
    in between.
    """
    assert isinstance(norm, _BatchNorm)
    norm.momentum = None  # cumulative: the mean of what each batch gives
    norm.train(inputs[0].numel() > inputs[0].shape[1])


def use_batch_statistics(network: nn.Module) -> nn.Module:
    """Put a network into the mode of evaluation, without dropout, but its batch norm into that of training."""
    network.eval()
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return network


def fold_batchnorm(layers: nn.Sequential) -> nn.Sequential:
    """Return a copy in eval mode with each batch norm folded into the convolution before it.

    Raises:
        ValueError: for a batch norm that does not follow a convolution.

    Example:
        >>> from torch import nn
        >>> folded = fold_batchnorm(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
        >>> [type(layer).__name__ for layer in folded]
        ['Conv2d', 'ReLU']
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
