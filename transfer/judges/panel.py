"""The panel of judges: those without a network, and one set for each judging network, never the painter's own.

panel = load_panel(["squeezenet1_1@weights.safetensors"], painter=spec, device=device)
panel.judge(picture, content, style)  # {"judge/style": 0.08, "judge/artefacts": 0.02, ...}

A measure's function takes (picture, content, style) where it stands in `DESCRIPTIONS` or `GUARDS`, a network's
`Evidence` where it stands in `NETWORK_MEASURES`, and the values of all these by name where it is a verdict.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import BackboneSpec
from nstkit.measure import Measure
from nstkit.pictures.tensors import as_image, shrink
from transfer.judges.artefacts import ARTEFACTS, GUARDS
from transfer.judges.colour import COLOUR, HISTOGRAM
from transfer.judges.content import CONTENT
from transfer.judges.identification import STYLE
from transfer.judges.network_judge import NetworkJudge, Rival
from transfer.judges.networks import is_same_network, judging_specs, named_by
from transfer.judges.perceptual import read_channel_weights
from transfer.judges.picture import check_pictures, fit, is_same
from transfer.judges.texture import GABOR, GABOR_LEAST_PX, TEXTURE

JUDGE_PX = 256
"""Longer side at which networks look at pictures."""
LEAST_PX = GABOR_LEAST_PX
"""Shorter side that every judge can do with."""

DESCRIPTIONS: tuple[Measure, ...] = (COLOUR, TEXTURE, CONTENT, HISTOGRAM, GABOR)
"""Judges without a network that are easily fooled: they describe a picture and do not say whether it is a good one."""


@dataclass(frozen=True)
class Panel:
    """Judges that are ready to look at pictures.

    Attributes:
        networks: the judging networks.
        styles: other styles by name, which a picture could be taken for.
        contents: other contents by name.
        notes: what a reader of the numbers has to know, such as that there is no judging network.
        device: of the networks.
    """

    networks: tuple[NetworkJudge, ...]
    styles: Mapping[str, Tensor]
    contents: Mapping[str, Tensor]
    notes: tuple[str, ...]
    device: torch.device

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures that `judge` returns, in its order."""
        of_networks = [measure for network in self.networks for measure in network.measures]
        style = (STYLE,) if self.networks else ()  # the verdict is the networks'
        return (*style, *DESCRIPTIONS, ARTEFACTS, *GUARDS, *of_networks)

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
            >>> panel = Panel(networks=(), styles={}, contents={}, notes=(), device=torch.device("cpu"))
            >>> grey = torch.full((1, 3, 48, 64), 0.5)
            >>> values = panel.judge(grey, grey, grey + 0.1)
            >>> round(values["judge/colour"], 3), round(values["judge/content"], 3), values["judge/artefacts"]
            (0.1, 1.0, 0.0)
        """
        check_pictures(LEAST_PX, picture=picture, content=content, style=style)
        pictures = {"picture": picture, "content": content, "style": style}
        picture, content, style = (as_image(image.cpu(), role) for role, image in pictures.items())
        values = {measure.name: measure.function(picture, content, style) for measure in (*DESCRIPTIONS, *GUARDS)}
        values |= self._judge_by_networks(picture, fit(content, picture), style)
        for verdict in (STYLE, ARTEFACTS) if self.networks else (ARTEFACTS,):
            values[verdict.name] = verdict.function(values)
        return {measure.name: values[measure.name] for measure in self.measures}

    def _judge_by_networks(self, picture: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
        """Return the values of the networks' measures."""
        # All at one longer side, never enlarged: strokes are compared at the size at which they were painted.
        side_px = min(JUDGE_PX, *(max(image.shape[-2:]) for image in (picture, style)))
        styles, contents = (
            {
                name: self._rival(shrink(other, side_px))
                for name, other in pictures.items()
                if not is_same(other, original)
            }
            for pictures, original in ((self.styles, style), (self.contents, content))
        )
        picture, content, style = (shrink(image, side_px).to(self.device) for image in (picture, content, style))
        values: dict[str, float] = {}
        for network in self.networks:
            values |= network.judge(picture, content, style, styles, contents)
        return values

    def _rival(self, picture: Tensor) -> Rival:
        key = hashlib.sha1(picture.cpu().contiguous().numpy().tobytes()).hexdigest()
        return Rival(picture.to(self.device), key)


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
        specs: judging networks, as after `--backbone`. None given = ImageNet VGG19 and SqueezeNet where their weights
            lie on this machine already (nothing is downloaded), and the backbone that the package carries.
        painter: the network that painted.
        device: where the networks compute.
        styles: other styles by name, each (1, 3, H, W), sRGB in [0, 1]; the pair's own may be among them.
        contents: other contents by name, likewise.

    Raises:
        UserError: a network cannot be loaded.

    Example:
        >>> panel = load_panel(["carried"], device=torch.device("cpu"))
        >>> [network.label for network in panel.networks], [measure.name for measure in panel.measures][:3]
        (['carried'], ['judge/style', 'judge/colour', 'judge/texture'])
    """
    asked = judging_specs(specs)
    kept = {label: spec for label, spec in asked.items() if painter is None or not is_same_network(spec, painter)}
    notes = tuple(f"{label} painted, so it does not judge" for label in asked if label not in kept)
    if not kept:
        notes += ("no network is left that did not paint: name another with --judge for a verdict on the style",)
    with named_by("--judge"):
        backbones = {label: load_backbone(spec).to(device) for label, spec in kept.items()}
    networks = tuple(
        NetworkJudge(label, backbone, read_channel_weights(kept[label])) for label, backbone in backbones.items()
    )
    return Panel(networks, dict(styles or {}), dict(contents or {}), notes, device)
