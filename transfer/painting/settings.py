"""What the painter can be told, in two groups: the loss and its optimization. No torch here."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from nstkit.annotations import COUNTS, LONGEST_PX, LOSS_WEIGHTS, MEMORY_GIB, SEEDS, is_inside
from nstkit.config import Precision
from nstkit.errors import UserError
from nstkit.settings import Settings, as_word, flag_of
from nstkit.unused import OnlyWith

Mode = Literal["transfer", "texture", "content"]
Loss = Literal["relative", "gatys", "neural-style", "keras", "tensorflow"]
Statistic = Literal["gram", "covariance", "mean-std", "histogram", "sliced-wasserstein", "nearest-neighbours"]
Color = Literal["style", "luminance", "histogram", "covariance"]
Equalize = Literal["none", "loss", "gradient"]
Gauge = Literal["raw", "canonical"]
Smoothing = Literal["none", "softmax", "scale"]
Optimizer = Literal["lbfgs", "adam", "nadam", "sgd"]
LineSearch = Literal["backtrack", "wolfe"]
CanvasKind = Literal["pixels", "fourier"]
PixelRange = Literal["0-1", "0-255"]

START_PICTURES = ("content", "style", "noise", "grey")
OF_CONTENT = OnlyWith("mode", ("transfer", "content"))
OF_STYLE = OnlyWith("mode", ("transfer", "texture"))
OF_BOTH = OnlyWith("mode", ("transfer",))
OF_LBFGS = OnlyWith("optimizer", ("lbfgs",))
OF_DESCENT = OnlyWith("optimizer", ("adam", "nadam", "sgd"))
OF_ADAM = OnlyWith("optimizer", ("adam", "nadam"))
STEPS = 100
UNLIMITED_STEPS = 1_000_000  # where only the seconds are limited
MARGIN_PX = 16  # what a Fourier canvas holds beyond the picture, to the right and below
ONE_SCALE_PX = 768  # up to this size the first canvas is painted at full size

# Content, style, total variation. With 30 and 0 in place of 10 and 3, judge/style of the fixed panel rose by 0.17 in
# the mean of twelve pictures and fell on none (carried, SqueezeNet, VGG19; 192 to 384 px; 75 evaluations), half of it
# by total variation; judge/content fell by 0.07. See benchmarks/painting_defaults.py.
WEIGHTS: dict[Loss, tuple[float, float, float]] = {
    "relative": (1.0, 30.0, 0.0),
    "gatys": (1.0, 1e3, 0.0),
    "neural-style": (5.0, 100.0, 1e-3),
    "keras": (2.5e-8, 1e-6, 1e-6),
    "tensorflow": (1e4, 1e-2, 30.0),
}
WHITE: dict[PixelRange, float] = {"0-1": 1.0, "0-255": 255.0}
GRAIN_TV = 10.0  # total variation of the relative loss where a canvas becomes grainy, see `default_tv`
LR: dict[CanvasKind, dict[Optimizer, float | None]] = {  # that of sgd follows from the first gradient
    "pixels": {"lbfgs": 1.0, "adam": 0.02, "nadam": 0.02, "sgd": None},
    "fourier": {"lbfgs": 1.0, "adam": 0.05, "nadam": 0.05, "sgd": None},
}


def mode_of(content: object, style: object) -> Mode:
    """Return what is painted from two pictures, of which one may be None."""
    return "texture" if content is None else "content" if style is None else "transfer"


def split_weights(words: tuple[str, ...], flag: str) -> dict[str, float]:
    """Return the weights by name of words NAME or NAME=WEIGHT; a name alone has weight 1.

    Args:
        words: of taps, or of whatever has a weight.
        flag: that they were given with, for the message.

    Raises:
        UserError: for a weight that is no number above 0, or a name that is there twice.

    Example:
        >>> split_weights(("relu1_1", "relu2_1=0.5"), "--style-taps")
        {'relu1_1': 1.0, 'relu2_1': 0.5}
    """
    weights: dict[str, float] = {}
    for word in words:
        name, _, weight = word.partition("=")
        if name in weights:
            raise UserError(f"{flag} {as_word(word)}: {name} is named twice. Give it one weight, as in NAME=WEIGHT.")
        try:
            weights[name] = float(weight or 1)
        except ValueError:
            weights[name] = math.nan
        if not weights[name] > 0 or not is_inside(LOSS_WEIGHTS, weights[name]):
            raise UserError(
                f"{flag} {as_word(word)}: the weight is no number above 0, at most {LOSS_WEIGHTS.le:g}. "
                f"Give NAME or NAME=WEIGHT, such as {next(iter(weights))}=2."
            )
    return weights


@dataclass(frozen=True, kw_only=True)
class LossSettings(Settings):
    """What a good picture is: the layers that are compared, and how their distances become one loss."""

    loss: Loss = "relative"
    """relative is scale-free, so that one set of weights serves all networks; the others compute what these systems
    compute: gatys and neural-style, keras and tensorflow as in the examples of these libraries."""
    statistic: Annotated[Statistic, OF_STYLE] = "gram"
    """What style is: gram (Gatys 2016), covariance (of channels), mean-std (of each channel, Li 2017), histogram (of
    each channel, Risser 2017), sliced-wasserstein (histograms along directions, Heitz 2021), or nearest-neighbours
    (every place of the picture like some place of the style, Kolkin 2022)."""
    color: Annotated[Color, OF_BOTH] = "style"
    """Whose colours the result has. style = the style's; luminance = the content's, of which only the lightness is
    painted; covariance and histogram = the content's, which the style is given before it is painted."""
    content_weight: Annotated[float | None, LOSS_WEIGHTS, OF_CONTENT] = None
    """Weight of the content loss. None = 1 (relative), 1 (gatys), 5 (neural-style), 2.5e-8 (keras), 1e4
    (tensorflow)."""
    style_weight: Annotated[float | None, LOSS_WEIGHTS, OF_STYLE] = None
    """Weight of the style loss. None = 30 (relative; 10 is gentle, 100 is strong), 1000 (gatys), 100 (neural-style),
    1e-6 (keras), 0.01 (tensorflow)."""
    tv_weight: Annotated[float | None, LOSS_WEIGHTS] = None
    """Weight of total variation, which smooths the picture. None = 0 (relative; 10 for a canvas of pixels and for
    optimizers other than lbfgs), 0 (gatys), 0.001 (neural-style), 1e-6 (keras), 30 (tensorflow)."""
    content_taps: Annotated[tuple[str, ...], OF_CONTENT] = ()
    """Layers that content is taken from, each NAME or NAME=WEIGHT; see `--list-taps`. None given = the network's
    default."""
    style_taps: Annotated[tuple[str, ...], OF_STYLE] = ()
    """Layers that style is taken from, written in the same way."""
    octaves: Annotated[int, Interval(ge=1, le=16)] = 1
    """Sizes at which every loss is taken at once: 2 adds half the size, 3 also a quarter. This gives coarser strokes
    and less noise."""
    equalize: Equalize = "none"
    """Weigh the layers so that, for the first canvas, their losses are equal, or the norms of their gradients are."""
    normalize_gradients: bool = False
    """In every evaluation, divide the gradient that each layer's loss sends into its features by its L1 norm."""
    gauge: Gauge = "raw"
    """canonical divides each channel by its mean over a fixed set of pictures, as in Gatys' normalised VGG."""
    smoothing: Smoothing = "none"
    """Smooth the activations before any loss (SWAG). softmax is taken over all channels and positions, as in the paper;
    scale multiplies by 0.001, as in the paper's code, which only an absolute loss feels."""
    smoothing_taps: tuple[str, ...] = ()
    """Layers that are smoothed. None given = all for softmax, those of stride 16 and more for scale."""
    temperature: Annotated[float, Interval(ge=1e-6, le=1e6), OnlyWith("smoothing", ("softmax",))] = 1.0
    """Number that the activations are divided by before the softmax."""

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        super().__post_init__()
        if self.smoothing == "scale" and self.loss == "relative":
            raise UserError(
                "--smoothing scale changes nothing under --loss relative, which is scale-free. Add --loss neural-style."
            )
        if self.statistic != "gram" and self.loss != "relative":
            raise UserError(
                f"--statistic {self.statistic} with --loss {self.loss}, which compares Gram matrices. Leave one out."
            )
        if self.smoothing_taps and self.smoothing == "none":
            raise UserError("--smoothing-taps without --smoothing: add --smoothing softmax or scale.")
        for name in ("style_taps", "content_taps"):
            split_weights(getattr(self, name), flag_of(name))

    @property
    def named_taps(self) -> list[str]:
        """The taps that the user has named, which a network may not have."""
        weighed = {
            **split_weights(self.style_taps, "--style-taps"),
            **split_weights(self.content_taps, "--content-taps"),
        }
        return [*weighed, *self.smoothing_taps]


