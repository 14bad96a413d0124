"""Distances between two folders of pictures. They need many: below the least counts there is no value."""

import warnings
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nstkit.backbones.features import Backbone

FID_SAMPLES_PER_FEATURE = 2
"""Below, the covariance is so uncertain that the distance says more of the count than of the pictures."""
KID_MIN_SAMPLES = 20
"""Of each side: below, the estimate's own error is larger than the differences between painters."""
FID, KID = "judge/fid", "judge/kid"


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

    Source: Heusel et al. 2017; Binkowski et al. 2018; both through torchmetrics.
    Differs: pooled features of the judging network in place of Inception's, as every judge here.
    """
    # Here, because importing torchmetrics takes seconds.
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    pool = PooledFeatures(judge)
    ours, target = (torch.cat([pool(each) for each in group]) for group in (pictures, styles))
    least = min(len(ours), len(target))
    distances: dict[str, nn.Module] = {}
    identity = nn.Identity()
    identity.num_features = pool.num_features
    if least >= FID_SAMPLES_PER_FEATURE * pool.num_features:
        distances[FID] = FrechetInceptionDistance(feature=identity, normalize=False)
    if least >= KID_MIN_SAMPLES:
        with warnings.catch_warnings():  # that it keeps all features, which are pooled here
            warnings.simplefilter("ignore", UserWarning)
            distances[KID] = KernelInceptionDistance(feature=identity, subsets=1, subset_size=least)
    values = {}
    for name, distance in distances.items():
        distance.update(target, real=True)
        distance.update(ours, real=False)
        value = distance.compute()
        values[f"{name}@{judge.label}"] = float(value[0] if isinstance(value, tuple) else value)
    return values
