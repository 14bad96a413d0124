"""Several scenes painted at one time: one pass of the network for all canvases, for each an optimizer of its own.

The network's kernels are begun once for all of them, which is most of the time of a small canvas.
"""

from collections.abc import Callable, Sequence

import torch

from nstkit.backbones.backbone import Backbone
from nstkit.errors import UserError
from transfer.painting.loop import Answer, Ask, Painting, Step, as_numbers, painting
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings


@torch.inference_mode(False)
@torch.enable_grad()
def paint_together(
    scenes: Sequence[Scene],
    backbone: Backbone,
    settings: Sequence[PaintSettings],
    reports: Sequence[Callable[[Step], None]],
) -> list[Painting | UserError]:
    """Return the painting of each scene, or why it cannot be painted.

    What is painted differs from `paint` by rounding alone. Canvases of different sizes, with jitter, in tiles, or of
    random networks that are settled on their own pictures are painted one after the other all the same.

    Args:
        scenes: on the device of the backbone.
        backbone: the network.
        settings: of each scene, resolved.
        reports: of each scene, called after each of its evaluations.
    """
    results: dict[int, Painting | UserError] = {}
    asks: dict[int, Ask] = {}
    works = [
        painting(scene, backbone, chosen, report)
        for scene, chosen, report in zip(scenes, settings, reports, strict=True)
    ]

    def go_on(number: int, answer: Answer | None) -> None:
        asks.pop(number, None)
        try:
            asks[number] = next(works[number]) if answer is None else works[number].send(answer)
        except StopIteration as end:
            results[number] = end.value
        except UserError as error:
            results[number] = error

    for number in range(len(works)):
        go_on(number, None)
    while asks:
        for number, answer in zip(tuple(asks), answers(list(asks.values())), strict=True):
            go_on(number, answer)
    return [results[number] for number in range(len(works))]


def answers(asks: Sequence[Ask]) -> list[Answer]:
    """Return the answers, those of one company from one pass of the network."""
    groups: dict[object, list[int]] = {}
    for number, ask in enumerate(asks):
        groups.setdefault(("alone", number) if ask.company is None else ask.company, []).append(number)
    found: dict[int, Answer] = {}
    for numbers in groups.values():
        group = [asks[number] for number in numbers]
        found |= zip(numbers, [group[0].answer()] if len(group) == 1 else _answered_together(group), strict=True)
    return [found[number] for number in range(len(asks))]


def _answered_together(asks: Sequence[Ask]) -> list[Answer]:
    seen = asks[0].objective.features_together(torch.cat([ask.image for ask in asks]))
    losses = [ask.objective(ask.image, seen=features) for ask, features in zip(asks, seen, strict=True)]
    totals = torch.stack([of_one["loss/total"] for of_one in losses])
    gradients = torch.autograd.grad(totals.sum(), [ask.parameters for ask in asks])
    return [(as_numbers(of_one), gradient) for of_one, gradient in zip(losses, gradients, strict=True)]
