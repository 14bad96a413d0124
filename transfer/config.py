"""The settings of `python -m transfer`, the only place where its defaults stand."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Interval

from nstkit.annotations import BARE, COUNTS, LONGEST_PX, LOSS_WEIGHTS, MEMORY_GIB, Alone, is_inside, is_list, plain_of
from nstkit.backbones.normalisation import InputSettings
from nstkit.backbones.spec import Padding, Pooling, Preprocess
from nstkit.config import CommandConfig, RunSettings
from nstkit.errors import UserError
from nstkit.pictures.kinds import SUFFIXES
from nstkit.settings import Settings, as_word, flag_of, leaves_of
from nstkit.settings_file import NAMES_CODE
from nstkit.unused import OnlyWith
from transfer.painting.settings import (
    OF_BOTH,
    OF_STYLE,
    LossSettings,
    Mode,
    OptimizationSettings,
    PaintSettings,
    split_weights,
)
from transfer.presets import PresetName

if TYPE_CHECKING:
    from nstkit.backbones.backbone import Backbone

EXAMPLES = """
  python -m transfer                            # sample pictures, no download
  python -m transfer photo.jpg painting.jpg --backbone a.pt
  python -m transfer --content photos/ --style paintings/ --out results/ \\
      --backbone vgg19 resnet50.a1_in1k         # every pair, one run a network
  python -m transfer --mode texture --style painting.jpg --backbone vgg19
  python -m transfer --preset gatys2016 --backbone vgg19@weights.safetensors
"""
Animation = Literal["gif", "webp"]
SIDES_PX = Interval(ge=32, le=LONGEST_PX)
ABSENT: dict[Mode, str | None] = {"transfer": None, "texture": "content", "content": "style"}


@dataclass(frozen=True, kw_only=True)
class PictureSettings(Settings):
    """Which pictures are painted in the style of which others, and how large."""

    mode: Mode = "transfer"
    """transfer paints the content in the style; texture paints the style alone, from noise; content paints what the
    content layers keep of the content picture, from noise."""
    content: Annotated[tuple[Path, ...], BARE] = ()
    """Picture(s) or folder(s) of them. None given = a sample photograph. One alone needs no flag, nor does a style."""
    style: Annotated[tuple[Path, ...], BARE] = ()
    """Picture(s) or folder(s) of them; every content is painted in every style. None given = a drawn sample."""
    blend: Annotated[tuple[str, ...], OF_STYLE] = ()
    """Picture files in place of --style, each FILE or FILE=WEIGHT: one style that lies between theirs. Judges look at
    the one of the largest weight."""
    content_mask: Annotated[tuple[Path, ...], OF_BOTH] = ()
    """Picture, one for each content, whose colours name regions: each is painted in the region of its colour in
    --style-mask, or in the whole style. What has no partner stays as in the photograph, as black does without
    --style-mask."""
    style_mask: Annotated[tuple[Path, ...], OF_STYLE] = ()
    """Picture, one for each style or each of --blend, or a colour such as red for all of it. Without --content-mask the
    whole content is painted in all that is not black."""
    region_weights: Annotated[tuple[str, ...], OF_BOTH] = ()
    """Weights of regions, each COLOUR=WEIGHT, such as red=2 or '#00ff00=0.5'. None given = 1."""
    out: Path | None = None
    """Also write the result here: a picture file, or a folder where there are several results. A TIFF has 16 bit."""
    keep_exif: Annotated[bool, OnlyWith("mode", ("transfer", "content"))] = False
    """Keep what the photograph's file says of its date, camera, lens and exposure, and never where it was taken."""
    size: Annotated[int, SIDES_PX, OnlyWith("rows", (None,))] = 512
    """Longer side of the result and of the style [px]."""
    rows: Annotated[int | None, SIDES_PX] = None
    """Height of the result and of the style [px], whatever their width comes to. None = what `--size` says."""
    crop_rim: Annotated[bool, OnlyWith("mode", ("transfer", "texture"))] = False
    """Cut off the rim of a style picture (paper, bare canvas or a line around a scan), which would become a frame of
    the result. A rim that is found is named either way."""
    style_scale: Annotated[float, Interval(ge=0.05, le=20), OF_BOTH] = 1.0
    """Size of the style beside that of the result: 0.5 gives finer strokes, 2 coarser ones."""

    def __post_init__(self) -> None:
        """Refuse a picture that the mode does not use, and pictures that exclude each other."""
        super().__post_init__()
        absent = ABSENT[self.mode]
        for flag in ("content", "style", "blend"):
            if getattr(self, flag) and absent == ("style" if flag == "blend" else flag):
                raise UserError(f"--{flag} with --mode {self.mode}, which has no {absent} picture. Leave it out.")
        if self.crop_rim and self.style_mask:
            raise UserError("--crop-rim with --style-mask, which is one of the whole picture. Leave the rim out there.")
        if self.style and self.blend:
            raise UserError("--style beside --blend: name all styles behind one of them.")
        split_blend(self.blend)
        split_weights(self.region_weights, "--region-weights")

    @property
    def files(self) -> list[Path]:
        """The files and folders that are read."""
        return [*self.content, *self.style, *map(Path, split_blend(self.blend)), *self.content_mask, *self.style_mask]


