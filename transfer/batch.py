"""Every pair painted with one backbone, into one run folder."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.spec import BackboneSpec
from nstkit.errors import UserError, printable, too_little_memory
from nstkit.interruption import Interruption, uninterrupted
from nstkit.pictures.tensors import shrink, to_tensor
from nstkit.runs import Run
from transfer.config import TransferConfig
from transfer.judges.panel import JUDGE_PX, Panel, load_panel
from transfer.painting.estimate import check_least_of, fit_memory, tiles_line
from transfer.painting.loop import Painting, paint
from transfer.painting.scene import Scene
from transfer.pairs import Pair, largest_sizes, read_by_name
from transfer.report import Reporter, judges_line

if TYPE_CHECKING:
    from transfer.overview import Overview


def paint_pairs(
    run: Run,
    backbone: Backbone,
    pairs: list[Pair],
    config: TransferConfig,
    device: torch.device,
    panel: Panel | None,
    overview: "Overview | None" = None,
) -> bool:
    """Paint, judge and save every pair, and write the run's row of the table; return whether all have their full size.

    Args:
        run: open.
        backbone: on the device.
        pairs: at least one.
        config: resolved settings.
        device: where to paint.
        panel: who judges the pictures; None for nobody.
        overview: takes the pictures, beside those of other networks; None for a single one.
    """
    paths, is_complete = [], True
    with Interruption() as asked:
        reporter = Reporter(run, backbone, config, len(pairs), asked, overview)
        try:
            for pair in pairs:
                scene = pair.scene(config.pictures.size, device)
                reporter.begin(pair, scene)
                painting = paint(
                    scene, backbone, config.painting, reporter.step, reporter.at_scale, keeps_unfinished=True
                )
                seen = scene.at((painting.image.shape[2], painting.image.shape[3]))
                judged = {} if panel is None else judge(panel, painting.image, seen)
                with uninterrupted():
                    paths.append(reporter.end(pair, painting, judged))
                    if len(pairs) == 1:
                        from transfer.inside import draw_inside  # matplotlib takes a while

                        reporter.show_inside(draw_inside(backbone, scene, painting.image, config.painting))
                print(summary(paths[-1], painting, scene, config))
                if panel is not None and judged:
                    print(f"judged:  {judges_line(judged, panel)}")
                if painting.unfinished is not None:
                    is_complete = False
                    warnings.warn(f"{pair.name} is saved as far as it was painted: {painting.unfinished}", stacklevel=2)
                if painting.is_interrupted or asked.is_asked:
                    raise KeyboardInterrupt
        finally:
            with uninterrupted():
                if paths:
                    reporter.close()
    return is_complete


def check_least_memory(backbone: Backbone, pairs: list[Pair], config: TransferConfig, device: torch.device) -> None:
    """Raise `UserError` where the largest of the pairs needs far more memory than is free, see `check_least_of`."""
    check_least_of(backbone, *largest_sizes(pairs, config.pictures.size), config.painting, device)


def fit_largest(backbone: Backbone, pairs: list[Pair], config: TransferConfig, device: torch.device) -> TransferConfig:
    """Return the settings with which the largest of the pairs fits into the free memory, and say where it is cut.

    Args:
        backbone: on the device.
        pairs: at least one.
        config: resolved settings.
        device: where to paint.
    """
    sizes = largest_sizes(pairs, config.pictures.size)
    fitted = fit_memory(*sizes, backbone, config.painting, device)
    if line := tiles_line(*sizes, fitted):
        print(f"memory:  {line}")
    return config.changed(tile=fitted.optimization.tile, history=fitted.optimization.history)


def summary(path: Path, painting: Painting, scene: Scene, config: TransferConfig) -> str:
    """Return the line that says what has been painted."""
    kind = "content" if scene.style is None else "style"
    cut = f"  interrupted at {painting.number} of {config.optimization.steps}" if painting.is_interrupted else ""
    return f"{printable(path)}  {kind} loss {painting.scalars[f'loss/{kind}']:.3g}  {painting.time_s:.1f} s{cut}"


def load_judges(config: TransferConfig, painter: BackboneSpec, pairs: list[Pair], device: torch.device) -> Panel | None:
    """Return the judges of what `painter` paints, itself never among them; None for `--judge none`.

    All pictures of the run are what a judge could take a picture for, and those of `--judge-style`. They are kept at
    the size at which networks look at them: as numbers, hundreds at the painter's size would fill the memory.
    """
    judging, size_px = config.judging, config.pictures.size
    if judging.judge == ("none",) or config.pictures.mode != "transfer":
        return None
    others = read_by_name(judging.judge_style, size_px)
    styles = {**others, **{pair.style_name: pair.style for pair in pairs if pair.style is not None}}
    contents = {pair.content_name: pair.content for pair in pairs if pair.content is not None}
    panel = load_panel(
        judging.judge,
        painter=painter,
        device=device,
        styles={name: shrink(to_tensor(picture, size_px), JUDGE_PX) for name, picture in styles.items()},
        contents={name: shrink(to_tensor(picture, size_px), JUDGE_PX) for name, picture in contents.items()},
    )
    for line in (", ".join(eye.label for eye in panel.eyes), *panel.notes):
        print(f"judges:  {line}")
    return panel


def judge(panel: Panel, picture: torch.Tensor, scene: Scene) -> dict[str, float]:
    """Return the judges' values; none where they are interrupted, or the picture is too narrow or lacks an original."""
    if scene.content is None or scene.style is None:
        return {}
    try:
        with too_little_memory("too little memory"):
            return panel.judge(picture, scene.content, scene.style)
    except KeyboardInterrupt:  # the painting is finished and not yet saved
        return {}
    except (ValueError, UserError) as error:
        warnings.warn(f"not judged: {error}", stacklevel=2)
        return {}
