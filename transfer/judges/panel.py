"""The panel of judges: a fixed part, the same whatever painted, and networks beside it, never the painter's own.

panel = load_panel(["squeezenet1_1@weights.safetensors"], painter=spec, device=device)
panel.judge(picture, content, style)  # {"judge/style": 0.8, ..., "judge/style@gabor": 0.7, ...}

`judge/style` is the verdict of the fixed part alone; what a network beside it says is `judge/style@LABEL`. A measure's
function takes (picture, content, style) where it stands in `DESCRIPTIONS` or `GUARDS`, an eye's `Evidence` where it
stands in `EYE_MEASURES`, and the values of all these by name where it is a verdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import BackboneSpec
from nstkit.measure import Measure
from nstkit.pictures.tensors import as_image, shrink
from transfer.judges.artefacts import ARTEFACTS, GUARDS
from transfer.judges.candidates import JudgedPair, judged_pair
from transfer.judges.colour import COLOUR, HISTOGRAM
from transfer.judges.content import CONTENT
from transfer.judges.eye_judge import EyeJudge, Rival
from transfer.judges.fixed import fixed_judges
from transfer.judges.identification import STYLE
from transfer.judges.memory import Memory
from transfer.judges.networks import is_partial, judging_specs, named_by
from transfer.judges.perceptual import read_channel_weights
from transfer.judges.picture import check_pictures, digest, fit, is_same
from transfer.judges.texture import GABOR, GABOR_LEAST_PX, TEXTURE

JUDGE_PX = 256
"""Longer side at which networks look at pictures."""
PAIRS_BYTES = 64 * 2**20
"""Of the pictures made of pairs that are kept: about six pairs at the size for judging."""
LEAST_PX = GABOR_LEAST_PX
"""Shorter side that every judge can do with."""

DESCRIPTIONS: tuple[Measure, ...] = (COLOUR, TEXTURE, CONTENT, HISTOGRAM, GABOR)
"""Judges without a network that are easily fooled: they describe a picture and do not say whether it is a good one."""


@dataclass(frozen=True)
class Panel:
    """Judges that are ready to look at pictures.

    Attributes:
        device: of the networks.
        fixed: those whose verdict is `judge/style`; there is none without them.
        beside: networks that judge beside them, each with a `judge/style@LABEL` of its own.
        absent: labels of the networks that do not judge, since they painted.
        styles: other styles by name, which a picture could be taken for.
        contents: other contents by name.
    """

    device: torch.device
    fixed: tuple[EyeJudge, ...] = ()
    beside: tuple[EyeJudge, ...] = ()
    absent: tuple[str, ...] = ()
    styles: Mapping[str, Tensor] = field(default_factory=dict)
    contents: Mapping[str, Tensor] = field(default_factory=dict)
    _pairs: Memory[JudgedPair] = field(default_factory=lambda: Memory(PAIRS_BYTES), repr=False)

    @property
    def eyes(self) -> tuple[EyeJudge, ...]:
        """All that look for themselves, the fixed ones first."""
        return (*self.fixed, *self.beside)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures that `judge` returns, in its order."""
        of_eyes = [measure for eye in self.eyes for measure in eye.measures]
        style = (STYLE,) if self.fixed else ()
        return (*style, *DESCRIPTIONS, ARTEFACTS, *GUARDS, *of_eyes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers has to know."""
        return tuple(f"{label} painted, so it does not judge" for label in self.absent)

    @torch.no_grad()
    def judge(
        self,
        picture: Float[Tensor, "1 3 h w"],
        content: Float[Tensor, "1 3 hc wc"],
        style: Float[Tensor, "1 3 hs ws"],
    ) -> dict[str, float]:
        """Return every measure's value by its name.

        Args:
            picture: (1, 3, H, W), sRGB in [0, 1], the stylized picture.
            content: (1, 3, Hc, Wc), sRGB in [0, 1]; resized to the picture where its size differs.
            style: (1, 3, Hs, Ws), sRGB in [0, 1], at the size at which the painter saw it.

        Raises:
            ValueError: a tensor is not (1, 3, H, W), or a shorter side is below 48 px.
            UserError: some values are not in [0, 1].

        Example:
            >>> panel = Panel(torch.device("cpu"))
            >>> grey = torch.full((1, 3, 48, 64), 0.5)
            >>> values = panel.judge(grey, grey, grey + 0.1)
            >>> round(values["judge/colour"], 3), round(values["judge/content"], 3), values["judge/artefacts"]
            (0.1, 1.0, 0.0)
        """
        check_pictures(LEAST_PX, picture=picture, content=content, style=style)
        pictures = {"picture": picture, "content": content, "style": style}
        picture, content, style = (as_image(image.cpu(), role) for role, image in pictures.items())
        values = {measure.name: measure.function(picture, content, style) for measure in (*DESCRIPTIONS, *GUARDS)}
        values |= self._judge_by_eyes(picture, fit(content, picture), style)
        values[ARTEFACTS.name] = ARTEFACTS.function(values)
        if self.fixed:
            verdicts = (f"{STYLE.name}@{eye.label}" for eye in self.fixed)
            values[STYLE.name] = STYLE.function({name: values[name] for name in verdicts})
        return {measure.name: values[measure.name] for measure in self.measures}

    def _judge_by_eyes(self, picture: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
        """Return the values of the eyes' measures."""
        side_px = judging_size(picture, style)
        styles, contents = (
            {
                name: self._rival(shrink(other, side_px))
                for name, other in pictures.items()
                if not is_same(other, original)
            }
            for pictures, original in ((self.styles, style), (self.contents, content))
        )
        picture, content, style = (shrink(image, side_px).to(self.device) for image in (picture, content, style))
        pair = self._pairs.recall(digest(content, style), lambda: judged_pair(content, style))
        values: dict[str, float] = {}
        for eye in self.eyes:
            values |= eye.judge(picture, pair, styles, contents)
        return values

    def _rival(self, picture: Tensor) -> Rival:
        return Rival(picture.to(self.device), digest(picture))


def judging_size(picture: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> int:
    """Return the longer side at which both are looked at [px], never enlarged, and no side below `LEAST_PX`.

    One for both, for strokes are compared at the size at which they were painted. A panorama is kept larger, where its
    shorter side would be too small.
    """
    sides = [sorted(image.shape[-2:]) for image in (picture, style)]
    narrowest = max(math.ceil(LEAST_PX * longer / shorter) for shorter, longer in sides)
    return max(min(JUDGE_PX, *(longer for _, longer in sides)), narrowest)


def load_panel(
    specs: Sequence[str] = (),
    *,
    painter: BackboneSpec | None = None,
    device: torch.device,
    styles: Mapping[str, Tensor] | None = None,
    contents: Mapping[str, Tensor] | None = None,
) -> Panel:
    """Return the judges; networks are loaded, and the painter's own is left out.

    Args:
        specs: networks that judge beside the fixed panel, as after `--judge`: see `judging_specs`.
        painter: the network that painted.
        device: where the networks compute.
        styles: other styles by name, each (1, 3, H, W), sRGB in [0, 1]; the pair's own may be among them.
        contents: other contents by name, likewise.

    Raises:
        UserError: a network cannot be loaded.

    Example:
        >>> panel = load_panel(["carried"], device=torch.device("cpu"))
        >>> [eye.label for eye in panel.fixed], [eye.label for eye in panel.beside], panel.measures[0].name
        (['gabor', 'carried-judge'], ['carried'], 'judge/style')
    """
    asked = judging_specs(specs)
    absent = tuple(label for label, spec in asked.items() if painter is not None and is_partial(spec, painter))
    with named_by("--judge"):
        backbones = {label: load_backbone(spec).to(device) for label, spec in asked.items() if label not in absent}
    beside = tuple(
        EyeJudge(label, backbone, read_channel_weights(asked[label])) for label, backbone in backbones.items()
    )
    return Panel(device, fixed_judges(device), beside, absent, dict(styles or {}), dict(contents or {}))
