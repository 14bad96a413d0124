"""Finished pictures, made by any tool, before the judges."""

import torch

from nstkit.errors import UserError
from nstkit.pictures import list_pictures, read_picture, to_tensor
from transfer.judges.validate import Judges
from transfer.judges.validate_config import JudgesConfig
from transfer.judges.validity import LEGEND, mark


def judge_files(panel: Judges, config: JudgesConfig, device: torch.device) -> None:
    """Print every measure of every picture, and of the untouched photograph beside them, failed judges marked.

    Args:
        panel: the judges.
        config: names pictures, content and style.
        device: of the pictures.

    Raises:
        UserError: for a picture that cannot be read, or is too small for the judges.
    """
    content, style = (to_tensor(read_picture(paths[0])).to(device) for paths in (config.content, config.style))
    columns = {"(the content)": content}
    columns |= {path.name: to_tensor(read_picture(path)).to(device) for path in list_pictures(config.picture)}
    judged = {}
    for name, picture in columns.items():
        try:
            judged[name] = panel.judge(picture, content, style)
        except ValueError as error:
            raise UserError(f"{name}: {error}") from error
    width = max(len(mark(measure.name)) for measure in panel.measures)
    heads = [name if len(name) <= 18 else name[:8] + "…" + name[-9:] for name in columns]
    print(" " * width + "  better" + "".join(f"  {head:>18s}" for head in heads))
    for measure in panel.measures:
        better = "higher" if measure.higher_is_better else "lower"
        cells = [judged[name].get(measure.name) for name in columns]
        texts = ["-" if value is None else f"{value:.4g}" for value in cells]
        print(f"{mark(measure.name):{width}s}  {better:6s}" + "".join(f"  {text:>18s}" for text in texts))
    print(LEGEND)