@dataclass(frozen=True, kw_only=True)
class OptimizationSettings(Settings):
    """How the picture is found: where the canvas starts, what moves it, and for how long."""

    steps: Annotated[int | None, COUNTS] = None
    """Evaluations of the loss, over all scales together. None = 100, or as many as `--seconds` allows."""
    seconds: Annotated[float | None, Interval(gt=0, le=1e9)] = None
    """Longest time that one picture may take [s]. None = no limit."""
    tolerance: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Stop when the loss has fallen by less than this share of itself over 25 evaluations. 0 = never."""
    init: str | None = None
    """First canvas: content, style, noise, grey, or a picture file. None = content; noise for texture and content."""
    scales: Annotated[int | None, Interval(ge=1, le=16)] = None
    """Sizes that are painted one after the other, each twice as large as the one before; the last is `--size`. None = 1
    up to 768 px, one more for each doubling, and two more for a texture."""
    canvas: CanvasKind = "fourier"
    """fourier optimises the spectrum of decorrelated colours, which paints coarse and fine structure alike and no
    noise; pixels optimises the picture itself."""
    pixel_range: Annotated[PixelRange, OnlyWith("canvas", ("pixels",))] = "0-1"
    """Range of the numbers that are optimised, whatever the network takes: step sizes such as 5 or 100, which belong to
    0-255, are noise in 0-1. The loss is the same in both."""
    optimizer: Optimizer | None = None
    """lbfgs is L-BFGS kept inside the range of colours; adam, nadam and sgd do not depend on the scale of the loss.
    None = lbfgs, and with jitter adam."""
    lr: Annotated[float | None, Interval(gt=0, le=1e12)] = None
    """Step size. None = 1 for lbfgs (a factor on its own step), 0.02 for adam and nadam (5.1 for a pixel range of
    0-255; 0.05 for a fourier canvas), and for sgd one whose first step changes a pixel by a hundredth of the range."""
    lr_decay: Annotated[float, Interval(gt=0, le=1), OF_DESCENT] = 1.0
    """Factor by which the step size of adam, nadam and sgd falls, a little after every evaluation, such as 0.96."""
    lr_decay_steps: Annotated[int, COUNTS, OF_DESCENT] = 1
    """Evaluations over which it falls by that factor."""
    beta1: Annotated[float, Interval(ge=0, lt=1), OF_ADAM] = 0.9
    """Decay of the running mean of gradients of adam and nadam."""
    beta2: Annotated[float, Interval(ge=0, lt=1), OF_ADAM] = 0.99
    """Decay of the running mean of their squares."""
    epsilon: Annotated[float, Interval(gt=0, le=1e6), OF_ADAM] = 1e-8
    """What adam and nadam add to the root of that mean. Where it is not small beside the gradients, the scale of the
    loss matters."""
    history: Annotated[int, Interval(ge=1, le=1000), OF_LBFGS] = 30
    """Pairs of steps and gradient differences that lbfgs remembers."""
    line_search: Annotated[LineSearch, OF_LBFGS] = "backtrack"
    """How lbfgs chooses the length of a step: backtrack takes the full step and shortens it where the loss rises; wolfe
    searches for the strong Wolfe conditions."""
    average: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Decay of a running mean over the canvases, such as 0.98; the mean is then the result. 0 = the best canvas is."""
    tile: Annotated[int | None, Interval(ge=32, le=LONGEST_PX)] = None
    """Longest side of the tiles in which larger pictures are looked at [px]: less memory, more time, the same picture.
    None = whole where memory allows it, else the largest tiles that fit."""
    jitter: Annotated[int | None, Interval(ge=0, le=1000)] = None
    """Shift the canvas by up to so many pixels in each evaluation, which lbfgs cannot take. None = 0, and the side of a
    patch for a network that cuts the picture into patches (ConvNeXt, Swin, ViT), which would otherwise paint their
    grid."""

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        super().__post_init__()
        if self.steps is not None and self.scales is not None and self.steps < self.scales:
            raise UserError(f"--steps {self.steps} over --scales {self.scales}: each of them takes one or more.")
        if self.optimizer == "lbfgs" and self.jitter:
            raise UserError(
                "--jitter changes the loss in each evaluation, which lbfgs cannot use. Add --optimizer adam."
            )


