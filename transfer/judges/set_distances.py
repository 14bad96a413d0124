"""Distances between two folders of pictures. They need many: below the least counts there is no value."""

import warnings
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nstkit.backbones.backbone import Backbone
from nstkit.measure import Measure

FID_SAMPLES_PER_FEATURE = 2
"""Below, the covariance is so uncertain that the distance says more of the count than of the pictures."""
KID_MIN_SAMPLES = 20
"""Of each side: below, the estimate's own error is larger than the differences between painters."""


class PooledFeatures(nn.Module):
    """Pictures to the mean of a tap's features, (B, C): what the distances are taken between."""

    num_features: int

    def __init__(self, backbone: Backbone, tap: str | None = None) -> None:
        super().__init__()
        self.backbone, self.tap = backbone, tap or backbone.style_taps[-1]
        self.num_features = backbone.taps[self.tap].channels

    def forward(self, images: Tensor) -> Float[Tensor, "b c"]:
        """Return the pooled features of pictures (B, 3, H, W), sRGB in [0, 1]."""
        return self.backbone.features(images, [self.tap])[self.tap].float().mean((2, 3))


class _AsTheyAre(nn.Module):
    """What torchmetrics takes for its network: features in, the same features out."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(features: Float[Tensor, "n c"], target: Float[Tensor, "m c"]) -> float:
    """Return the Fréchet distance of two sets of features, each taken for normally distributed (FID).

    Args:
        features: of the pictures, (N, C), at least two pictures a channel.
        target: of the paintings, (M, C), likewise.

    Source: Heusel et al. 2017, GANs trained by a two time-scale update rule, through torchmetrics.
    Differs: features of a judging network in place of Inception's, as every judge here.

    Example:
        >>> features = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
        >>> round(frechet_distance(features + 2, features), 2)  # 2 squared, for each of 3 channels
        12.0
    """
    # Here, because importing torchmetrics takes seconds.
    from torchmetrics.image.fid import FrechetInceptionDistance

    distance = FrechetInceptionDistance(feature=_AsTheyAre(features.shape[1]), normalize=False)
    distance.update(target, real=True)
    distance.update(features, real=False)
    return float(distance.compute())


FID = Measure(
    name="judge/fid",
    function=frechet_distance,
    unit="squared features",
    range=(0.0, float("inf")),
    higher_is_better=False,
    source="Heusel et al. 2017, on pooled features of the judging network",
    aspect="style",
)


def kernel_distance(features: Float[Tensor, "n c"], target: Float[Tensor, "m c"]) -> float:
    """Return the squared maximum mean discrepancy of two sets of features under a cubic kernel (KID).

    Args:
        features: of the pictures, (N, C), at least 20 pictures.
        target: of the paintings, (M, C), likewise; of the larger set as many are drawn as the smaller one has.

    Source: Binkowski et al. 2018, Demystifying MMD GANs, through torchmetrics.
    Differs: features of a judging network in place of Inception's; one subset of all pictures.

    Example:
        >>> features = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
        >>> kernel_distance(features + 2, features) > 10, abs(kernel_distance(features[:20], features[20:])) < 0.1
        (True, True)
    """
    # Here, because importing torchmetrics takes seconds.
    from torchmetrics.image.kid import KernelInceptionDistance

    subset_size = min(len(features), len(target))
    with warnings.catch_warnings():  # that it keeps all features, which are pooled here
        warnings.simplefilter("ignore", UserWarning)
        distance = KernelInceptionDistance(feature=_AsTheyAre(features.shape[1]), subsets=1, subset_size=subset_size)
    distance.update(target, real=True)
    distance.update(features, real=False)
    mean, _ = distance.compute()
    return float(mean)


KID = Measure(
    name="judge/kid",
    function=kernel_distance,
    unit="",
    range=(-float("inf"), float("inf")),
    higher_is_better=False,
    source="Binkowski et al. 2018, on pooled features of the judging network",
    aspect="style",
)


@torch.no_grad()
def set_distances(
    pictures: Iterable[Float[Tensor, "1 3 _ _"]], styles: Iterable[Float[Tensor, "1 3 _ _"]], judge: Backbone
) -> dict[str, float]:
    """Return FID and KID between two sets of pictures as a judging network sees them.

    Args:
        pictures: stylized pictures, each (1, 3, H, W), sRGB in [0, 1]; sizes may differ.
        styles: paintings, likewise.
        judge: the network; never the one that painted.

    Returns:
        `judge/fid@LABEL` where both sets hold at least two pictures a feature, `judge/kid@LABEL` where both hold at
        least 20; none for smaller sets. Values of different networks cannot be compared.
    """
    pool = PooledFeatures(judge)
    features, target = (torch.cat([pool(picture) for picture in group]) for group in (pictures, styles))
    least_counts = {FID: FID_SAMPLES_PER_FEATURE * pool.num_features, KID: KID_MIN_SAMPLES}
    return {
        f"{measure.name}@{judge.label}": measure.function(features, target)
        for measure, least in least_counts.items()
        if min(len(features), len(target)) >= least
    }
