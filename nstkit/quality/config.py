"""The settings of `python -m nstkit.quality`, the only place where its defaults stand. No torch here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Interval

from nstkit.annotations import LONGEST_PX
from nstkit.backbones.normalisation import InputSettings
from nstkit.config import CommandConfig, RunSettings
from nstkit.datasets.names import DatasetName
from nstkit.errors import UserError
from nstkit.settings import Settings
from nstkit.settings_file import NAMES_CODE
from nstkit.unused import OnlyWith

LIMIT = 10_000
EXAMPLES = """
  python -m nstkit.quality --dataset patterns      # the carried network
  python -m nstkit.quality --backbone runs/train_backbone/RUN vgg19 vgg19@random
"""


@dataclass(frozen=True, kw_only=True)
class ExtractorSettings(Settings):
    """Which networks are measured, at which layers."""

    backbone: Annotated[tuple[str, ...], NAMES_CODE] = ("carried",)
    """Network(s): a checkpoint of train_backbone, or NAME[@WEIGHTS] such as vgg19, resnet50.a1_in1k, vgg19@random:3.
    One run each."""
    arch: Annotated[str | None, NAMES_CODE] = None
    """Factory of checkpoints that were made by one, package.module:function: code that a file names is not run."""
    taps: tuple[str, ...] = ()
    """Layers to measure; see `python -m transfer --list-taps`. None given = the default style and content taps."""
    baseline: bool = True
    """Also measure the same architecture with random weights."""
    input: InputSettings = InputSettings()
    """What weights of another program take, where their file does not say it."""

    def __post_init__(self) -> None:
        """Refuse a command without a network."""
        super().__post_init__()
        if not self.backbone:
            raise UserError("--backbone without a name. Give one or more.")


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Settings):
    """The labelled pictures that they are measured on."""

    dataset: Annotated[DatasetName, NAMES_CODE] = "cifar100"
    """Labelled pictures; patterns is drawn and needs no download; FILE.npz and package.module:function as in
    `python -m train_backbone`."""
    data_dir: Annotated[Path, OnlyWith("dataset", ("cifar100", "caltech101", "folder"))] = Path("data")
    """Folder that holds the data set, downloaded there once; for `folder`, the folder of class folders itself."""
    image_size: Annotated[int | None, Interval(ge=8, le=LONGEST_PX)] = None
    """Side of the pictures [px]. None = what a checkpoint was trained on, else the data set's own."""
    limit: Annotated[int, Interval(ge=2, le=10**9)] = LIMIT
    """Training pictures for probe and neighbours, and half as many test pictures."""


@dataclass(frozen=True, kw_only=True)
class QualityConfig(CommandConfig):
    """Measure feature extractors beside the same architectures with random weights, into RUNS_DIR/quality/<run>/."""

    extractor: ExtractorSettings = ExtractorSettings()
    sample: SampleSettings = SampleSettings()
    run: RunSettings = RunSettings()