@dataclass(frozen=True, kw_only=True)
class PaintSettings(Settings):
    """All that `transfer.painting.loop.paint` needs besides the scene and the network.

    Example:
        >>> settings = PaintSettings.of(steps=50, style_weight=30.0, precision="fp32").resolved()
        >>> settings.losses.content_weight, settings.losses.style_weight, settings.optimization.optimizer
        (1.0, 30.0, 'lbfgs')
    """

    losses: LossSettings = LossSettings()
    optimization: OptimizationSettings = OptimizationSettings()
    seed: Annotated[int, SEEDS] = 0
    """Seed of the noise and of the jitter."""
    precision: Precision = "auto"
    """Number format inside the network."""
    memory: Annotated[float | None, MEMORY_GIB] = None
    """Memory that the process may fill [GiB]. None = what is free."""

    def resolved(self, mode: Mode = "transfer", longer_px: int = 512, patch_px: int = 1) -> "PaintSettings":
        """Return the settings with every None that follows from others, from the scene or the network filled in.

        Args:
            mode: which of the two pictures there are.
            longer_px: longer side of the result [px].
            patch_px: side of the patches that the network cuts a picture into, 1 for one that does not.
        """
        losses, optimization = self.losses, self.optimization
        jitter = optimization.jitter
        if jitter is None:
            jitter = patch_px if patch_px > 1 and optimization.optimizer != "lbfgs" else 0
        optimizer = optimization.optimizer or ("adam" if jitter else "lbfgs")
        asked = (losses.content_weight, losses.style_weight, losses.tv_weight)
        defaults = (*WEIGHTS[losses.loss][:2], default_tv(losses.loss, optimization.canvas, optimizer))
        content, style, tv = (
            default if weight is None else weight for weight, default in zip(asked, defaults, strict=True)
        )
        content, style = 0.0 if mode == "texture" else content, 0.0 if mode == "content" else style
        if not content and not style:
            raise UserError("the weights of content and style are both 0, so there is nothing to paint. Raise one.")
        steps = optimization.steps or (STEPS if optimization.seconds is None else UNLIMITED_STEPS)
        return self.changed(
            content_weight=content,
            style_weight=style,
            tv_weight=tv,
            jitter=jitter,
            optimizer=optimizer,
            lr=optimization.lr or default_lr(optimization.canvas, optimization.pixel_range, optimizer),
            steps=steps,
            scales=optimization.scales or min(steps, default_scales(mode, longer_px)),
            init=optimization.init or ("content" if mode == "transfer" else "noise"),
        )


