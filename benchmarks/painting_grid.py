r"""Networks x pairs x settings: losses by evaluation and second, judges, and one sheet of pictures to look at.

    uv run python benchmarks/painting_grid.py --name canvas --backbone carried vgg19@random --size 192 \
        --variant "default:" "pixels:canvas=pixels" "adam:optimizer=adam"

writes benchmarks/results/NAME.json and, under --sheets, NAME.png. A variant is NAME:SETTING=VALUE,SETTING=VALUE with
the settings of `python -m transfer`; backbone=SPEC among them paints that one with another network. Each picture is
kept under --sheets, so a run that was cut goes on where it stopped. The `cost` is what all variants share, the relative
loss with content 1 and style 10 and without total variation, of the full-size picture that could be saved then.
"""

import dataclasses
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from PIL import Image, ImageDraw
from results_file import write_results

from nstkit import hardware
from nstkit.backbones.features import Backbone
from nstkit.backbones.load import load_backbone
from nstkit.backbones.repair import settle_batchnorm
from nstkit.backbones.spec import parse_backbone
from nstkit.config import Precision
from nstkit.errors import UserError
from nstkit.pictures import read_picture, save_picture, to_picture, to_tensor
from nstkit.runs import slugify
from transfer.config import TransferConfig
from transfer.judges.panel import Panel, load_panel
from transfer.objective import Objective
from transfer.painting import Step, paint
from transfer.sample import sample_content, sample_style
from transfer.stylize import fitted, load_for

LABEL_LINE_PX = 12
CHECKPOINTS = (10, 25, 50, 75, 100, 150, 200, 300)
KEPT_JUDGES = ("judge/style", "judge/content", "judge/texture", "judge/colour", "judge/artefacts")


@dataclass(frozen=True)
class Settings:
    """Paint every network x pair x variant."""

    name: str
    """Of the results."""
    variant: tuple[str, ...] = ("default:",)
    """NAME:SETTING=VALUE,..."""
    backbone: tuple[str, ...] = ("carried",)
    """As after `--backbone`."""
    pair: tuple[str, ...] = ("",)
    """CONTENTxSTYLE, names without suffix in PICTURES/content and PICTURES/style; empty = the samples."""
    pictures: Path = Path("../shared/data/images")
    """Folder of content/ and style/."""
    size: tuple[int, ...] = (256,)
    """Longer side [px]."""
    steps: int = 150
    """Evaluations, where a variant does not say."""
    judge: tuple[str, ...] = ()
    """As after `--judge`; the word none = no judging."""
    columns: int = 6
    """Pictures in a row of the sheet."""
    sheets: Path = Path("runs/grid")
    """Where pictures and sheets go."""


def main() -> None:
    """Paint, judge, write."""
    settings = tyro.cli(Settings)
    device = hardware.choose_device("auto")
    precision = hardware.choose_precision("auto", device)
    warnings.simplefilter("ignore")
    folder = settings.sheets / settings.name
    rows, tiles = [], []
    for backbone in settings.backbone:
        for pair in settings.pair:
            for size in settings.size:
                for variant in settings.variant:
                    row, picture = paint_cell(settings, folder, backbone, pair, size, variant, device, precision)
                    print(describe(row), flush=True)
                    rows.append(row)
                    tiles.append((picture, label(row)))
    save_picture(draw_sheet(tiles, settings.columns), folder.with_suffix(".png"))
    write_results(settings.name, device, {"settings": {"steps": settings.steps, "judge": settings.judge}, "rows": rows})