def scaled_side(size_px: int, scale: float) -> int:
    """Return the longer side of a picture that is `scale` times as large as one of `size_px` [px]."""
    return max(1, round(size_px * scale))


def split_blend(words: tuple[str, ...]) -> dict[str, float]:
    """Return the share of each style in a blend by file, the largest first, of sum 1; a file alone has weight 1.

    Args:
        words: FILE or FILE=WEIGHT, where a file that is there may have any name.

    Raises:
        UserError: for a weight that is no number of 0 or more, weights that are all 0, or a file that is there twice.

    Example:
        >>> split_blend(("a.jpg=3", "b.jpg"))
        {'a.jpg': 0.75, 'b.jpg': 0.25}
    """
    weights: dict[str, float] = {}
    for word in words:
        name, joint, weight = (word, "", "") if os.path.exists(word) else word.rpartition("=")
        if not joint:
            name, weight = word, "1"
        if name in weights:
            raise UserError(f"--blend {as_word(word)}: {name} is named twice. Give it one weight, as in FILE=WEIGHT.")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = math.nan
        if not is_inside(LOSS_WEIGHTS, weights[name]):
            raise UserError(
                f"--blend {as_word(word)}: the weight is no number from 0 to {LOSS_WEIGHTS.le:g}. Give FILE=WEIGHT."
            )
    total = sum(weights.values())
    if weights and not total:
        raise UserError(f"--blend {as_word(words)}: the weights sum to 0. Raise one.")
    largest_first = sorted(weights.items(), key=lambda item: -item[1])
    return {name: weight / total for name, weight in largest_first}


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(Settings):
    """The network(s) that the pictures are seen with, and what is changed about them."""

    backbone: Annotated[tuple[str, ...], NAMES_CODE] = ("carried",)
    """Network(s): a checkpoint of train_backbone, or NAME[@WEIGHTS] such as vgg19, resnet50.a1_in1k, vgg19@random:3,
    vgg19@weights.safetensors; NAME is ours (vgg11 to vgg19, _bn), timm's or torchvision's (torchvision:NAME where both
    have it), timm/ID as Hugging Face shows it, hf-hub:OWNER/ID, or package.module:function, your own code. One run
    each."""
    arch: Annotated[str | None, NAMES_CODE] = None
    """Factory of checkpoints that were made by one, package.module:function: code that a file names is not run."""
    list_taps: bool = False
    """Print the layers of the network(s), as they see the first content picture, and stop."""
    list_backbones: Annotated[str | None, Alone("*")] = None
    """Print the names that --backbone takes and stop: all, or those that match a pattern such as 'resnet*'."""
    preprocess: Preprocess = "own"
    """Normalisation of the picture: own is the network's; imagenet and caffe are there for experiments."""
    pooling: Pooling = "max"
    """max leaves the network as it is; avg and l2 put average or root mean square pooling in place of max pooling, at
    the level of max pooling; plain-avg is the average as it is, which absolute losses of papers belong to."""
    padding: Padding = "zero"
    """zero leaves the network as it is; replicate and reflect continue the picture beyond its border."""
    swap: tuple[str, ...] = ()
    """TAP..TAP@SPEC gives these layers the weights of another backbone of the same architecture, such as @random:1."""
    input: InputSettings = InputSettings()
    """What weights of another program take, where their file does not say it."""

    def __post_init__(self) -> None:
        """Refuse a command without a network."""
        super().__post_init__()
        if not self.backbone:
            raise UserError("--backbone without a name. Give one or more.")

    @property
    def loading(self) -> dict[str, Any]:
        """The keyword arguments of `nstkit.load_backbone`."""
        changed = ("pooling", "padding", "preprocess", "swap")
        return {**{name: getattr(self, name) for name in changed}, **self.input.flat(), "factory": self.arch}


