"""The panel of judges: those without a network, and one set for each judging network, never the painter's own.

panel = load_panel(["squeezenet1_1@weights.safetensors"], painter=spec, device=device)
panel.judge(picture, content, style)  # {"judge/style": 0.08, "judge/artefacts": 0.02, ...}
"""

import filecmp
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.load import load_backbone
from nstkit.backbones.spec import CARRIED, BackboneSpec, parse_backbone
from nstkit.measure import Measure
from transfer.judges.description import GABOR_MIN_SIDE_PX, gabor_distance, histogram_distance
from transfer.judges.frauds import is_same
from transfer.judges.guards import artefacts, checkerboard, clipped, ghost, high_frequency_excess
from transfer.judges.local_weights import local_specs
from transfer.judges.network_free import JUDGES, judge_picture
from transfer.judges.network_judge import NetworkJudge
from transfer.judges.perceptual import read_channel_weights
from transfer.judges.sliced_wasserstein import check_picture
from transfer.judges.validity import is_trusted

JUDGE_PX = 256
"""Longer side at which networks look at pictures."""

STYLE = Measure(
    name="judge/style",
    function=lambda margins: sum(margins) / len(margins),
    unit="",
    range=(-2.0, 2.0),
    higher_is_better=True,
    source="mean of the margins of style identification, judge/style_margin/lp and /gram, over the judging networks",
)
VERDICTS = ("judge/style_margin/lp@", "judge/style_margin/gram@")
GUARDS = {
    "ghost": Measure(
        "judge/artefacts/ghost", ghost, "correlation", (0.0, 1.0), False, "partial correlation with the style picture"
    ),
    "high_frequencies": Measure(
        "judge/artefacts/high_frequencies", high_frequency_excess, "octaves", (0.0, 30.0), False, "energy spectrum"
    ),
    "checkerboard": Measure(
        "judge/artefacts/checkerboard", checkerboard, "octaves", (0.0, 60.0), False, "Odena et al. 2016"
    ),
    "clipped": Measure("judge/artefacts/clipped", clipped, "share of values", (0.0, 1.0), False, "share at 0 or 1"),
}
ARTEFACTS = Measure("judge/artefacts", artefacts, "", (0.0, 1.0), False, "1 - product of (1 - guard / its limit)")
HISTOGRAM = Measure(
    "judge/colour_histogram", histogram_distance, "", (0.0, 1.0), False, "Afifi et al. 2021 (HistoGAN), equation 5"
)
GABOR = Measure("judge/gabor", gabor_distance, "octaves", (0.0, 30.0), False, "Manjunath & Ma 1996, Gabor energies")
NETWORK_FREE: tuple[Measure, ...] = (*JUDGES, HISTOGRAM, GABOR, ARTEFACTS, *GUARDS.values())


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
        own = tuple(measure for network in self.networks for measure in network.measures)
        return ((STYLE,) if self.networks else ()) + NETWORK_FREE + own

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
        """
        for role, given in {"picture": picture, "content": content, "style": style}.items():
            check_picture(given, role, GABOR_MIN_SIDE_PX)
        picture, content, style = (each.detach().float().cpu().clamp(0, 1) for each in (picture, content, style))
        aligned = content
        if content.shape[-2:] != picture.shape[-2:]:
            aligned = F.interpolate(content, picture.shape[-2:], mode="bilinear", antialias=True)
        guards = {name: guard.function(picture, aligned, style) for name, guard in GUARDS.items()}
        values = {
            **judge_picture(picture, content, style),
            HISTOGRAM.name: histogram_distance(picture, style),
            GABOR.name: gabor_distance(picture, style),
            ARTEFACTS.name: artefacts(guards),
            **{GUARDS[name].name: value for name, value in guards.items()},
        }
        seen = self._judge_by_networks(picture, aligned, style)
        margins = trusted({name: value for name, value in seen.items() if name.startswith(VERDICTS)})
        verdict = {STYLE.name: STYLE.function(list(margins.values()))} if margins else {}
        return {**verdict, **values, **seen}

    def _judge_by_networks(self, picture: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
        """Return the values of the networks' measures."""
        # All at one longer side, never enlarged: strokes are compared at the size at which they were painted.
        side = min(JUDGE_PX, *(max(each.shape[-2:]) for each in (picture, style)))
        others = {
            f"{role} {name}": _at(each, side)
            for role, pictures, own in (("style", self.styles, style), ("content", self.contents, content))
            for name, each in pictures.items()
            if not is_same(each, own)
        }
        keys = {name: f"{name} {side} {_digest(each)}" for name, each in others.items()}
        others = {name: each.to(self.device) for name, each in others.items()}
        styles, contents = (
            {name: each for name, each in others.items() if name.startswith(role)} for role in ("style ", "content ")
        )
        pair = [_at(each, side).to(self.device) for each in (picture, content, style)]
        values: dict[str, float] = {}
        for network in self.networks:
            values |= network.judge(*pair, styles, contents, keys)
        return values


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
    """
    given = {(spec := parse_backbone(text)).label: spec for text in specs} if specs else local_specs()
    kept = {label: spec for label, spec in given.items() if painter is None or not is_same_network(spec, painter)}
    notes = tuple(f"{label} painted, so it does not judge" for label in given if label not in kept)
    if not kept:
        notes += ("no network is left that did not paint: name another with --judge for a verdict on the style",)
    networks = tuple(
        NetworkJudge(label, load_backbone(spec).to(device), read_channel_weights(spec)) for label, spec in kept.items()
    )
    return Panel(networks, dict(styles or {}), dict(contents or {}), notes, device)


def trusted(values: Mapping[str, float]) -> dict[str, float]:
    """Return the values of those measures that did not fail their test on known pictures; all where each failed."""
    return {name: value for name, value in values.items() if is_trusted(name) is not False} or dict(values)


def is_same_network(a: BackboneSpec, b: BackboneSpec) -> bool:
    """Return whether two specs name the same weights, as far as names and files tell."""
    if a.path is not None and b.path is not None:
        return _is_same_file(a, b)
    if CARRIED in (a.path, b.path) or a.name is None or b.name is None:
        return False
    if "random" in (a.weights, b.weights):
        return (a.name, a.weights, a.seed) == (b.name, b.weights, b.seed)
    # `vgg19` and `vgg19@FILE`: the file may hold the published weights, and no judge is better than a partial one.
    return a.name.partition(".")[0] == b.name.partition(".")[0]


def _is_same_file(a: BackboneSpec, b: BackboneSpec) -> bool:
    files = [path / "model.safetensors" if path.is_dir() else path for path in (a.path, b.path) if path is not None]
    return files[0].resolve() == files[1].resolve() or filecmp.cmp(*files, shallow=False)


def _at(picture: Tensor, longer_px: int) -> Tensor:
    """Return the picture with this longer side; smaller ones stay."""
    scale = longer_px / max(picture.shape[-2:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[-2:]]
    return F.interpolate(picture, size, mode="bilinear", antialias=True)


def _digest(picture: Tensor) -> str:
    return hashlib.sha1(picture.contiguous().numpy().tobytes()).hexdigest()
