"""Does the picture repeat itself where the content does? Self-similarity of a judge's features."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

POSITIONS = 1024
"""Most positions compared with each other."""
TEMPERATURE = 0.1
"""Of the softmax over a row of cosines."""


@torch.no_grad()
def self_similarity_distance(picture: Float[Tensor, "1 c h w"], content: Float[Tensor, "1 c h w"]) -> float:
    """Return how far the self-similarity of a picture's features is from that of the content's (CFSD).

    Args:
        picture: feature maps of the picture, (1, C, H, W), of a stage such as relu3_1.
        content: those of the content, (1, C, H, W).

    Returns:
        Mean over positions of the Kullback-Leibler divergence between the softmax rows. Unit: nat, 0 or more, lower is
        more faithful; colours and contrast matter little.

    Source: Chung et al. 2024, Style injection in diffusion (StyleID), section 4.1 and its released code.
    Differs: the mean over rows where they take the sum, which grows with the picture; cosines of centred features with
        a temperature where they take plain products over C, whose size depends on the network; at most 1024 positions.
    """
    count = picture.shape[-2] * picture.shape[-1]
    place = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:POSITIONS]
    rows = []
    for maps in (picture, content):
        flat = maps[0].float().flatten(1)
        flat = F.normalize((flat - flat.mean(1, keepdim=True))[:, place], dim=0)
        rows.append(F.log_softmax(flat.T @ flat / TEMPERATURE, dim=1))
    ours, target = rows
    return F.kl_div(ours, target, log_target=True, reduction="batchmean").item()


def aligned_similarity(picture: Float[Tensor, "1 c h w"], other: Float[Tensor, "1 c h2 w2"]) -> float:
    """Return the mean cosine of centred features at the same places, in [-1, 1].

    Args:
        picture: feature maps of the picture, (1, C, H, W).
        other: those of another picture, resized where their size differs.

    Source: Wang et al. 2021 (StyleEval), CF. Differs: features are centred on each picture's mean.
    """
    if other.shape[-2:] != picture.shape[-2:]:
        other = F.interpolate(other, picture.shape[-2:], mode="bilinear", antialias=True)
    centred = [maps.float() - maps.float().mean((2, 3), keepdim=True) for maps in (picture, other)]
    return F.cosine_similarity(*centred, dim=1).mean().item()