@dataclass(frozen=True, kw_only=True)
class JudgingSettings(Settings):
    """Who judges the pictures."""

    judge: Annotated[tuple[str, ...], NAMES_CODE, OnlyWith("mode", ("transfer",))] = ()
    """Network(s) that judge the pictures beside the fixed panel (Gabor filters, and a small network that paints
    nothing), whose verdict judge/style is the same whatever painted. Named as after --backbone, each gives a
    judge/style@NAME, but one of the painter's own family. None given = those of ImageNet VGG19 and SqueezeNet that lie
    on this machine. The word fixed = the panel alone, none = no judging."""
    judge_style: Annotated[tuple[Path, ...], OnlyWith("mode", ("transfer",))] = ()
    """Picture(s) or folder(s) of other styles, among which a judge has to recognise the right one."""


@dataclass(frozen=True, kw_only=True)
class OutputSettings(Settings):
    """What is shown of the canvas on its way, in the run's images/."""

    animation: Animation | None = None
    """Also write how the picture came about, as an animation in this format. None = do not."""
    preview_every: Annotated[int | None, COUNTS] = None
    """Write the canvas into a file anew after every so many evaluations, until the result is there. None = do not."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(Settings):
    """Who works on a list of pictures: this process, or others, on this machine or on a cluster."""

    workers: Annotated[int, Interval(ge=0, le=10_000)] = 0
    """Processes that paint at one time, each on a GPU of its own or in some CPU threads. Ray starts them (pip install
    'nstkit[grid]'), and again where one is lost. 0 = this one paints."""
    threads: Annotated[int | None, Interval(ge=1, le=10_000)] = None
    """CPU threads that each of them computes in. None = OMP_NUM_THREADS, or its share of the cores. Pictures are the
    same to the bit where this number is."""
    ray_address: str | None = None
    """Cluster of Ray whose machines paint, such as auto or ray://head:10001; networks lie there under the same names.
    None = that of RAY_ADDRESS, or else this machine alone."""

    def __post_init__(self) -> None:
        """Refuse a cluster on which nobody shall work."""
        super().__post_init__()
        if self.ray_address is not None and not self.workers:
            raise UserError("--ray-address without --workers: say how many shall paint there.")

    @property
    def cluster(self) -> str | None:
        """Address of the cluster of Ray, None for this machine alone."""
        return self.ray_address or os.environ.get("RAY_ADDRESS") or None


@dataclass(frozen=True, kw_only=True)
class TransferWorkerSettings(WorkerSettings):
    """Who works on a list of pictures: this process, or others, on this machine or on a cluster."""

    batch: Annotated[int, Interval(ge=1, le=1000)] = 1
    """Pictures of one size that are painted at one time, each with an optimizer of its own: the network sees their
    canvases in one pass, which pays for small ones, most of all on a GPU. The pictures differ by rounding."""


@dataclass(frozen=True, kw_only=True)
class TransferRunSettings(RunSettings):
    """How the command is run, where it computes and where its results go."""

    preset: PresetName | None = None
    """A paper's or a program's settings; each is described below. Flags and --config win over them."""
    resume: str | None = None
    """Folder of the run to continue: what is painted there is not painted again. auto means the newest unfinished run
    of the same command, or else a new one."""
    memory: Annotated[float | None, MEMORY_GIB] = None
    """Memory that the command may fill [GiB]; larger pictures are painted in tiles. None = what is free."""
    list_presets: bool = False
    """Print the presets and stop."""
    list_judges: bool = False
    """Print what is judged, by whom and how well that was tested, and stop."""


@dataclass(frozen=True, kw_only=True)
class TransferConfig(CommandConfig):
    """Paint content pictures in the style of others and write RUNS_DIR/transfer/<run>/, with any network as the eye.

    With nothing given: a sample photograph, a style drawn by code, and the small VGG19 that comes with the package.
    """

    pictures: PictureSettings = PictureSettings()
    network: NetworkSettings = NetworkSettings()
    losses: LossSettings = LossSettings()
    optimization: OptimizationSettings = OptimizationSettings()
    judging: JudgingSettings = JudgingSettings()
    output: OutputSettings = OutputSettings()
    working: TransferWorkerSettings = TransferWorkerSettings()
    run: TransferRunSettings = TransferRunSettings()

    def __post_init__(self) -> None:
        """Refuse a first canvas that the mode does not have, and weights of regions that there are not."""
        super().__post_init__()
        self._check_no_pictures_behind_words()
        if self.pictures.region_weights and not self.pictures.content_mask:
            raise UserError("--region-weights without --content-mask, which has the regions. Add it.")
        mode, init = self.pictures.mode, self.optimization.init
        if init is not None and init == ABSENT[mode]:
            raise UserError(f"--init {init}: --mode {mode} has no {init} picture. Give noise or grey, or a file.")

    def _check_no_pictures_behind_words(self) -> None:
        """Refuse pictures behind a flag that takes other words, such as `--backbone vgg19 photo.jpg painting.jpg`."""
        for name, hint in leaves_of(type(self)).items():
            words = self.flat()[name] if is_list(hint) and plain_of(hint) is str and name != "blend" else ()
            if pictures := [word for word in words if word.lower().endswith(SUFFIXES) and "@" not in word]:
                raise UserError(
                    f"{flag_of(name)} {as_word(pictures)}: {'pictures' if len(pictures) > 1 else 'a picture'}, which "
                    f"it does not take. Put a photograph behind --content and a painting behind --style."
                )

    def effective(self) -> dict[str, Any]:
        """Return the flat values by which it is seen which settings have an effect."""
        return self.resolved().flat()

    @property
    def painting(self) -> PaintSettings:
        """The part that the painter needs."""
        return PaintSettings(
            losses=self.losses,
            optimization=self.optimization,
            seed=self.run.seed,
            precision=self.run.precision,
            memory=self.run.memory,
        )

    def resolved(self, patch_px: int = 1) -> "TransferConfig":
        """Return the settings with every None that depends on others, or on the network, filled in.

        Args:
            patch_px: side of the patches that the network cuts a picture into, 1 for one that does not.
        """
        painting = self.painting.resolved(self.pictures.mode, self.pictures.size, patch_px)
        return self.changed(**painting.flat())

    def check_taps(self, backbone: "Backbone") -> None:
        """Raise `UserError` where a network lacks a layer that is named, or that the preset takes."""
        try:
            backbone.check_taps(self.losses.named_taps)
        except UserError as error:
            if self.run.preset is None:
                raise
            raise UserError(f"--preset {self.run.preset}: {error} Or give another --backbone.") from error
