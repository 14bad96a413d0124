"""What is timed to find the number format and memory format in which a network trains fastest here."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nstkit.formats import Format, Work
from nstkit.hardware import autocast
from train_backbone.loop import admits_small_pictures

WEIGHTS = 2_000_000
SMALLEST_PX = 32
COUNTS = (2, 8, 32, 128)


def training_work(model: nn.Module, size_px: int, batch_size: int) -> Work:
    """Return what is timed: a batch, as small as need be, through the first layers and back to their weights.

    Of a large network they are those that hold two million weights together, from where pictures are largest. Of the
    others a small batch would tell little: what a step does once for all its pictures, such as copying the weights into
    another format, would take most of its time.

    Args:
        model: with its initial weights; it stays as it is.
        size_px: side of the pictures [px].
        batch_size: pictures that go through it at one time.
    """
    least = min(COUNTS[0], batch_size)
    smaller = [side for side in (size_px // 4, size_px // 2) if side >= SMALLEST_PX]
    sizes = [(least, side) for side in smaller]
    sizes += [(count, size_px) for count in (least, *COUNTS[1:]) if count <= batch_size]
    probe: list[nn.Module] = []  # a copy, made only if something is measured

    def prepare(form: Format, size: tuple[int, int]) -> Callable[[], object]:
        if not probe:
            probe.append(copy.deepcopy(model).train())
        network = probe[0].to(memory_format=form.layout)
        network.zero_grad()
        count, side = size
        device = next(network.parameters()).device
        images = torch.rand(count, 3, side, side, device=device).contiguous(memory_format=form.layout)

        def step() -> object:
            with autocast(device, form.precision), admits_small_pictures(network, side):
                maps = first_layers(network, images)
            return maps.float().square().mean().backward()

        return step

    return Work(f"training at {size_px} px", model, sizes, prepare)


class _Enough(Exception):
    """Raised out of a layer, so that nothing behind it is computed."""


def first_layers(network: nn.Module, images: Tensor) -> Tensor:
    """Return what comes out of the first layers that hold `WEIGHTS` together, or out of the whole of a small network.

    Args:
        network: is run as far as that.
        images: that it takes, (N, 3, H, W).
    """
    count = 0

    def look(layer: nn.Module, _: Any, result: Any) -> None:
        nonlocal count
        count += sum(weights.numel() for weights in layer.parameters(recurse=False))
        if count > WEIGHTS:
            raise _Enough(result)

    handles = [layer.register_forward_hook(look) for layer in network.modules() if not any(layer.children())]
    try:
        output = network(images)
    except _Enough as enough:
        output = enough.args[0]
    finally:
        for handle in handles:
            handle.remove()
    return output[0] if isinstance(output, tuple) else output
