"""The settings of `python -m transfer.study`, the only place where its defaults stand. No torch here."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval

from nstkit.annotations import COUNTS, LONGEST_PX, LOSS_WEIGHTS, SEEDS
from nstkit.command_line import read_words
from nstkit.config import LISTS, CommandConfig, RunSettings
from nstkit.errors import UserError
from nstkit.settings import Settings, flag_of
from nstkit.settings_file import NAMED, NAMES_CODE
from nstkit.unused import warn_of_unused
from transfer.config import (
    JudgingSettings,
    OutputSettings,
    TransferConfig,
    TransferRunSettings,
    TransferWorkerSettings,
    WorkerSettings,
)
from transfer.presets import PRESETS

Pairing = Literal["all", "matched"]

EXAMPLES = """
  python -m transfer.study --backbone carried vgg19@random --size 192
  python -m transfer.study --backbone a.pt b.pt --content photos/ \\
      --style paintings/ --style-weight 3 10 30 --run-name compared
  python -m transfer.study --variant "spectrum:" "pixels: --canvas pixels"
  python -m transfer.study --backbone vgg19 --variant "ours:" "gatys: --preset gatys2016"
  python -m transfer.study --config study.toml --run-name mine --pilot
  python -m transfer.study --report-only runs/study/mine
  python -m transfer.study --rate runs/study/mine
