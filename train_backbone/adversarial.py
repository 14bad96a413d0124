"""Pictures made harder by one step along the gradient of the loss: what adversarial training learns from."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def perturbed(
    network: nn.Module,
    images: Float[Tensor, "b 3 h w"],
    loss_of: Callable[[Tensor], Tensor],
    length: float,
    std: Sequence[float],
) -> Float[Tensor, "b 3 h w"]:
    """Return each picture moved by a step of a given length along the gradient of its loss.

    The network is looked at as it is measured, with the statistics of batch norm as they stand and without dropout;
    they stay as they are. A picture whose gradient is 0 or not finite stays too.

    Args:
        network: that is attacked; it is left in training mode.
        images: normalised pictures.
        loss_of: the loss of the pictures' logits, a mean over them.
        length: l2 norm of the step over a picture's pixels and channels, for pictures in [0, 1].
        std: deviation of each channel, by which the pictures were divided.

    Source: Goodfellow, Shlens, Szegedy 2015, Explaining and Harnessing Adversarial Examples, section 5; with the l2
        norm Miyato, Dai, Goodfellow 2017, Adversarial Training Methods for Semi-Supervised Text Classification,
        equation 5.
    Differs: the result is not cut off at black and white, and the network learns from it alone, as in Madry et al.
        2018, Towards Deep Learning Models Resistant to Adversarial Attacks.
    """
    scale = torch.tensor(std, dtype=torch.float32, device=images.device)[:, None, None]
    moved = images.detach().clone().requires_grad_()
    network.eval()
    with torch.enable_grad():
        loss = loss_of(network(moved).float()) * len(images)  # else each gradient shrinks with the batch
    (gradient,) = torch.autograd.grad(loss, moved)
    network.train()
    gradient = torch.nan_to_num(gradient.float() / scale, 0.0, 0.0, 0.0)  # of a picture in [0, 1]
    norm = gradient.flatten(1).norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)[:, None, None, None]
    return images + length * gradient / norm / scale
