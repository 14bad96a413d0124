"""After the last step: the test set, once; the quality of the taps; the row of the table of runs."""

import warnings
from pathlib import Path

import torch

from nstkit.backbones.features import Backbone
from nstkit.backbones.load import load_backbone
from nstkit.checkpoint import read_checkpoint, write_checkpoint
from nstkit.datasets.arrays import Dataset
from nstkit.errors import UserError
from nstkit.hardware import autocast
from nstkit.pictures import to_tensor
from nstkit.quality.classification import CLASSIFICATION, confusion_matrix
from nstkit.quality.extract import classify
from nstkit.quality.measuring import Quality, measure_quality
from nstkit.quality.report import draw, format_table
from nstkit.quality.twin import random_twin
from nstkit.runs import MEASURE_KEYS, Run
from train_backbone.evaluate import BATCH_SIZE
from train_backbone.session import Session


def measure_and_report(run: Run, session: Session) -> dict[str, float]:
    """Measure the best and the kept checkpoints, write that into them and the run; return the values of the best."""
    training, config = session.training, session.config
    for path in sorted((run.folder / "epochs").glob("epoch-*.pt")):
        measure_checkpoint(path, session, has_twin=False)
    quality, backbone = measure_checkpoint(run.folder / "ckpt.pt", session, has_twin=config.quality)
    for name, picture in draw(backbone, session.data, quality).items():
        run.save_picture(f"{name}.png", picture)
        run.show_picture(f"image/{name}", to_tensor(picture), training.step)
    if config.quality and not config.quiet:
        print(format_table(quality))
    run.log(training.step, {tag: value for tag, value in quality.values.items() if tag not in MEASURE_KEYS})
    names = ("arch", "norm", "width", "dataset", "epochs", "lr", "init", "seed")
    run.compare_by(
        {
            "command": "train_backbone",
            "backbone": run.folder.name,
            "optimizer": "adamw",
            "size_px": session.data.size_px,
            "steps": training.step,
            **{name: getattr(config, name) for name in names},
        },
        {key: quality.values[key] for key in MEASURE_KEYS if key in quality.values},
        training.step,
    )
    return quality.values


def measure_checkpoint(path: Path, session: Session, *, has_twin: bool) -> tuple[Quality, Backbone]:
    """Measure a checkpoint of this run on the test pictures and write that into it; return it and the network."""
    device, precision = session.data.train.device, session.precision
    backbone = load_backbone(str(path), factory=session.config.arch).to(device)
    logits, labels = classify_all(backbone, session.data, session)
    values = {measure.name: measure.function(logits, labels) for measure in CLASSIFICATION}
    confusion, predicted = confusion_matrix(logits, labels), logits.argmax(1)
    order, taps = torch.arange(len(labels)), tuple(backbone.style_taps)
    if session.config.quality and taps:
        baseline = random_twin(str(path), factory=session.config.arch) if has_twin else None
        try:
            found = measure_quality(
                backbone, session.data, device=device, precision=precision, use_head=False, baseline=baseline
            )
            values, taps = {**found.values, **values}, found.taps
        except UserError as error:  # features that are not finite, pictures too small for a tap
            warnings.warn(f"{path.name}: its taps were not measured: {error}", stacklevel=2)
    content = read_checkpoint(path)
    kept = {tag: value for tag, value in values.items() if not tag.startswith("random/")}
    write_checkpoint(path, {**content, "quality": {**content["quality"], **kept}})
    return Quality(values, taps, order, predicted, confusion), backbone


@torch.no_grad()
def classify_all(backbone: Backbone, data: Dataset, session: Session) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits (N, K) of all test pictures and their classes (N,), on the CPU."""
    found = []
    for images, labels in data.test.read(torch.arange(len(data.test)), BATCH_SIZE):
        with autocast(images.device, session.precision):
            logits = classify(backbone, images.permute(0, 3, 1, 2).float() / 255)
        found.append((logits.float().cpu(), labels.cpu()))
    logits, labels = zip(*found, strict=True)
    return torch.cat(logits), torch.cat(labels)
