"""Finished pictures, made by any tool, before the judges."""

from collections.abc import Mapping, Sequence

import torch

from nstkit.errors import UserError, printable
from nstkit.measure import Measure
from nstkit.names import distinct
from nstkit.pictures.kinds import list_pictures
from nstkit.pictures.read import read_picture
from nstkit.pictures.tensors import to_tensor
from transfer.judges.config import JudgedSettings
from transfer.judges.panel import Panel
from transfer.judges.trust import LEGEND, mark

COLUMN_WIDTH = 18
"""Characters of a picture's column; a longer name is cut in its middle."""


def judge_files(panel: Panel, settings: JudgedSettings, device: torch.device) -> None:
    """Print every measure of every picture, and of the untouched photograph beside them, failed judges marked.

    Args:
        panel: the judges.
        settings: name pictures, content and style.
        device: of the pictures.

    Raises:
        UserError: for a picture that cannot be read, or is too small for the judges.
    """
    content, style = (to_tensor(read_picture(paths[0])).to(device) for paths in (settings.content, settings.style))
    judged = {}
    files = list_pictures(settings.picture)
    names = distinct(["(the content)", *(path.name for path in files)])
    for name, path in zip(names, (None, *files), strict=True):  # one after the other: hundreds may be large
        picture = content if path is None else to_tensor(read_picture(path)).to(device)
        try:
            judged[name] = panel.judge(picture, content, style)
        except ValueError as error:
            raise UserError(f"{name}: {error}") from error
    print(format_judgements(panel.measures, judged))
    print(LEGEND)


def format_judgements(measures: Sequence[Measure], judged: Mapping[str, Mapping[str, float]]) -> str:
    """Return the values as a table: a row a measure with how to read it, a column a picture.

    Args:
        measures: the rows.
        judged: values by measure's name, for each picture's name.
    """
    heads = ("measure", "better", "range", "unit")
    about = [
        (
            mark(measure.name),
            "higher" if measure.higher_is_better else "lower",
            format_range(measure.range),
            measure.unit or "-",
        )
        for measure in measures
    ]
    widths = [max(map(len, column)) for column in zip(heads, *about, strict=True)]

    def line(words: Sequence[str], cells: Sequence[str]) -> str:
        left = (f"{word:{width}s}" for word, width in zip(words, widths, strict=True))
        return "  ".join([*left, *(f"{cell:>{COLUMN_WIDTH}s}" for cell in cells)])

    values = [[f"{judgement[measure.name]:.4g}" for judgement in judged.values()] for measure in measures]
    rows = [line(words, cells) for words, cells in zip(about, values, strict=True)]
    return "\n".join([line(heads, [_shortened(name) for name in judged]), *rows])


def format_range(bounds: tuple[float, float]) -> str:
    """Return the lowest and the highest possible value in words.

    Example:
        >>> format_range((-1.0, 1.0)), format_range((1.0, float("inf")))
        ('-1 to 1', '1 or more')
    """
    low, high = bounds
    if high == float("inf"):
        return "any" if low == -high else f"{low:g} or more"
    return f"{low:g} to {high:g}"


def _shortened(name: str) -> str:
    name = printable(name)
    return name if len(name) <= COLUMN_WIDTH else name[:8] + "…" + name[-9:]
