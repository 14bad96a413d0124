"""VGG (Simonyan and Zisserman 2015) with layers named as in the paper: conv1_1, relu1_1, pool1, ... relu5_4, pool5.

The convolutions carry torchvision's parameter names (`features.N.weight`), so weights pass between the two as they
are. The head is global average pooling and one linear layer: the paper's head would be 120 of the 140 million
parameters, and at 32 px it reads maps of 1x1 that are repeated to 7x7. It is there for comparison (`head="fc4096"`).
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nstkit.backbones.spec import Head, Norm

CONVOLUTIONS = {  # how many in each of the five blocks (the paper's configurations A, B, D, E)
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
CHANNELS = (64, 128, 256, 512, 512)
MIN_SIDE_PX = 32  # five poolings, the last of which must leave one position

GATYS_STYLE_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
GATYS_CONTENT_TAPS = ("relu4_2",)


class VGG(nn.Module):
    """The network; `taps` maps each layer's name in the paper to its index in `features`.

    `convB_N` is the convolution after its batch norm and before its ReLU, so folding the batch norm into the
    convolution does not change it. `arguments` builds the same network again.
    """

    def __init__(
        self, arch: str, *, norm: Norm = "batch", width: float = 1.0, classes: int = 1000, head: Head = "gap"
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {"arch": arch, "norm": norm, "width": width, "classes": classes}
        if head != "gap":  # checkpoints of before have no such key
            self.arguments["head"] = head
        layers: list[nn.Module] = []
        self.taps: dict[str, int] = {}
        channels_in = 3
        for block, (count, channels) in enumerate(zip(CONVOLUTIONS[arch], CHANNELS, strict=True), start=1):
            channels = scale_width(channels, width)
            for number in range(1, count + 1):
                layers.append(nn.Conv2d(channels_in, channels, 3, padding=1))
                if norm == "batch":
                    layers.append(nn.BatchNorm2d(channels))
                self.taps[f"conv{block}_{number}"] = len(layers) - 1
                # Not in place: an in-place ReLU would rectify a tapped convolution behind the reader's back.
                layers.append(nn.ReLU(inplace=False))
                self.taps[f"relu{block}_{number}"] = len(layers) - 1
                channels_in = channels
            layers.append(nn.MaxPool2d(2))
            self.taps[f"pool{block}"] = len(layers) - 1
        self.features = nn.Sequential(*layers)
        self.head: Head = head
        self.classifier = nn.Linear(channels_in, classes) if head == "gap" else _paper_head(channels_in, width, classes)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        """Return the logits of normalised pictures of at least 32 px a side."""
        maps = self.features(image)
        if self.head == "gap":
            return self.classifier(maps.mean(dim=(2, 3)))
        return self.classifier(functional.adaptive_avg_pool2d(maps, 7).flatten(1))


def _paper_head(channels: int, width: float, classes: int) -> nn.Sequential:
    """Return the paper's three linear layers, which torchvision names classifier.0, .3 and .6."""
    hidden = scale_width(4096, width)
    return nn.Sequential(
        *(nn.Linear(channels * 7 * 7, hidden), nn.ReLU(inplace=False), nn.Dropout(0.5)),
        *(nn.Linear(hidden, hidden), nn.ReLU(inplace=False), nn.Dropout(0.5)),
        nn.Linear(hidden, classes),
    )


def scale_width(channels: int, width: float) -> int:
    """Return the channel count at a width factor, at least 4."""
    return max(4, round(channels * width))


def tap_strides(taps: dict[str, int]) -> dict[str, int]:
    """Return the stride of each tap: it doubles at every pooling."""
    strides, stride = {}, 1
    for name in taps:  # in order of depth
        stride *= 2 if name.startswith("pool") else 1
        strides[name] = stride
    return strides
