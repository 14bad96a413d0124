"""The settings of `python -m transfer`, the only place where its defaults stand."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from nstkit.backbones.spec import Pooling
from nstkit.config import CommandConfig
from nstkit.errors import UserError

Loss = Literal["relative", "gatys", "neural-style"]
Optimizer = Literal["lbfgs", "adam"]
START_PICTURES = ("content", "style", "noise", "grey")

WEIGHTS: dict[Loss, tuple[float, float, float]] = {  # content, style, total variation
    "relative": (1.0, 10.0, 3.0),
    "gatys": (1.0, 1e3, 0.0),
    "neural-style": (5.0, 100.0, 1e-3),
}


@dataclass(frozen=True, kw_only=True)
class TransferConfig(CommandConfig):
    """Paint content pictures in the style of others and write RUNS_DIR/transfer/<run>/, with any network as the eye.

    With nothing given: a sample photograph, a style drawn by code, and the small VGG19 that comes with the package.
    """

    backbone: tuple[str, ...] = ("carried",)
    """Network(s): a checkpoint of train_backbone, or NAME[@WEIGHTS] such as vgg19, resnet50.a1_in1k, vgg19@random:3,
    vgg19@weights.safetensors; NAME is ours (vgg11 to vgg19, _bn), timm's or torchvision's. One run each."""
    arch: str | None = None
    """Factory of checkpoints that were made by one, package.module:function: code that a file names is not run."""
    content: tuple[Path, ...] = ()
    """Picture(s) or folder(s) of them. None given = a sample photograph."""
    style: tuple[Path, ...] = ()
    """Picture(s) or folder(s) of them; every content is painted in every style. None given = a drawn sample."""
    out: Path | None = None
    """Also write the result here: a picture file, or a folder where there are several results."""
    size: int = 512
    """Longer side of the result and of the style [px]."""
    steps: int = 150
    """Evaluations of the loss."""
    optimizer: Optimizer = "lbfgs"
    """lbfgs = L-BFGS kept inside the range of colours; adam is slower and does not care about the scale of the loss."""
    lr: float | None = None
    """Step size. None = 1 for lbfgs (a factor on its own), 0.02 for adam (in units of the range of colours)."""
    loss: Loss = "relative"
    """relative = scale-free, one set of weights for all networks; gatys and neural-style as these systems have it."""
    content_weight: float | None = None
    """None = 1 (relative), 1 (gatys), 5 (neural-style)."""
    style_weight: float | None = None
    """None = 10 (relative; 3 is gentle, 30 strong), 1000 (gatys), 100 (neural-style)."""
    tv_weight: float | None = None
    """Of total variation, which smooths. None = 3 (relative), 0 (gatys), 0.001 (neural-style)."""
    content_taps: tuple[str, ...] = ()
    """Layers that content is taken from; see `--list-taps`. None given = the network's own choice."""
    style_taps: tuple[str, ...] = ()
    """Layers that style is taken from."""
    init: str = "content"
    """First canvas: content, style, noise, grey, or a picture file."""
    pooling: Pooling = "max"
    """max = as the network has it; avg puts average pooling in place of max pooling."""
    list_taps: bool = False
    """Print the layers of the network(s) and stop."""

    def __post_init__(self) -> None:
        """Refuse what cannot be painted, all mistakes in one message."""
        wrong = [
            f"--{name} {getattr(self, name)} (at least {lowest})"
            for name, lowest in (("size", 32), ("steps", 1))
            if getattr(self, name) < lowest
        ]
        weights = [(f"--{name}-weight", getattr(self, f"{name}_weight")) for name in ("content", "style", "tv")]
        wrong += [f"{flag} {value} (0 or more)" for flag, value in weights if value is not None and value < 0]
        if self.lr is not None and self.lr <= 0:
            wrong.append(f"--lr {self.lr} (above 0)")
        if not self.backbone:
            wrong.append("--backbone without a name (one or more)")
        if wrong:
            raise UserError(f"out of range: {', '.join(wrong)}.")

    def resolved(self) -> "TransferConfig":
        """Return the settings with every None that depends on others filled in."""
        given = (self.content_weight, self.style_weight, self.tv_weight)
        content, style, tv = (
            default if value is None else value for value, default in zip(given, WEIGHTS[self.loss], strict=True)
        )
        lr = self.lr or {"lbfgs": 1.0, "adam": 0.02}[self.optimizer]
        return replace(self, content_weight=content, style_weight=style, tv_weight=tv, lr=lr)