"""


def check_names(setting: str, texts: tuple[str, ...], form: str) -> None:
    """Raise `UserError` where one of several NAME: WORDS has no name, or two have the same; `form` is an example."""
    for text in texts:
        if not text.partition(":")[0].strip() or ":" not in text:
            raise UserError(f"--{setting} {text}: it has no name. Give {form}.")
    names = [text.partition(":")[0].strip() for text in texts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"--{setting}: two are named {', '.join(twice)}. Give each its own name, as in {form}.")


@dataclass(frozen=True, kw_only=True)
class GridSettings(Settings):
    """What is painted: every network x pair x size x variant x style weight x seed is one cell of the grid."""

    backbone: Annotated[tuple[str, ...], NAMES_CODE] = ("carried",)
    """Network(s), as in `python -m transfer`."""
    content: tuple[Path, ...] = ()
    """Picture(s) or folder(s) of them. None given = a sample photograph."""
    style: tuple[Path, ...] = ()
    """Picture(s) or folder(s) of them. None given = a drawn sample."""
    pairing: Pairing = "all"
    """all paints every content in every style; matched paints the first content in the first style, and so on."""
    size: tuple[Annotated[int, Interval(ge=32, le=LONGEST_PX)], ...] = (256,)
    """Longer side(s) of result and style [px]."""
    crop_rim: bool = False
    """Cut off the rim of a style picture, as in `python -m transfer`."""
    variant: Annotated[tuple[str, ...], NAMED] = ("default:",)
    """NAME: FLAGS, the flags being those of `python -m transfer` in which this variant differs."""
    style_weight: tuple[Annotated[float, LOSS_WEIGHTS], ...] = ()
    """Weight(s) of the style loss. None given = that of the variant."""
    seeds: tuple[Annotated[int, SEEDS], ...] = ()
    """Seed(s) of noise and jitter. None given = that of `--seed`."""
    steps: Annotated[int, COUNTS] = 150
    """Evaluations of the loss, where a variant does not say otherwise."""
    arch: Annotated[str | None, NAMES_CODE] = None
    """Factory of checkpoints that were made by one, package.module:function: code that a file names is not run."""
    columns: Annotated[int, Interval(ge=1, le=1000)] = 6
    """Pictures in a row of the sheet."""

    def __post_init__(self) -> None:
        """Refuse an empty grid, and variants of one name."""
        super().__post_init__()
        for name in ("backbone", "size", "variant"):
            if not getattr(self, name):
                raise UserError(f"--{name} without a value. Give one or more.")
        check_names("variant", self.variant, "NAME: FLAGS, such as 'pixels: --canvas pixels'")

    def variants(self, run: RunSettings) -> dict[str, TransferConfig]:
        """Return the settings of each variant by its name, read by the parser of `python -m transfer`.

        Args:
            run: where to compute.

        Raises:
            UserError: for words that cannot be read, values that are not allowed, or flags that the grid itself sets.
        """
        shared = {"steps": self.steps, "device": run.device, "precision": run.precision, "arch": self.arch}
        variants = {}
        for text in self.variant:
            name, _, flags = text.partition(":")
            name = name.strip()
            try:
                own_words = shlex.split(flags)
            except ValueError as error:
                raise UserError(f"--variant {text}: {str(error).lower()}. Close the quotation marks.") from error
            try:
                given = read_words(TransferConfig, own_words)
                if fixed := [flag_of(setting) for setting in given if setting in RESERVED]:
                    raise UserError(f"{', '.join(fixed)} cannot differ by variant. Leave it out there.")
                variants[name] = TransferConfig.of(**{**shared, **preset_of(given, self.backbone), **given})
            except UserError as error:
                raise UserError(f"--variant {text}: {error}") from error
            table = variants[name].flat()
            warn_of_unused(TransferConfig, {setting: table[setting] for setting in given}, variants[name].effective())
        return variants


def preset_of(given: Mapping[str, Any], backbones: tuple[str, ...]) -> dict[str, Any]:
    """Return what the preset that a variant names sets, without what is the study's own business.

    Args:
        given: what the variant gives, by flat name.
        backbones: the networks of the grid, on which the layers may depend.
    """
    preset = PRESETS.get(str(given.get("preset")))  # an unknown name is refused with the rest
    settings = {} if preset is None else preset({**given, "backbone": backbones})
    return {name: value for name, value in settings.items() if name not in RESERVED}


RESERVED = (  # settings of `python -m transfer` that are the study's own business
    *("backbone", "content", "style", "out", "size", "rows", "crop_rim", "mode", "arch", "keep_exif"),
    *("list_taps", *LISTS),
    *JudgingSettings().flat(),
    *OutputSettings().flat(),
    *TransferWorkerSettings().flat(),
    *(name for name in TransferRunSettings().flat() if name != "preset"),
)


@dataclass(frozen=True, kw_only=True)
class QuestionSettings(Settings):
    """What is asked of the pictures; written down before the first one, and fixed from then on."""

    arm: Annotated[tuple[str, ...], NAMED] = ()
    """NAME: NETWORKS, a group of networks; the first one is of trainings kept on their way, such as 'trained:
    runs/train_backbone/a-seed*/epochs/*.pt'. In a TOML file a table [arm] of NAME = "NETWORKS"."""
    quality: str = "extractor/probe"
    """Which measure of a network is its quality, as it was measured at the end of its training or in QUALITY_RUNS."""
    quality_runs: tuple[Path, ...] = ()
    """Folder(s) of runs of `python -m nstkit.quality`, such as runs/quality, whose measures win."""
    outcome: str = "judge/style"
    """Which number of a picture the question is about."""
    matched_by: str = "judge/content"
    """Which number of a picture is held at one level, between the pictures of several style weights."""
    level: Annotated[float, Interval(ge=-1e6, le=1e6)] = 0.65
    """That level. Where less than 90 % of the networks reach it, the nearest one in steps of 0.05 that most do."""
    margin: Annotated[float, Interval(gt=0, le=1e6)] = 0.03
    """Smallest difference of the outcome that would matter, between a random and the best network."""
    alpha: Annotated[float, Interval(ge=0.001, le=0.5)] = 0.05
    """Level of the tests."""

    def __post_init__(self) -> None:
        """Refuse arms without a name or of one name."""
        super().__post_init__()
        check_names("arm", self.arm, "NAME: NETWORKS, such as 'trained: a.pt b.pt'")


@dataclass(frozen=True, kw_only=True)
class StudyRunSettings(RunSettings):
    """How the command is run, where it computes and where its results go."""

    smoke: bool = False
    """Run all of it in small, into the run NAME-smoke: few networks, two pairs, 96 px, 5 evaluations. Nothing of it is
    a result."""
    pilot: bool = False
    """Paint a few networks first, into the run NAME-pilot: how far they spread, and how many seeds an answer needs."""
    rate: Path | None = None
    """Folder of a study whose pictures people rate, blind, on a page on this machine; their votes are kept there."""
    port: Annotated[int, Interval(ge=0, le=65535)] = 8765
    """Where that page is. 0 = any port that is free."""
    report_only: Path | None = None
    """Folder of a study whose report is written anew from its results.csv; nothing is painted."""

    def __post_init__(self) -> None:
        """Refuse two of these at once."""
        super().__post_init__()
        asked = [flag_of(name) for name in ("smoke", "pilot", "report_only", "rate") if getattr(self, name)]
        if len(asked) > 1:
            raise UserError(f"{' and '.join(asked)} are runs of their own. Give one of them.")


@dataclass(frozen=True, kw_only=True)
class StudyConfig(CommandConfig):
    """Paint a grid of pictures, judge them all alike, and write RUNS_DIR/study/<run>/.

    The folder holds report.html, report.md, results.csv, a sheet of all pictures, and one picture and one file of
    numbers a cell. What is asked is written to registration.json first. The same command with the same --run-name goes
    on where it was stopped: cells that are finished are not painted again.
    """

    grid: GridSettings = GridSettings()
    question: QuestionSettings = QuestionSettings()
    judging: JudgingSettings = JudgingSettings()
    working: WorkerSettings = WorkerSettings()
    run: StudyRunSettings = StudyRunSettings()
