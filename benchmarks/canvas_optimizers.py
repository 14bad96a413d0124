"""How low each optimizer of the canvas gets at equal evaluations; torch's L-BFGS is clamped at the end.

    uv run python benchmarks/canvas_optimizers.py --backbone carried --size 256

prints a table and writes benchmarks/results/canvas_optimizers-<backbone>.json. What counts is the loss of the picture
that can be saved: after clamping.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from results_file import write_results
from torch import Tensor

from nstkit import hardware
from nstkit.backbones.prepare import load_backbone
from nstkit.pictures.read import read_picture
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_content, sample_style
from transfer.painting.format import fit_format
from transfer.painting.loop import paint
from transfer.painting.losses.objective import Objective
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings

CHECKPOINTS = (10, 25, 50, 100, 150)


@dataclass(frozen=True)
class Settings:
    """Compare optimizers of the canvas on one pair and one network."""

    backbone: str = "carried"
    """As after `--backbone`."""
    content: Path | None = None
    """Picture; None = the sample photograph."""
    style: Path | None = None
    """Picture; None = the drawn sample."""
    size: int = 256
    """Longer side [px]."""
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    """Number format; fp32 keeps rounding out of the comparison."""


def main() -> None:
    """Run every optimizer on the same objective."""
    settings = tyro.cli(Settings)
    device = hardware.choose_device("auto")
    backbone = load_backbone(settings.backbone).to(device)
    precision = fit_format(backbone, PaintSettings().resolved().losses, settings.precision).format.precision
    content = read_picture(settings.content) if settings.content else sample_content()
    style = read_picture(settings.style) if settings.style else sample_style()
    scene = Scene(to_tensor(content, settings.size), to_tensor(style, settings.size)).to(device)
    shared = PaintSettings.of(steps=CHECKPOINTS[-1], canvas="pixels", precision=precision)
    objective = Objective(backbone, scene, shared.resolved().losses, precision)

    results = {}
    for name in ("lbfgs", "adam"):
        painting = shared.changed(optimizer=name).resolved()
        losses: list[float] = []
        paint(scene, backbone, painting, lambda step, losses=losses: losses.append(step.scalars["loss/total"]))
        results[f"nstkit {name}"] = {"curve": lowest(losses), "saved": min(losses)}
    for search in (None, "strong_wolfe"):
        results[f"torch lbfgs {search or 'no line search'}"] = run_torch(objective, scene.frame, search)

    print(f"{'optimizer':28s}" + "".join(f"{k:>9d}" for k in CHECKPOINTS) + "   saved")
    for name, result in results.items():
        print(f"{name:28s}" + "".join(f"{loss:9.4f}" for loss in result["curve"]) + f"{result['saved']:8.4f}")
    facts = {
        "backbone": backbone.label,
        "pair": [path.stem if path else "sample" for path in (settings.content, settings.style)],
        "size_px": settings.size,
        "precision": precision,
        "evaluations": CHECKPOINTS,
        "runs": 1,
        "results": results,
    }
    write_results(f"canvas_optimizers-{backbone.label}", device, facts)


def lowest(losses: list[float]) -> list[float]:
    """Return the lowest loss up to each of `CHECKPOINTS`."""
    return [min(losses[:count]) for count in CHECKPOINTS]


def run_torch(objective: Callable[[Tensor], dict[str, Tensor]], content: Tensor, search: str | None) -> dict:
    """Return torch's curve, unclamped, and the loss after clamping."""
    canvas = content.clone().requires_grad_(True)
    losses: list[float] = []
    count = CHECKPOINTS[-1]
    optimizer = torch.optim.LBFGS(
        [canvas], max_iter=count, max_eval=count, tolerance_grad=0, tolerance_change=0, line_search_fn=search
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(canvas)["loss/total"]
        loss.backward()
        canvas.grad = canvas.grad.contiguous()  # torch's L-BFGS flattens it with `view`
        losses.append(loss.item())
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        saved = objective(canvas.clamp(0, 1))["loss/total"].item()
    return {"curve": lowest(losses), "saved": saved}


if __name__ == "__main__":
    main()
