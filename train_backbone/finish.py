"""After the last step the test set is looked at, once, the taps are measured, and the run gets its row in the table."""

import warnings
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.weights import NotFinite
from nstkit.checkpoint import read_checkpoint, write_checkpoint
from nstkit.config import Precision
from nstkit.datasets.arrays import Part
from nstkit.errors import UserError
from nstkit.figures.question import show_question
from nstkit.hardware import autocast
from nstkit.pictures.tensors import to_tensor
from nstkit.quality.classification import CLASSIFICATION, confusion_matrix
from nstkit.quality.extract import classify
from nstkit.quality.measuring import Quality, measure_quality
from nstkit.quality.report import as_code, draw, format_table
from nstkit.quality.twin import random_twin
from nstkit.runs import MEASURE_KEYS, Run
from train_backbone.evaluate import batch_size
from train_backbone.session import Session


def measure_and_report(run: Run, session: Session) -> dict[str, float]:
    """Measure the best and the kept checkpoints; write the values into them and the run; return those of the best."""
    training, config = session.training, session.config
    values: dict[str, float] = {}
    try:
        for path in sorted((run.folder / "epochs").glob("epoch-*.pt")):
            measure_checkpoint(path, session, has_twin=False)
        quality, backbone = measure_checkpoint(run.folder / "ckpt.pt", session, has_twin=config.progress.quality)
    except NotFinite as error:  # it was left to itself (--retries 0)
        warnings.warn(f"not measured: {error}", stacklevel=2)
    else:
        values = quality.values
        for name, picture in draw(backbone, session.data, quality).items():
            run.save_picture(f"{name}.png", picture)
            run.show_picture(f"image/{name}", to_tensor(picture), training.step)
        if config.progress.quality and not config.run.quiet:
            print(format_table(quality))
        run.show_text("measures", as_code(format_table(quality)), training.step)
    run.log(training.step, {tag: value for tag, value in values.items() if tag not in MEASURE_KEYS}, is_shown=False)
    settings = config.flat()
    run.compare_by(
        {
            "command": "train_backbone",
            "backbone": run.folder.name,
            "optimizer": "adamw",
            "size_px": session.data.size_px,
            "steps": training.step,
            **{name: settings[name] for name in ("arch", "norm", "width", "dataset", "epochs", "lr", "init", "seed")},
        },
        {key: values[key] for key in MEASURE_KEYS if key in values},
        training.step,
    )
    show_question(config.run.runs_dir)
    return values


def measure_checkpoint(path: Path, session: Session, *, has_twin: bool) -> tuple[Quality, Backbone]:
    """Measure a checkpoint of this run on the test pictures and write the values into it.

    Args:
        path: of the checkpoint.
        session: of the run.
        has_twin: whether a random network of the same architecture is measured beside it.

    Returns:
        What was measured, and the network of the checkpoint.
    """
    device, precision, factory = session.device, session.precision, session.config.network.arch
    backbone = load_backbone(str(path), factory=factory).to(device)
    logits, labels = classify_all(backbone, session.data.test, precision)
    values = {measure.name: measure.function(logits, labels) for measure in CLASSIFICATION}
    confusion, predicted = confusion_matrix(logits, labels), logits.argmax(1)
    order, taps = torch.arange(len(labels)), tuple(backbone.style_taps)
    if session.config.progress.quality and taps:
        baseline = random_twin(str(path), factory=factory) if has_twin else None
        try:
            of_taps = measure_quality(
                backbone, session.data, device=device, precision=precision, use_head=False, baseline=baseline
            )
            values, taps = {**of_taps.values, **values}, of_taps.taps
        except UserError as error:  # features that are not finite, pictures too small for a tap
            warnings.warn(f"{path.name}: its taps were not measured: {error}", stacklevel=2)
    content = read_checkpoint(path)
    of_network = {tag: value for tag, value in values.items() if not tag.startswith("random/")}
    write_checkpoint(path, {**content, "quality": {**content["quality"], **of_network}})
    return Quality(values, taps, order, predicted, confusion), backbone


@torch.no_grad()
def classify_all(
    backbone: Backbone, part: Part, precision: Precision
) -> tuple[Float[Tensor, "n k"], Int64[Tensor, "n"]]:
    """Return the logits of all pictures of a part and their classes, on the CPU."""
    logits, labels = [], []
    for images, batch_labels in part.read(torch.arange(len(part)), batch_size(part.size_px)):
        with autocast(images.device, precision):
            batch_logits = classify(backbone, images.permute(0, 3, 1, 2).float() / 255)
        logits.append(batch_logits.float().cpu())
        labels.append(batch_labels.cpu())
    return torch.cat(logits), torch.cat(labels)
