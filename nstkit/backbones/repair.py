"""Random networks as a fair baseline: what makes their blocks identities at the start undone, batch norm settled."""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nstkit.backbones.features import Backbone

SMALL = 0.3  # a branch's gain that is constant and below this is a trick of the start; learnt ones are not constant
GAINS = re.compile(r"(layer_?scale|gamma|gain|skipinit|res_?scale|resweight|alpha|ls|scale)_?\w*\d*$")
NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)


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


@torch.no_grad()
def settle_batchnorm(backbone: Backbone, pictures: Float[Tensor, "b 3 h w"] | Sequence[Tensor]) -> None:
    """Give each batch norm of a random network the statistics of these pictures, in place.

    All of them, or those that `backbone.unsettled` names where the rest was trained.

    A network that was never trained keeps mean 0 and variance 1 there, which are not its activations' own: signals
    then grow or vanish with depth, and it would be a worse one than what training starts from.

    Args:
        backbone: in eval mode, and left so. One without batch norm stays as it is.
        pictures: batches (B, 3, H, W), sRGB in [0, 1], of any sizes; each counts alike. Where a map has one position
            and the batch one picture there is no variance: that norm passes it on as it is.
    """
    norms = [
        module
        for path, module in backbone.network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
        if not backbone.unsettled or path in backbone.unsettled
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    handles = []
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative: the mean of what each batch gives
        norm.train()
        handles.append(norm.register_forward_pre_hook(_sit_out))
    try:
        for batch in [pictures] if isinstance(pictures, Tensor) else pictures:
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


def _sit_out(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Keep a norm out of what it cannot learn from: one value a channel has no variance."""
    norm.train(inputs[0].numel() > inputs[0].shape[1])
