"""The settings of `python -m transfer.claims`, the only place where its defaults stand. No torch here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Interval

from nstkit.annotations import COUNTS, LONGEST_PX
from nstkit.config import CommandConfig, RunSettings
from nstkit.errors import UserError
from nstkit.settings import Settings
from nstkit.settings_file import NAMES_CODE
from transfer.config import JudgingSettings

ClaimName = Literal[
    "style-layers",
    "content-layer",
    "sgd-adam",
    "pooling",
    "variation",
    "start",
    "own-network",
    "inception",
    "first-losses",
    "speed",
    "recipe",
]

EXAMPLES = """
  python -m transfer.claims --vgg19 vgg19@weights.safetensors \\
      --content photos/ --style paintings/ --run-name claims
  python -m transfer.claims --claim speed recipe     # without painting
"""


@dataclass(frozen=True, kw_only=True)
class ClaimsSettings(Settings):
    """Which claims are measured, on which pictures, with which networks."""

    claim: tuple[ClaimName, ...] = ()
    """Which. None given = all."""
    content: tuple[Path, ...] = ()
    """Picture(s) or folder(s) of them, of which the first is painted in the first style, and so on. None given = a
    sample photograph."""
    style: tuple[Path, ...] = ()
    """Picture(s) or folder(s) of them. None given = a drawn sample."""
    size: Annotated[int, Interval(ge=64, le=LONGEST_PX)] = 192
    """Longer side of the pictures [px]."""
    steps: Annotated[int, COUNTS] = 60
    """Evaluations of the loss, but for the papers that say it themselves."""
    vgg19: Annotated[str | None, NAMES_CODE] = None
    """The VGG19 of ImageNet, as after --backbone. None = weights that lie on this machine, else the carried network."""
    own: Annotated[str, NAMES_CODE] = "carried"
    """A network that was trained without ImageNet, by oneself."""
    resnet50: Annotated[str, NAMES_CODE] = "resnet50@random"
    """ResNet50, as after --backbone."""
    inception: Annotated[str, NAMES_CODE] = "inception_v3@random"
    """InceptionV3, whose picture a paper found to be black."""
    train_seeds: Annotated[int, Interval(ge=1, le=100)] = 3
    """Trainings of each recipe, of which each takes about a minute."""

    def __post_init__(self) -> None:
        """Refuse networks without a name."""
        super().__post_init__()
        for name in ("own", "resnet50", "inception", "vgg19"):
            if getattr(self, name) == "":
                raise UserError(f"--{name} without a name. Give one, as after --backbone.")


@dataclass(frozen=True, kw_only=True)
class ClaimsConfig(CommandConfig):
    """Measure what papers claim about style transfer, in small, and write RUNS_DIR/claims/<run>/.

    The folder holds the table as claims.md and claims.csv, a sheet of the pictures of each claim, and each picture with
    its numbers. The same command with the same --run-name paints nothing twice. Whatever comes out is the result.
    """

    claims: ClaimsSettings = ClaimsSettings()
    judging: JudgingSettings = JudgingSettings()
    run: RunSettings = RunSettings()
