"""The judges that look through one network. It is never the one that painted: that is the panel's business."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.measure import Measure
from transfer.judges.candidates import altered_contents, style_frauds
from transfer.judges.content import CFSD, aligned_similarity
from transfer.judges.evidence import TRUE_CONTENT, TRUE_STYLE, Evidence, StyleFacts, style_facts
from transfer.judges.frauds import match_colours
from transfer.judges.identification import (
    CONTENT_MARGIN_LAYOUT,
    CONTENT_RANK_LAYOUT,
    GRAM,
    LP,
    STYLE_MARGIN_GRAM,
    STYLE_MARGIN_LP,
    STYLE_MARGIN_RECOLOURED,
    STYLE_RANK_GRAM,
    STYLE_RANK_LP,
    gram_similarities,
    vote_shares,
)
from transfer.judges.perceptual import LPIPS

DEEPEST_STYLE_STRIDE = 8
"""Deeper maps of a judged picture hold few positions, and cost most."""
PATCH_STRIDES = (4, 8)
LAYOUT_STRIDE = 8
SELF_SIMILARITY_STRIDE = 4
PICTURE_SEED, CANDIDATE_SEED = 2, 1
"""Of the places of the patches: others in the picture than in the candidates, of which it may be one."""

NETWORK_MEASURES: tuple[Measure, ...] = (
    STYLE_MARGIN_LP,
    STYLE_RANK_LP,
    STYLE_MARGIN_GRAM,
    STYLE_RANK_GRAM,
    STYLE_MARGIN_RECOLOURED,
    CONTENT_MARGIN_LAYOUT,
    CONTENT_RANK_LAYOUT,
    CFSD,
    LP,
    GRAM,
)
"""What every network judges, functions of its `Evidence`; `@LABEL` is added to the names."""


@dataclass(frozen=True)
class Rival:
    """A picture that the judged one could be taken for, and that is met again with the next picture.

    Attributes:
        picture: (1, 3, H, W), sRGB in [0, 1], at the size for judging.
        key: what tells it from any other picture, for the memory.
    """

    picture: Float[Tensor, "1 3 h w"]
    key: str


@dataclass
class NetworkJudge:
    """One network, and what it remembers of the rivals that it has seen.

    Attributes:
        label: of the network, the end of the measures' names.
        backbone: the network.
        channel_weights: those of LPIPS by tap, empty for a network that it was not learned for.
    """

    label: str
    backbone: Backbone
    channel_weights: Mapping[str, Tensor] = field(default_factory=dict)
    _rival_facts: dict[str, StyleFacts] = field(default_factory=dict)
    _rival_layouts: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose the taps among the network's style taps by their strides."""
        strides = {name: self.backbone.taps[name].stride for name in self.backbone.style_taps}
        shallow = [name for name, stride in strides.items() if stride <= DEEPEST_STYLE_STRIDE]
        self.style_taps = shallow or list(strides)
        self.patch_taps = [name for name in self.style_taps if strides[name] in PATCH_STRIDES] or self.style_taps[-2:]
        self.layout_tap = _nearest(strides, LAYOUT_STRIDE)
        self.self_similarity_tap = _nearest(strides, SELF_SIMILARITY_STRIDE)
        self.taps = list(
            dict.fromkeys([*self.style_taps, self.layout_tap, self.self_similarity_tap, *self.channel_weights])
        )

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What `judge` returns, in its order, by the names that it has with this network."""
        perceptual = (LPIPS,) if self.channel_weights else ()
        return tuple(
            replace(measure, name=f"{measure.name}@{self.label}") for measure in (*NETWORK_MEASURES, *perceptual)
        )

    @torch.no_grad()
    def judge(
        self,
        picture: Float[Tensor, "1 3 h w"],
        content: Float[Tensor, "1 3 hc wc"],
        style: Float[Tensor, "1 3 hs ws"],
        styles: Mapping[str, Rival],
        contents: Mapping[str, Rival],
    ) -> dict[str, float]:
        """Return the values of `measures` by name; the arguments are those of `look`."""
        evidence = self.look(picture, content, style, styles, contents)
        return {measure.name: measure.function(evidence) for measure in self.measures}

    @torch.no_grad()
    def look(
        self,
        picture: Float[Tensor, "1 3 h w"],
        content: Float[Tensor, "1 3 hc wc"],
        style: Float[Tensor, "1 3 hs ws"],
        styles: Mapping[str, Rival],
        contents: Mapping[str, Rival],
    ) -> Evidence:
        """Return what the network sees of a picture.

        Args:
            picture: (1, 3, H, W), sRGB in [0, 1], at the size for judging, as all that follow.
            content: (1, 3, Hc, Wc).
            style: (1, 3, Hs, Ws).
            styles: other styles by name, without the true one.
            contents: other contents by name, without the true one.
        """
        frauds = {name: self._facts_of(fraud) for name, fraud in style_frauds(content, style).items()}
        candidates = {TRUE_STYLE: self._facts_of(style)}
        candidates |= {f"{name} (fraud)": facts for name, facts in frauds.items()}
        candidates |= {f"style {name}": self._remembered_facts(rival) for name, rival in styles.items()}

        maps = self.backbone.features(picture, self.taps)
        facts = self._facts_from(maps, PICTURE_SEED)
        recoloured_facts = self._facts_of(match_colours(picture, style), PICTURE_SEED)
        reference = (frauds["content"], candidates[TRUE_STYLE])

        content_maps = self.backbone.features(content, self.taps)
        layouts = {TRUE_CONTENT: content_maps[self.layout_tap], "style": self._layout_of(style)}
        layouts |= {f"{name} (altered)": self._layout_of(other) for name, other in altered_contents(content).items()}
        layouts |= {f"content {name}": self._remembered_layout(rival) for name, rival in contents.items()}
        return Evidence(
            picture_maps=maps,
            content_maps=content_maps,
            self_similarity_tap=self.self_similarity_tap,
            channel_weights=self.channel_weights,
            facts=facts,
            style_facts=candidates[TRUE_STYLE],
            votes=vote_shares(facts, candidates),
            gram_scores=gram_similarities(facts, candidates, reference),
            recoloured_gram_scores=gram_similarities(recoloured_facts, candidates, reference),
            layout_scores={name: aligned_similarity(maps[self.layout_tap], layout) for name, layout in layouts.items()},
        )

    def _facts_of(self, picture: Tensor, seed: int = CANDIDATE_SEED) -> StyleFacts:
        return self._facts_from(self.backbone.features(picture, self.style_taps), seed)

    def _facts_from(self, maps: Mapping[str, Tensor], seed: int) -> StyleFacts:
        return style_facts([maps[tap] for tap in self.style_taps], [maps[tap] for tap in self.patch_taps], seed)

    def _layout_of(self, picture: Tensor) -> Tensor:
        return self.backbone.features(picture, [self.layout_tap])[self.layout_tap]

    def _remembered_facts(self, rival: Rival) -> StyleFacts:
        if rival.key not in self._rival_facts:
            self._rival_facts[rival.key] = self._facts_of(rival.picture)
        return self._rival_facts[rival.key]

    def _remembered_layout(self, rival: Rival) -> Tensor:
        if rival.key not in self._rival_layouts:
            self._rival_layouts[rival.key] = self._layout_of(rival.picture)
        return self._rival_layouts[rival.key]


def _nearest(strides: Mapping[str, int], wanted: int) -> str:
    """Return the tap whose stride comes nearest to `wanted`; of several the shallowest."""
    return min(strides, key=lambda name: abs(strides[name] - wanted))
