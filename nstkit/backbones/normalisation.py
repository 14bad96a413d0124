"""What pictures are shifted and scaled by before a network sees them: known, recognised, or said by the user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, TypedDict

from annotated_types import Interval

from nstkit.errors import UserError
from nstkit.settings import Settings, flag_of

if TYPE_CHECKING:
    from torch import Tensor

ChannelOrder = Literal["own", "rgb", "bgr"]
ValueRange = Literal["own", "0-1", "0-255"]


class Normalisation(TypedDict):
    """What pictures, sRGB in [0, 1], are shifted and scaled by for weights, three values each.

    With `is_bgr` the weights take blue, green, red, and the values are in that order.
    """

    mean: Sequence[float]
    std: Sequence[float]
    is_bgr: NotRequired[bool]


IMAGENET: Normalisation = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CAFFE: Normalisation = {  # 0 to 255 less the mean
    "mean": [value / 255 for value in (103.939, 116.779, 123.68)],
    "std": [1 / 255] * 3,
    "is_bgr": True,
}
FEATURES: Normalisation = {"mean": (0.48235, 0.45882, 0.40784), "std": [1 / 255] * 3}
"""Of torchvision's `IMAGENET1K_FEATURES`, which are Caffe's weights for red, green, blue."""

# Of VGG16 and VGG19 as their authors published them, the kernel of the first filter that sees blue. Their size tells
# nothing: torchvision's own weights, for normalised pictures, are as large.
BLUE_KERNELS = (
    ((0.42947, 0.37347, -0.06136), (0.27477, 0.03868, -0.36722), (-0.05747, -0.26225, -0.35010)),
    ((0.34120, 0.33999, -0.04484), (0.23216, 0.08978, -0.30331), (-0.07261, -0.24668, -0.33683)),
)
TOLERANCE = 5e-3  # weights were rounded to 8 or 16 bits on their way


@dataclass(frozen=True, kw_only=True)
class InputSettings(Settings):
    """What weights of another program take, where their file does not say it."""

    mean: tuple[Annotated[float, Interval(ge=-1e6, le=1e6)], ...] = ()
    """Three values that are subtracted from the channels, in their order and range. None given = the network's own."""
    std: tuple[Annotated[float, Interval(gt=0, le=1e6)], ...] = ()
    """Three values that the channels are then divided by. None given = the network's own."""
    channel_order: ChannelOrder = "own"
    """Order of the channels that the weights take; own is what is known of the network, rgb for most."""
    value_range: ValueRange = "own"
    """Values of the channels before mean and std, which then are 0 and 1 if not given; own is 0-1 and the network's."""

    def __post_init__(self) -> None:
        """Refuse other than three values, and a mean that belongs to another range."""
        super().__post_init__()
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (0, 3):
                raise UserError(f"--{name} {' '.join(map(str, values))}: {len(values)} values. Give three.")
        if self.value_range != "0-255" and any(abs(value) > 1 for value in self.mean):
            raise UserError(
                f"--mean {' '.join(map(str, self.mean))}: values of 0 to 1 have no such mean. Add --value-range 0-255."
            )

    @property
    def flags(self) -> str:
        """The flags of what is set."""
        return " and ".join(flag_of(name) for name, value in self.flat().items() if value not in ((), "own"))

    def applied(self, own: Normalisation) -> Normalisation:
        """Return a network's own normalisation with what is set here in its place."""
        was_bgr = own.get("is_bgr", False)
        is_bgr = was_bgr if self.channel_order == "own" else self.channel_order == "bgr"
        unit = 255 if self.value_range == "0-255" else 1
        default: Normalisation = {"mean": (0, 0, 0), "std": (1 / unit,) * 3} if self.value_range != "own" else own
        step = -1 if is_bgr != was_bgr else 1
        return {
            "mean": [value / unit for value in self.mean] or list(default["mean"])[::step],
            "std": [value / unit for value in self.std] or list(default["std"])[::step],
            "is_bgr": is_bgr,
        }


def recognise(weights: "Mapping[str, Tensor]", *, has_broken_head: bool) -> Normalisation | None:
    """Return the normalisation of a VGG's weights that are known by what they are, None for any other.

    Args:
        weights: under torchvision's names.
        has_broken_head: the classifier is not finite, as torchvision publishes `IMAGENET1K_FEATURES`.
    """
    first = weights.get("features.0.weight")
    if first is None or tuple(first.shape) != (64, 3, 3, 3):
        return None
    for channel, normalisation in ((0, CAFFE), (2, FEATURES)):
        kernel = first[0, channel].float()
        if any((kernel - kernel.new_tensor(known)).abs().max() < TOLERANCE for known in BLUE_KERNELS):
            return normalisation
    return FEATURES if has_broken_head else None
