"""The painter's defaults as a claim: how total variation, style weight and single other settings change pictures.

    uv run python benchmarks/painting_defaults.py tubingen:starry_night chicago:great_wave --networks carried vgg19

paints every network, pair and variant that does not lie in the folder yet, judges the pictures, prints a row each and
writes benchmarks/results/painting-defaults.json: all that lies in the folder, the painter's own losses and the judges'.
The weights and pictures are those of --data, which the project does not carry.

Found (AMD EPYC, one core, bfloat16, torch 2.15; carried, SqueezeNet and VGG19, 12 pictures at 192 to 384 px): from
tv 3, style 10 to tv 0, style 30 judge/style rises by 0.17 in the mean (0.00 to 0.32) and judge/content falls by 0.07;
tv alone gives 0.09 (9 pictures, -0.02 to 0.24). Evaluations, SqueezeNet and carried: 25, 50, 75, 100, 150 give -0.19,
0.12, 0.24, 0.29, 0.34 on golden_gate:the_scream.
At 384 px (painting-defaults-384.json): five networks, 100 evaluations, 14 pairs of pictures of three pairs, +0.08
(-0.04 to +0.24); 24 random architectures, 30 evaluations, 40 pairs of pictures, +0.10 (-0.07 to +0.29), none of
those looked at is noise.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from results_file import write_results

from nstkit.backbones.prepare import load_backbone
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import to_picture, to_tensor
from transfer.judges.panel import load_panel
from transfer.painting.format import fit_format
from transfer.painting.loop import paint
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings

NEW: dict[str, Any] = {"tv_weight": 0.0, "style_weight": 30.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "tv 3, style 10": {"tv_weight": 3.0, "style_weight": 10.0},
    "tv 0, style 10": {"tv_weight": 0.0, "style_weight": 10.0},
    "tv 0, style 30": NEW,
    "style 100": {**NEW, "style_weight": 100.0},
    "equal gradients": {**NEW, "equalize": "gradient"},
    "canonical gauge": {**NEW, "gauge": "canonical"},
    "two octaves": {**NEW, "octaves": 2},
    "content of relu3_1": {**NEW, "content_taps": ("relu3_1",)},
    "content of relu5_1": {**NEW, "content_taps": ("relu5_1",)},
    "deep style": {**NEW, "style_taps": ("relu1_1", "relu2_1=2", "relu3_1=3", "relu4_1=3", "relu5_1=1")},
    "middle style": {**NEW, "style_taps": ("relu1_1=0.5", "relu2_1", "relu3_1=3", "relu4_1", "relu5_1=0.3")},
}
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Settings:
    """Paint with old and new defaults, judge, and write benchmarks/results/painting-defaults.json."""

    pairs: Annotated[tuple[str, ...], tyro.conf.Positional] = ("tubingen:starry_night",)
    """CONTENT:STYLE, names of pictures in --data."""
    networks: tuple[str, ...] = ("carried", "vgg19", "squeezenet1_1", "resnet50@random:0", "vgg19@random:0")
    """As after --backbone; those of which --data holds weights have them."""
    variants: tuple[str, ...] = tuple(VARIANTS)[:3]
    """Names of `VARIANTS`; those with relu in their name or taps are for VGGs."""
    size: int = 256
    """Longer side [px]."""
    steps: int = 75
    """Evaluations of the loss."""
    data: Path = Path("../shared/data")
    """Folder with weights/, images/content and images/style."""
    folder: Path = Path("runs/painting-defaults")
    """Where pictures and their numbers are kept."""


def main() -> None:
    """Paint, judge, print and write."""
    settings = tyro.cli(Settings)
    settings.folder.mkdir(parents=True, exist_ok=True)
    for network in settings.networks:
        for pair in settings.pairs:
            for variant in settings.variants:
                paint_cell(network, pair, variant, settings)
    rows = [json.loads(path.read_text()) for path in sorted(settings.folder.glob("*.json"))]
    write_results("painting-defaults", CPU, {"n": len(rows), "rows": rows})


def paint_cell(network: str, pair: str, variant: str, settings: Settings) -> None:
    """Paint and judge one picture, unless it is there."""
    about = {"network": network, "pair": pair, "variant": variant, "size_px": settings.size, "steps": settings.steps}
    path = settings.folder / f"{' '.join(map(str, about.values())).replace('/', '_')}.json"
    if path.exists():
        return
    weights = sorted((settings.data / "weights").glob(f"{network}_*"))
    backbone = load_backbone(f"{network}@{weights[0]}" if weights else network)
    content, style = (
        to_tensor(read_picture(settings.data / "images" / kind / f"{name}.jpg"), settings.size)
        for kind, name in zip(("content", "style"), pair.split(":"), strict=True)
    )
    painter = PaintSettings.of(steps=settings.steps, **VARIANTS[variant]).resolved(patch_px=backbone.patch_px)
    painter = painter.changed(precision=fit_format(backbone, painter.losses, "auto").format.precision)
    started = time.process_time()
    painting = paint(Scene(content, style), backbone, painter)
    row = {**about, "precision": painter.precision, "cpu_s": round(time.process_time() - started, 1)}
    row |= {tag: round(painting.scalars[tag], 4) for tag in ("loss/style", "loss/content")}
    row |= {tag: round(value, 4) for tag, value in judge(painting.image, content, style, settings).items()}
    save_picture(to_picture(painting.image), path.with_suffix(".png"), {})
    path.write_text(json.dumps(row) + "\n")
    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def judge(picture: torch.Tensor, content: torch.Tensor, style: torch.Tensor, settings: Settings) -> dict[str, float]:
    """Return what the judges say, with all styles of --data as what the picture could be taken for."""
    paths = sorted((settings.data / "images" / "style").glob("*.jpg"))
    styles = {path.stem: to_tensor(read_picture(path, 256), 256) for path in paths}
    values = load_panel(device=CPU, styles=styles).judge(picture, content, style)
    return {name: value for name, value in values.items() if name.startswith(("judge/style", "judge/content"))}


if __name__ == "__main__":
    main()
