"""Every pair painted with one backbone, into one run folder."""

import warnings
from pathlib import Path

import torch

from nstkit.backbones.features import Backbone
from nstkit.backbones.spec import BackboneSpec
from nstkit.config import Precision
from nstkit.errors import uninterrupted
from nstkit.pictures import list_pictures, read_picture, to_tensor
from nstkit.runs import Run
from transfer.config import TransferConfig
from transfer.inside import draw_inside
from transfer.judges.panel import Panel, load_panel
from transfer.painting import paint
from transfer.pairs import Pair
from transfer.report import Reporter, judges_line


def paint_pairs(
    run: Run,
    backbone: Backbone,
    pairs: list[Pair],
    config: TransferConfig,
    device: torch.device,
    precision: Precision,
    panel: Panel | None,
) -> list[Path]:
    """Paint, judge and save every pair, and write the run's row of the table; return the pictures' paths."""
    reporter = Reporter(run, backbone, config, len(pairs))
    paths = []
    try:
        for pair in pairs:
            content, style = (
                None if picture is None else to_tensor(picture, config.size).to(device)
                for picture in (pair.content, pair.style)
            )
            reporter.begin(pair, content, style)
            painting = paint(content, style, backbone, config, precision, reporter.step)
            is_judged = panel is not None and content is not None and style is not None
            judged = judge(panel, painting.image, content, style) if is_judged else {}
            with uninterrupted():
                paths.append(reporter.end(pair, painting, judged))
                if len(pairs) == 1:
                    seen = {"content": content, "style": style, "result": painting.image}
                    seen = {name: image for name, image in seen.items() if image is not None}
                    reporter.show_inside(draw_inside(backbone, seen, config, precision))
            cut = f"  interrupted at {painting.number} of {config.steps}" if painting.is_interrupted else ""
            kind = "content" if style is None else "style"
            print(f"{paths[-1]}  {kind} loss {painting.scalars[f'loss/{kind}']:.3g}  {painting.time_s:.1f} s{cut}")
            if judged:
                print(f"judged:  {judges_line(judged, panel.measures)}")
            if painting.is_interrupted:
                raise KeyboardInterrupt
    finally:
        with uninterrupted():
            if paths:
                reporter.close()
    return paths


def load_judges(config: TransferConfig, painter: BackboneSpec, pairs: list[Pair], device: torch.device) -> Panel | None:
    """Return the judges of what `painter` paints, which is never among them; None for `--judge none`.

    All pictures of the run are what a judge could take a picture for, and those of `--judge-style`.
    """
    if config.judge == ("none",) or config.mode != "transfer":
        return None
    others = {path.stem: read_picture(path) for path in list_pictures(config.judge_style)}
    styles, contents = (
        {name: to_tensor(picture, config.size) for name, picture in pictures.items()}
        for pictures in (
            {**others, **{pair.style_name: pair.style for pair in pairs}},
            {pair.content_name: pair.content for pair in pairs},
        )
    )
    panel = load_panel(config.judge, painter=painter, device=device, styles=styles, contents=contents)
    labels = ", ".join(network.label for network in panel.networks)
    for line in (labels, *panel.notes):
        if line:
            print(f"judges:  {line}")
    return panel


def judge(panel: Panel, picture: torch.Tensor, content: torch.Tensor, style: torch.Tensor) -> dict[str, float]:
    """Return the judges' values, none for a picture too narrow for them."""
    try:
        return panel.judge(picture, content, style)
    except ValueError as error:
        warnings.warn(f"not judged: {error}", stacklevel=2)
        return {}