def default_lr(canvas: CanvasKind, pixel_range: PixelRange, optimizer: Optimizer) -> float | None:
    """Return the step size that suits a canvas and an optimizer; None for sgd, whose first gradient says it."""
    lr = LR[canvas][optimizer]
    is_absolute = canvas == "pixels" and optimizer != "lbfgs"  # whose step is in the unit of its own estimate
    return lr * WHITE[pixel_range] if lr is not None and is_absolute else lr


def default_tv(loss: Loss, canvas: CanvasKind, optimizer: Optimizer) -> float:
    """Return the weight of total variation.

    L-BFGS on a spectrum needs none: at 128 px and 200 evaluations strokes are crisp where a weight of 3 leaves flat
    blocks, and neither three trained networks nor fifteen random ones (60 evaluations) paint noise. Pixels become
    grainy without it, and so does what Adam paints with random networks of patches (ConvNeXt, ViT); there 10 beside a
    style weight of 30 keeps pictures as smooth as 3 does beside one of 10.
    """
    is_grainy = canvas == "pixels" or optimizer != "lbfgs"
    return GRAIN_TV if loss == "relative" and is_grainy else WEIGHTS[loss][2]


def default_scales(mode: Mode, longer_px: int) -> int:
    """Return how many sizes a picture of this longer side [px] is painted at."""
    doublings = max(0, math.ceil(math.log2(longer_px / ONE_SCALE_PX)))
    return 1 + doublings + (2 if mode == "texture" else 0)