def paint_cell(
    settings: Settings,
    folder: Path,
    backbone: str,
    pair: str,
    size: int,
    variant: str,
    device: torch.device,
    precision: Precision,
) -> tuple[dict[str, Any], Image.Image]:
    """Return what was measured of one picture, and the picture; from the disk if it was painted before."""
    name, given = read_variant(variant)
    own = str(given.pop("backbone", backbone))
    spec = parse_backbone(own)
    path = folder / f"{slugify(f'{spec.label}-{pair}-{size}-{name}')}.png"
    if path.is_file():
        with Image.open(path) as found:
            return json.loads(found.text["row"]), found.convert("RGB")
    row: dict[str, Any] = {"backbone": spec.label, "pair": pair or "samples", "size_px": size, "variant": name}
    config = TransferConfig(**{"size": size, "steps": settings.steps, **given})
    content, style = (image.to(device) for image in read_pair(settings, pair, size))
    try:
        extractor = load_for(spec, config).to(device)
        config = fitted(config, extractor)
        mode = config.mode
        trace: list[tuple[int, float, float]] = []
        measure = cost_of(load_backbone(own).to(device), content, style, precision) if mode == "transfer" else None

        def note(step: Step) -> None:
            if step.number in CHECKPOINTS and measure is not None and step.canvas.shape == content.shape:
                trace.append((step.number, round(step.time_s, 2), round(measure(step.canvas), 4)))

        painting = paint(
            None if mode == "texture" else content,
            None if mode == "content" else style,
            extractor,
            config,
            precision,
            note,
        )
    except UserError as error:
        row["error"] = str(error)
        return row, Image.new("RGB", (size, size * 3 // 4), "white")
    image = painting.image
    row |= {"time_s": round(painting.time_s, 2), "number": painting.number, "trace": trace}
    row |= {tag: round(painting.scalars[tag], 5) for tag in ("loss/style", "loss/content", "loss/total")}
    row |= {"cost": None if measure is None else round(measure(image), 4), "deviation": round(float(image.std()), 4)}
    row["change"] = round(float((image - content).abs().mean()), 4) if image.shape == content.shape else None
    if settings.judge != ("none",) and mode == "transfer":
        panel: Panel = load_panel(settings.judge, painter=spec, device=device, styles=read_styles(settings, size))
        judged = panel.judge(image, content, style)
        row |= {tag: round(judged[tag], 4) for tag in KEPT_JUDGES if tag in judged}
        row["guards"] = {tag: round(value, 4) for tag, value in judged.items() if tag.startswith("judge/artefacts/")}
        row["ranks"] = {tag: value for tag, value in judged.items() if "rank" in tag}
    picture = to_picture(image)
    save_picture(picture, path, {"row": json.dumps(row)})
    return row, picture


def cost_of(backbone: Backbone, content: torch.Tensor, style: torch.Tensor, precision: Precision) -> Any:
    """Return the function of a picture that all variants are compared by."""
    if backbone.is_random or backbone.unsettled:
        settle_batchnorm(backbone, [content, style])
    config = TransferConfig(tv_weight=0.0).resolved()
    objective = Objective(backbone, content, style, config, precision)

    @torch.no_grad()
    def measure(image: torch.Tensor) -> float:
        return float(objective(image.contiguous())["loss/total"])

    return measure


def read_variant(text: str) -> tuple[str, dict[str, Any]]:
    """Return a variant's name and settings, each as its field wants it."""
    name, _, rest = text.partition(":")
    types = {field.name: str(field.type) for field in dataclasses.fields(TransferConfig)}
    values: dict[str, Any] = {}
    for word in filter(None, rest.split(",")):
        key, _, value = word.partition("=")
        kind = types.get(key, "str")
        if "tuple" in kind:
            values[key] = tuple(value.split("+"))
        elif "float" in kind:
            values[key] = float(value)
        elif "int" in kind:
            values[key] = int(value)
        else:
            values[key] = value == "True" if "bool" in kind else value
    return name, values


def read_pair(settings: Settings, pair: str, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return content and style, (1, 3, H, W)."""
    if not pair:
        return to_tensor(sample_content(), size), to_tensor(sample_style(), size)
    content, _, style = pair.partition("x")
    names = (settings.pictures / "content" / f"{content}.jpg", settings.pictures / "style" / f"{style}.jpg")
    content, style = (to_tensor(read_picture(name), size) for name in names)
    return content, style


def read_styles(settings: Settings, size: int) -> dict[str, torch.Tensor]:
    """Return the other paintings, which a picture could be taken for."""
    folder = settings.pictures / "style"
    return {path.stem: to_tensor(read_picture(path), size) for path in sorted(folder.glob("*.jpg"))}


def describe(row: dict[str, Any]) -> str:
    """Return a line about a picture."""
    about = f"{row['backbone'][:20]} {row['pair']} {row['size_px']} {row['variant']}"
    if "error" in row:
        return f"{about}: {row['error'][:90]}"
    judged = " ".join(f"{tag.split('/')[1][:3]} {row[tag]:.3f}" for tag in KEPT_JUDGES if tag in row)
    losses = f"st {row['loss/style']:.3f} co {row['loss/content']:.2f} cost {row['cost']}"
    return f"{about} | {losses} {row['time_s']:.0f}s {judged}"


def label(row: dict[str, Any]) -> list[str]:
    """Return the lines over a picture, short enough for one of 192 px."""
    content, _, style = row["pair"].partition("x")
    lines = [f"{row['backbone'][:22]} {row['size_px']}", f"{content[:8]} {style[:8]} {row['variant']}"]
    if "error" in row:
        return [*lines, row["error"][:32]]
    judged = " ".join(f"{tag[6:9]} {row[tag]:.2f}" for tag in ("judge/style", "judge/content") if tag in row)
    return [*lines, f"st {row['loss/style']:.3f} co {row['loss/content']:.2f} {judged}"]


def draw_sheet(tiles: list[tuple[Image.Image, list[str]]], columns: int) -> Image.Image:
    """Return the pictures in rows, each under its lines."""
    width, height = (max(picture.size[axis] for picture, _ in tiles) for axis in (0, 1))
    label_px = LABEL_LINE_PX * max(len(lines) for _, lines in tiles) + 2
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(tiles)), (height + label_px) * rows), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (picture, lines) in enumerate(tiles):
        x, y = width * (number % columns), (height + label_px) * (number // columns)
        sheet.paste(picture, (x, y + label_px))
        for line, text in enumerate(lines):
            pen.text((x + 2, y + 1 + LABEL_LINE_PX * line), text, fill="black")
    return sheet


if __name__ == "__main__":
    main()
