"""The settings of `python -m transfer`, the only place where its defaults stand."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from nstkit.backbones.spec import Padding, Pooling, Preprocess
from nstkit.config import CommandConfig
from nstkit.errors import UserError

Mode = Literal["transfer", "texture", "content"]
Loss = Literal["relative", "gatys", "neural-style"]
Equalize = Literal["none", "loss", "gradient"]
Gauge = Literal["raw", "canonical"]
Smoothing = Literal["none", "softmax", "scale"]
Optimizer = Literal["lbfgs", "adam", "nadam", "sgd"]
LineSearch = Literal["backtrack", "wolfe"]
CanvasKind = Literal["pixels", "fourier"]
START_PICTURES = ("content", "style", "noise", "grey")
STEPS = 100
UNLIMITED_STEPS = 1_000_000  # where only the seconds are limited
ONE_SCALE_PX = 768  # up to this size the first canvas is painted at full size

WEIGHTS: dict[Loss, tuple[float, float, float]] = {  # content, style, total variation
    "relative": (1.0, 10.0, 3.0),
    "gatys": (1.0, 1e3, 0.0),
    "neural-style": (5.0, 100.0, 1e-3),
}
LR: dict[CanvasKind, dict[Optimizer, float | None]] = {  # that of sgd follows from the first gradient
    "pixels": {"lbfgs": 1.0, "adam": 0.02, "nadam": 0.02, "sgd": None},
    "fourier": {"lbfgs": 1.0, "adam": 0.05, "nadam": 0.05, "sgd": None},
}


@dataclass(frozen=True, kw_only=True)
class TransferConfig(CommandConfig):
    """Paint content pictures in the style of others and write RUNS_DIR/transfer/<run>/, with any network as the eye.

    With nothing given: a sample photograph, a style drawn by code, and the small VGG19 that comes with the package.
    """

    mode: Mode = "transfer"
    """transfer = content and style; texture = the style alone, from noise; content = what the content taps keep of the
    content picture, from noise."""
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
    steps: int | None = None
    """Evaluations of the loss, over all scales together. None = 100, or as many as `--seconds` allows."""
    seconds: float | None = None
    """Most time for painting one picture [s]. None = no limit."""
    tolerance: float = 0.0
    """Stop when the loss has fallen by less than this share of itself over 25 evaluations. 0 = go on."""
    scales: int | None = None
    """Sizes painted one after the other, each twice the one before, the last is `--size`. None = 1 up to 768 px, one
    more for each doubling, and two more for a texture."""
    octaves: int = 1
    """Sizes at which every loss is taken at once: 2 adds half the size, 3 a quarter. Coarser strokes and less noise."""
    optimizer: Optimizer | None = None
    """lbfgs = L-BFGS kept inside the range of colours; adam, nadam and sgd do not care about the scale of the loss.
    None = lbfgs, and with jitter adam."""
    lr: float | None = None
    """Step size. None = 1 for lbfgs (a factor on its own), 0.02 for adam and nadam (in units of the range of colours;
    0.05 for a fourier canvas), and for sgd one whose first step changes a pixel by 0.01."""
    lr_decay: float = 1.0
    """Factor on the step size of adam, nadam and sgd after every evaluation, such as 0.99."""
    history: int = 30
    """Pairs of steps and gradient differences that lbfgs remembers."""
    line_search: LineSearch = "backtrack"
    """Of lbfgs. backtrack = the full step, shortened where the loss rises; wolfe = strong Wolfe conditions."""
    average: float = 0.0
    """Decay of a running mean over the canvases, which is then the result, such as 0.98. 0 = the best canvas."""
    jitter: int | None = None
    """Shift the canvas by up to so many px in each evaluation, which lbfgs cannot. None = 0, and the side of a patch
    for a network that cuts the picture into patches (ConvNeXt, Swin, ViT), which would paint their grid."""
    canvas: CanvasKind = "fourier"
    """fourier = the spectrum of decorrelated colours, which paints coarse and fine structure alike, and no noise;
    pixels = the picture itself."""
    loss: Loss = "relative"
    """relative = scale-free, one set of weights for all networks; gatys and neural-style as these systems have it."""
    content_weight: float | None = None
    """None = 1 (relative), 1 (gatys), 5 (neural-style)."""
    style_weight: float | None = None
    """None = 10 (relative; 3 is gentle, 30 strong), 1000 (gatys), 100 (neural-style)."""
    tv_weight: float | None = None
    """Of total variation, which smooths. None = 3 (relative), 0 (gatys), 0.001 (neural-style)."""
    content_taps: tuple[str, ...] = ()
    """Layers that content is taken from, each NAME or NAME=WEIGHT, see `--list-taps`. None given = the network's."""
    style_taps: tuple[str, ...] = ()
    """Layers that style is taken from, likewise."""
    equalize: Equalize = "none"
    """Weigh the layers so that for the first canvas their losses, or the norms of their gradients, are equal."""
    normalize_gradients: bool = False
    """Divide the gradient that each layer's loss sends into its features by its L1 norm, in every evaluation."""
    gauge: Gauge = "raw"
    """canonical = each channel divided by its mean over a fixed set of pictures, as in Gatys' normalised VGG."""
    smoothing: Smoothing = "none"
    """Of activations before any loss. softmax = over all channels and positions (SWAG, the paper); scale = times 0.001
    (SWAG, its code), which only an absolute loss feels."""
    smoothing_taps: tuple[str, ...] = ()
    """Layers that are smoothed. None given = all for softmax, those of stride 16 and more for scale."""
    temperature: float = 1.0
    """What activations are divided by before the softmax."""
    init: str | None = None
    """First canvas: content, style, noise, grey, or a picture file. None = content; noise for texture and content."""
    preprocess: Preprocess = "own"
    """Normalisation of the picture: the network's own; imagenet and caffe for experiments."""
    pooling: Pooling = "max"
    """max = as the network has it; avg and l2 put average or root mean square pooling in place of max pooling."""
    padding: Padding = "zero"
    """zero = as the network has it; replicate and reflect continue the picture beyond its border."""
    swap: tuple[str, ...] = ()
    """TAP..TAP@SPEC: these layers with the weights of another backbone of the same architecture, such as @random:1."""
    judge: tuple[str, ...] = ()
    """Network(s) that judge the pictures, as after --backbone; never the one that painted. None given = what lies on
    this machine of ImageNet VGG19 and SqueezeNet, and the carried one. The word none = no judging."""
    judge_style: tuple[Path, ...] = ()
    """Picture(s) or folder(s) of other styles, among which a judge has to recognise the right one."""
    list_taps: bool = False
    """Print the layers of the network(s), as they see the first content picture, and stop."""

    def __post_init__(self) -> None:
        """Refuse what cannot be painted, all mistakes in one message."""
        at_least = {"size": 32, "steps": 1, "scales": 1, "octaves": 1, "history": 1, "jitter": 0, "tolerance": 0}
        at_least |= {"content_weight": 0, "style_weight": 0, "tv_weight": 0}
        above_zero = ("lr", "lr_decay", "seconds", "temperature")
        given = {name: getattr(self, name) for name in (*at_least, *above_zero) if getattr(self, name) is not None}
        wrong = [
            f"{_flag(name)} {value} ({f'at least {at_least[name]}' if name in at_least else 'above 0'})"
            for name, value in given.items()
            if (value < at_least[name] if name in at_least else value <= 0)
        ]
        if not 0 <= self.average < 1:
            wrong.append(f"--average {self.average} (0 or more, below 1)")
        if not self.backbone:
            wrong.append("--backbone without a name (one or more)")
        if wrong:
            raise UserError(f"out of range: {', '.join(wrong)}.")
        if self.optimizer == "lbfgs" and self.jitter:
            raise UserError(
                "--jitter changes the loss in each evaluation, which lbfgs cannot use. Add --optimizer adam."
            )
        if self.smoothing == "scale" and self.loss == "relative":
            raise UserError(
                "--smoothing scale changes nothing under --loss relative, which is scale-free. Add --loss neural-style."
            )
        if self.smoothing_taps and self.smoothing == "none":
            raise UserError("--smoothing-taps without --smoothing: add --smoothing softmax or scale.")
        absent = {"texture": "content", "content": "style"}.get(self.mode)
        if absent is not None and self.init == absent:
            raise UserError(
                f"--init {absent}: --mode {self.mode} has no {absent} picture. Give noise or grey, or a file."
            )
        if absent is not None and getattr(self, absent):
            raise UserError(f"--{absent} with --mode {self.mode}, which has no {absent} picture. Leave it out.")
        for name in ("style_taps", "content_taps"):
            split_weights(getattr(self, name), _flag(name))

    def resolved(self, patch_px: int = 1) -> "TransferConfig":
        """Return the settings with every None that depends on others, or on the network, filled in.

        Args:
            patch_px: side of the patches that the network cuts a picture into, 1 for one that does not.
        """
        given = (self.content_weight, self.style_weight, self.tv_weight)
        content, style, tv = (
            default if value is None else value for value, default in zip(given, WEIGHTS[self.loss], strict=True)
        )
        if self.mode == "texture":
            content = 0.0
        elif self.mode == "content":
            style = 0.0
        jitter = self.jitter
        if jitter is None:
            jitter = patch_px if patch_px > 1 and self.optimizer != "lbfgs" else 0
        optimizer = self.optimizer or ("adam" if jitter else "lbfgs")
        return replace(
            self,
            jitter=jitter,
            optimizer=optimizer,
            content_weight=content,
            style_weight=style,
            tv_weight=tv,
            lr=self.lr or LR[self.canvas][optimizer],
            steps=self.steps or (STEPS if self.seconds is None else UNLIMITED_STEPS),
            scales=self.scales or self._default_scales(),
            init=self.init or ("content" if self.mode == "transfer" else "noise"),
        )

    def _default_scales(self) -> int:
        doublings = max(0, math.ceil(math.log2(self.size / ONE_SCALE_PX)))
        return 1 + doublings + (2 if self.mode == "texture" else 0)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def split_weights(taps: tuple[str, ...], flag: str) -> dict[str, float]:
    """Return the weights by tap of words NAME or NAME=WEIGHT; a name alone has weight 1.

    Raises:
        UserError: for a weight that is no number above 0.
    """
    weights = {}
    for word in taps:
        name, _, weight = word.partition("=")
        try:
            weights[name] = float(weight or 1)
        except ValueError:
            weights[name] = math.nan
        if not 0 < weights[name] < math.inf:
            raise UserError(f"{flag} {word}: the weight is no number above 0. Give NAME or NAME=WEIGHT.")
    return weights
