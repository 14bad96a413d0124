"""The settings of `python -m transfer.judges`, the only place where its defaults stand. No torch here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Interval

from nstkit.annotations import BARE, COUNTS
from nstkit.config import CommandConfig, RunSettings
from nstkit.errors import UserError
from nstkit.settings import Settings
from nstkit.settings_file import NAMES_CODE
from nstkit.unused import OnlyWith

LEAST_PX, MOST_PX = 96, 1024  # of the pictures of a validation; the judges look at 256
OF_VALIDATION = OnlyWith("validate", (True,))
EXAMPLES = """
  python -m transfer.judges result.png --content photo.jpg --style painting.jpg
  python -m transfer.judges --validate          # which judge can be trusted?
  python -m transfer.judges --validate --content photos/ --style paintings/ \\
      --judge vgg19 squeezenet1_1
"""


@dataclass(frozen=True, kw_only=True)
class JudgedSettings(Settings):
    """Which pictures are judged, and what they were made from."""

    picture: Annotated[tuple[Path, ...], BARE] = ()
    """Picture(s) to judge, or folder(s) of them. They may stand first, without the flag."""
    content: tuple[Path, ...] = ()
    """The photograph that they were painted from. With --validate it may be several, or folders; none given = sample
    photographs."""
    style: tuple[Path, ...] = ()
    """The painting in whose style they were painted. With --validate it may be several, or folders; none given = drawn
    ones."""
    judge: Annotated[tuple[str, ...], NAMES_CODE] = ()
    """Network(s) that judge beside the fixed panel, as after --backbone of `python -m transfer`. None given = those of
    ImageNet VGG19 and SqueezeNet that lie on this machine. The word fixed = the panel alone."""
    list_judges: bool = False
    """Print what is judged, by whom and how well that was tested, and stop."""


@dataclass(frozen=True, kw_only=True)
class ValidationSettings(Settings):
    """How the judges themselves are tested, on pictures of known quality."""

    validate: bool = False
    """Test the judges in place of judging pictures."""
    painter: Annotated[tuple[str, ...], NAMES_CODE, OF_VALIDATION] = ()
    """Network(s) whose paintings count as good, as after --backbone of `python -m transfer`. The first two paint all
    series of known order, those behind them fewer; from two on is seen whether a judge tells networks apart. None given
    = the carried one."""
    published: Annotated[Path | None, OF_VALIDATION] = None
    """Folder of results that count as good, named CONTENT_STYLE.jpg."""
    pairs: Annotated[int, COUNTS, OF_VALIDATION] = 8
    """Most pairs of content and style; fewer than 4 allow no verdict."""
    size: Annotated[int, Interval(ge=LEAST_PX, le=MOST_PX), OF_VALIDATION] = 256
    """Longer side of the pictures [px]."""
    steps: Annotated[int, COUNTS, OF_VALIDATION] = 75
    """Evaluations of the loss for each painting."""

    @property
    def painters(self) -> tuple[str, ...]:
        """The networks that paint."""
        return self.painter or ("carried",)


@dataclass(frozen=True, kw_only=True)
class JudgesConfig(CommandConfig):
    """Judge finished pictures, made by any tool: every measure is printed as a table.

    With --validate the judges are tested, and RUNS_DIR/judges/<run>/ says what each of them can tell apart.
    """

    judged: JudgedSettings = JudgedSettings()
    validation: ValidationSettings = ValidationSettings()
    run: RunSettings = RunSettings()

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        super().__post_init__()
        if self.run.print_config or self.judged.list_judges:
            return
        judged, is_validation = self.judged, self.validation.validate
        if is_validation and judged.picture:
            raise UserError("pictures to judge and --validate were both given. Do one after the other.")
        if not is_validation and not judged.picture:
            raise UserError("nothing to do. Give PICTURE ... --content PHOTO --style PAINTING, or --validate.")
        if not is_validation and (len(judged.content) != 1 or len(judged.style) != 1):
            raise UserError("a picture is judged against one --content PHOTO and one --style PAINTING; give both.")
