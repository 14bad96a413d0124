"""The settings of `python -m transfer.judges`, the only place where its defaults stand. No torch here."""

from dataclasses import dataclass
from pathlib import Path

from nstkit.config import CommandConfig
from nstkit.errors import UserError

LEAST_PX = 96


@dataclass(frozen=True, kw_only=True)
class JudgesConfig(CommandConfig):
    """Judge finished pictures, made by any tool; or --validate: ask the judges about pictures of known quality.

    python -m transfer.judges PICTURE ... --content PHOTO --style PAINTING   prints every measure.
    python -m transfer.judges --validate   writes what each judge can tell apart into RUNS_DIR/judges/<run>/.
    """

    picture: tuple[Path, ...] = ()
    """Picture(s) to judge, or folder(s) of them; may stand first, without the flag."""
    content: tuple[Path, ...] = ()
    """Photograph(s), or folder(s). With --validate none given = drawn and sample pictures."""
    style: tuple[Path, ...] = ()
    """Painting(s), or folder(s). With --validate none given = drawn ones."""
    judge: tuple[str, ...] = ()
    """Network(s) that judge, as after --backbone. None given = those whose weights are there."""
    validate: bool = False
    """Measure the judges in place of pictures."""
    painter: tuple[str, ...] = ()
    """With --validate: network(s) whose paintings count as good, as after --backbone."""
    published: Path | None = None
    """With --validate: folder of results that count as good, named CONTENT_STYLE.jpg."""
    pairs: int = 8
    """With --validate: pairs of content and style at most; fewer than 4 allow no verdict."""
    size: int = 256
    """Longer side of the pictures with --validate [px]."""
    steps: int = 60
    """Evaluations of the loss for each painting with --validate."""

    def __post_init__(self) -> None:
        """Refuse what cannot be done, all mistakes in one message."""
        lowest = {"size": LEAST_PX, "steps": 1, "pairs": 1}
        wrong = [
            f"--{name} {getattr(self, name)} (at least {least})"
            for name, least in lowest.items()
            if getattr(self, name) < least
        ]
        if wrong:
            raise UserError(f"out of range: {', '.join(wrong)}.")
        if self.print_config:
            return
        if self.validate and self.picture:
            raise UserError("pictures to judge and --validate were both given. Do one after the other.")
        if not self.validate and not self.picture:
            raise UserError("nothing to do. Give PICTURE ... --content PHOTO --style PAINTING, or --validate.")
        if not self.validate and (len(self.content) != 1 or len(self.style) != 1):
            raise UserError("a picture is judged against one --content PHOTO and one --style PAINTING; give both.")
