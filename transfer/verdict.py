"""What the judges say of one picture, as a call from Python."""

from collections.abc import Sequence

from nstkit.config import Device
from nstkit.errors import UserError
from nstkit.hardware import choose_device
from nstkit.pictures.tensors import as_image
from transfer.given_pictures import AnyPicture
from transfer.judges.panel import load_panel


def judge(
    picture: AnyPicture,
    content: AnyPicture,
    style: AnyPicture,
    *,
    judges: Sequence[str] = ("fixed",),
    device: Device = "auto",
) -> dict[str, float]:
    """Return what the judges say of a picture, by whomever it was painted: every measure by its name.

    Args:
        picture: of any kind, see `nstkit.pictures.tensors.as_image`.
        content: what it was painted from.
        style: in whose style; unless it is a tensor it is looked at in the size of the picture.
        judges: networks that judge beside the fixed panel, named as after `--judge`.
        device: where they compute.

    Raises:
        UserError: for what is no picture, a network that cannot be loaded, or pictures too small to be judged.

    Example:
        >>> from nstkit.sample import sample_content, sample_style
        >>> photograph = sample_content().resize((96, 64))
        >>> round(judge(photograph, photograph, sample_style(64))["judge/content"], 3)
        1.0
    """
    painted = as_image(picture, "picture")
    size_px = max(painted.shape[2:])
    panel = load_panel(judges, device=choose_device(device))
    try:
        return panel.judge(painted, as_image(content, "content", size_px), as_image(style, "style", size_px))
    except ValueError as error:
        raise UserError(f"{error}") from error
