"""What a network keeps of pictures for the gradient, measured at once on small ones."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nstkit.backbones.backbone import Backbone

SIDES_PX = 64, 128


def kept_bytes_a_pixel(backbone: Backbone, taps: list[str]) -> float:
    """Return what a network keeps of each pixel of a picture for the gradient, beside its weights, in float32 [bytes].

    A painting takes more than that at its size, so what does not fit even so need not be looked at more closely. A
    network whose input has one size keeps nothing for each further pixel.

    Args:
        backbone: the network.
        taps: that the features are taken from.

    Example:
        >>> import nstkit
        >>> carried = nstkit.load_backbone("carried")
        >>> round(kept_bytes_a_pixel(carried, ["relu1_1"])) == 4 * (3 + 16)  # the normalised picture, 16 channels
        True
    """

    def features(image: Tensor) -> object:
        return backbone.features(image, taps)

    few, many = (kept_bytes(backbone, features, (1, 3, side_px, side_px)) for side_px in SIDES_PX)
    return max(0.0, (many - few) / (SIDES_PX[1] ** 2 - SIDES_PX[0] ** 2))


def kept_bytes(network: nn.Module, forward: Callable[[Tensor], object], shape: tuple[int, int, int, int]) -> int:
    """Return what a forward pass keeps of noise of this shape for the gradient, beside the weights [bytes]."""
    known = [*network.parameters(), *network.buffers()]
    weights = {tensor.data_ptr() for tensor in known}
    kept: dict[int, torch.UntypedStorage] = {}  # alive, so that no other gets its address

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage
        return tensor

    images = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(known[0].device)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward(images.requires_grad_(True))
    return sum(storage.nbytes() for storage in kept.values())
