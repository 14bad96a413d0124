"""The judges of `judge/style`: the same for every picture, whatever painted it. Neither of them can paint.

gabor           a bank of Gabor filters, see `transfer.judges.gabor_bank`
carried-judge   a small network that comes with the package, see nstkit/carried_judge; `--backbone` refuses it
"""

from functools import cache

import torch

from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import CARRIED_JUDGE, JUDGE_LABEL, BackboneSpec
from transfer.judges.eye_judge import EyeJudge
from transfer.judges.gabor_bank import GaborBank


@cache
def fixed_judges(device: torch.device) -> tuple[EyeJudge, ...]:
    """Return the judges of the fixed panel, loaded once for each device with all that they remember."""
    network = load_backbone(BackboneSpec(JUDGE_LABEL, None, "file", CARRIED_JUDGE)).to(device)
    return (EyeJudge(GaborBank.label, GaborBank()), EyeJudge(JUDGE_LABEL, network))
