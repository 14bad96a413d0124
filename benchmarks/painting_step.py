"""Seconds of one evaluation of the painter's loss, beside the least that the network itself costs, in one run.

    uv run python benchmarks/painting_step.py

prints a table and writes benchmarks/results/painting_step-<device>.json. The limit is the network alone, in the same
memory format and precision: forward to the deepest tap, and the gradient of a plain sum back to the picture. The peer
computes the weights' gradients as well, as loops do that forget to freeze the network.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro
from results_file import write_results

from nstkit import hardware
from nstkit.backbones.backbone import Backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.formats import LAYOUTS
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_content, sample_style
from transfer.painting.losses.objective import Objective
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings


@dataclass(frozen=True)
class Settings:
    """Time one evaluation of the loss for several networks, precisions and memory formats."""

    backbone: tuple[str, ...] = ("carried", "vgg19@random", "squeezenet1_1@random", "resnet50@random")
    """As after `--backbone`."""
    size: int = 256
    """Longer side [px]."""
    rounds: int = 7
    """Evaluations timed after one that is not."""


def main() -> None:
    """Time every combination."""
    settings = tyro.cli(Settings)
    device = hardware.choose_device("auto")
    content, style = (to_tensor(picture, settings.size).to(device) for picture in (sample_content(), sample_style()))
    rows = []
    print(
        f"{'network':28s}{'precision':>10s}{'format':>15s}{'limit s':>9s}{'ours s':>9s}{'unfrozen s':>11s}"
        f"{'ours/limit':>11s}"
    )
    for name in settings.backbone:
        for precision in ("fp32", "bf16"):
            for memory_format, layout in LAYOUTS.items():
                backbone = load_backbone(name).to(device).to_memory_format(layout)
                losses = PaintSettings().resolved().losses
                objective = Objective(backbone, Scene(content, style), losses, precision)

                def ours(objective: Objective = objective) -> None:
                    canvas = content.clone().requires_grad_(True)
                    torch.autograd.grad(objective(canvas)["loss/total"], canvas)

                def bare(backbone: Backbone = backbone, precision: str = precision) -> None:
                    run_network(backbone, content, precision)

                times = {"limit_s": median_s(bare, settings.rounds), "ours_s": median_s(ours, settings.rounds)}
                backbone.network.requires_grad_(True)
                times["unfrozen_s"] = median_s(bare, settings.rounds)
                rows.append({"network": backbone.label, "precision": precision, "format": memory_format, **times})
                print(
                    f"{backbone.label:28s}{precision:>10s}{memory_format:>15s}{times['limit_s']:9.4f}{times['ours_s']:9.4f}"
                    f"{times['unfrozen_s']:11.4f}{times['ours_s'] / times['limit_s']:11.2f}"
                )
    write_results(
        f"painting_step-{device.type}", device, {"size_px": settings.size, "rounds": settings.rounds, "rows": rows}
    )


def run_network(backbone: Backbone, content: torch.Tensor, precision: str) -> None:
    """Run the network to its deepest default tap and back to the picture, and to its weights unless they are frozen."""
    canvas = content.clone().requires_grad_(True)
    taps = (*backbone.style_taps, *backbone.content_taps)
    with hardware.autocast(content.device, precision):
        features = backbone.features(canvas, taps)
    sum(feature.float().sum() for feature in features.values()).backward()


def median_s(step: Callable[[], None], rounds: int) -> float:
    """Return the median seconds of a call, after one that is not counted."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
