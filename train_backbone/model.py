"""The network to train, built and laid out in memory."""

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nstkit.backbones.build import arch_of, build_network
from nstkit.backbones.initialise import initialise
from nstkit.errors import UserError, first_line, is_out_of_memory
from train_backbone.config import NetworkSettings


def build_model(
    network: NetworkSettings, classes: int, image_size: int, images: Float[Tensor, "n 3 h w"] | None = None
) -> nn.Module:
    """Return the network of the settings with its initial weights; its `arguments` is the `arch` of its checkpoints.

    Args:
        network: the settings.
        classes: how many logits.
        image_size: side of the training pictures [px].
        images: normalised training pictures, which `--init lsuv` looks at.

    Raises:
        UserError: for an unknown network, or one that gives no logits of such pictures.
    """
    arch = network_arch(network, classes, image_size)
    model = build_network(arch, factory=network.arch if ":" in network.arch else None)
    initialise(model, network.init or ("default" if "library" in arch else "kaiming"), images)
    check_logits(model, arch["arch"], classes, image_size)
    return model


def network_arch(network: NetworkSettings, classes: int, image_size: int) -> dict[str, Any]:
    """Return the `arch` of the network of the settings; the arguments are those of `build_model`."""
    return arch_of(
        network.arch, norm=network.norm, width=network.width, head=network.head, classes=classes, image_size=image_size
    )


def check_logits(model: nn.Module, name: str, classes: int, image_size: int) -> None:
    """Raise `UserError` if the network of this name makes no logits (2, classes) of two pictures.

    The network and the random state are left as they were.
    """
    # Of a copy in training mode: some networks give more than the logits there, and batch norm keeps statistics.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            logits = copy.deepcopy(model).train()(torch.rand(2, 3, image_size, image_size))
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            raise UserError(
                f"--arch {name}: it does not take pictures of {image_size} px ({first_line(error)}). Use a larger "
                f"--image-size or another network."
            ) from error
    if not isinstance(logits, Tensor) or logits.shape != (2, classes):
        output = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(f"--arch {name}: it gives {output} of two pictures in training, not logits (2, {classes}).")
