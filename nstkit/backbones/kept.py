"""What a network keeps of pictures for the gradient."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


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
