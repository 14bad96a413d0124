"""The settings of `python -m nstkit.quality`, the only place where its defaults stand. No torch here."""

from dataclasses import dataclass
from pathlib import Path

from nstkit.config import CommandConfig
from nstkit.datasets import DatasetName
from nstkit.errors import UserError

LIMIT = 10_000


@dataclass(frozen=True, kw_only=True)
class QualityConfig(CommandConfig):
    """Measure feature extractors beside the same architectures with random weights, into RUNS_DIR/quality/<run>/."""

    backbone: tuple[str, ...] = ("carried",)
    """Network(s): a checkpoint of train_backbone, or NAME[@WEIGHTS] such as vgg19, resnet50.a1_in1k, vgg19@random:3.
    One run each."""
    arch: str | None = None
    """Factory of checkpoints that were made by one, package.module:function: code that a file names is not run."""
    dataset: DatasetName = "cifar100"
    """Labelled pictures; patterns is drawn and needs no download."""
    data_dir: Path = Path("data")
    """Folder that holds the data set, downloaded there once; for `folder`, the folder of class folders itself."""
    image_size: int | None = None
    """Side of the pictures [px]. None = what a checkpoint was trained on, else the data set's own."""
    taps: tuple[str, ...] = ()
    """Layers to measure; see `python -m transfer --list-taps`. None given = the default style and content taps."""
    limit: int = LIMIT
    """Training pictures for probe and neighbours, and half as many test pictures."""
    baseline: bool = True
    """Also measure the same architecture with random weights."""

    def __post_init__(self) -> None:
        """Refuse what cannot be measured, all mistakes in one message."""
        wrong = [f"--limit {self.limit} (at least 2)"] if self.limit < 2 else []
        if self.image_size is not None and self.image_size < 8:
            wrong.append(f"--image-size {self.image_size} (at least 8)")
        if not self.backbone:
            wrong.append("--backbone without a name (one or more)")
        if wrong:
            raise UserError(f"out of range: {', '.join(wrong)}.")
