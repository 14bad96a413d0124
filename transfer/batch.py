"""Every pair painted with one backbone, into one run folder."""

import warnings
from pathlib import Path

import torch

from nstkit.backbones.features import Backbone
from nstkit.config import Precision
from nstkit.errors import uninterrupted
from nstkit.pictures import to_tensor
from nstkit.runs import Run
from transfer.config import TransferConfig
from transfer.judges import judge_picture
from transfer.painting import paint
from transfer.pairs import Pair
from transfer.report import Reporter


def paint_pairs(
    run: Run, backbone: Backbone, pairs: list[Pair], config: TransferConfig, device: torch.device, precision: Precision
) -> list[Path]:
    """Paint, judge and save every pair, and write the run's row of the table; return the pictures' paths."""
    reporter = Reporter(run, backbone, config, len(pairs))
    paths = []
    try:
        for pair in pairs:
            content, style = (to_tensor(picture, config.size).to(device) for picture in (pair.content, pair.style))
            if len(pairs) == 1:
                run.show_picture("image/content", content)
                run.show_picture("image/style", style)
            reporter.begin(pair)
            painting = paint(content, style, backbone, config, precision, reporter.step)
            with uninterrupted():
                paths.append(reporter.end(pair, painting, judge(painting.image, content, style)))
            cut = f"  interrupted at {painting.number} of {config.steps}" if painting.is_interrupted else ""
            print(f"{paths[-1]}  style loss {painting.scalars['loss/style']:.3g}  {painting.time_s:.1f} s{cut}")
            if painting.is_interrupted:
                raise KeyboardInterrupt
    finally:
        with uninterrupted():
            if paths:
                reporter.close()
    return paths


def judge(picture: torch.Tensor, content: torch.Tensor, style: torch.Tensor) -> dict[str, float]:
    """Return the judges' values, none for a picture too narrow for them."""
    try:
        return judge_picture(*(image.float().cpu() for image in (picture, content, style)))
    except ValueError as error:
        warnings.warn(f"not judged: {error}", stacklevel=2)
        return {}
