"""The judges that look through one network. It is never the one that painted: that is the panel's business."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.features import Backbone
from nstkit.measure import Measure
from transfer.judges.frauds import altered_contents, match_colours, style_frauds
from transfer.judges.identification import (
    StyleFacts,
    gram_distance,
    gram_similarities,
    local_patterns,
    margin_of,
    rank_of,
    style_facts,
    vote_shares,
)
from transfer.judges.perceptual import perceptual_distance
from transfer.judges.self_similarity import aligned_similarity, self_similarity_distance

DEEPEST_STYLE_STRIDE = 8
"""Deeper maps of a judged picture hold few positions, and cost most."""
PATCH_STRIDES = (4, 8)
LAYOUT_STRIDE = 8
SELF_SIMILARITY_STRIDE = 4

STYLE, PICTURE_SEED, CANDIDATE_SEED = "style", 2, 1

LP_SOURCE = "Wang et al. 2021 (StyleEval), local patterns, as a vote among candidates"
GRAM_SOURCE = "Gatys et al. 2016, equation 3, as a cosine of centred Grams among candidates"
LAYOUT_SOURCE = "Wang et al. 2021 (StyleEval), content fidelity, among candidates"
INFINITY = float("inf")

NETWORK_MEASURES: tuple[Measure, ...] = (
    Measure("judge/style_margin/lp", vote_shares, "share of patches", (-1.0, 1.0), True, LP_SOURCE),
    Measure("judge/style_rank/lp", vote_shares, "rank", (1.0, INFINITY), False, LP_SOURCE),
    Measure("judge/style_margin/gram", gram_similarities, "cosine", (-2.0, 2.0), True, GRAM_SOURCE),
    Measure("judge/style_rank/gram", gram_similarities, "rank", (1.0, INFINITY), False, GRAM_SOURCE),
    Measure(
        "judge/style_margin/recoloured",
        gram_similarities,
        "cosine",
        (-2.0, 2.0),
        True,
        f"{GRAM_SOURCE}; the picture is first given the style's colours",
    ),
    Measure("judge/content_margin/layout", aligned_similarity, "cosine", (-2.0, 2.0), True, LAYOUT_SOURCE),
    Measure("judge/content_rank/layout", aligned_similarity, "rank", (1.0, INFINITY), False, LAYOUT_SOURCE),
    Measure(
        "judge/cfsd", self_similarity_distance, "nat", (0.0, INFINITY), False, "Chung et al. 2024 (StyleID), changed"
    ),
    Measure("judge/lp", local_patterns, "", (-0.5, 1.0), True, "Wang et al. 2021 (StyleEval), LP: a description"),
    Measure("judge/gram", gram_distance, "", (0.0, INFINITY), False, "Gatys et al. 2016, relative: a description"),
)
"""What every network judges, in this order; `@LABEL` is added to the names."""
LPIPS = Measure("judge/lpips", perceptual_distance, "", (0.0, INFINITY), False, "Zhang et al. 2018, equation 1")


@dataclass
class NetworkJudge:
    """One network and the pictures that it compares with, besides those made from the pair.

    Attributes:
        label: of the network, the end of the measures' names.
        backbone: the network.
        channel_weights: those of LPIPS by tap, empty for a network that it was not learned for.
    """

    label: str
    backbone: Backbone
    channel_weights: Mapping[str, Tensor] = field(default_factory=dict)
    _facts: dict[str, StyleFacts] = field(default_factory=dict)
    _layouts: dict[str, Tensor] = field(default_factory=dict)

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
        """What `judge` returns, in its order."""
        perceptual = (LPIPS,) if self.channel_weights else ()
        return tuple(replace(each, name=f"{each.name}@{self.label}") for each in (*NETWORK_MEASURES, *perceptual))

    @torch.no_grad()
    def judge(
        self,
        picture: Float[Tensor, "1 3 h w"],
        content: Float[Tensor, "1 3 hc wc"],
        style: Float[Tensor, "1 3 hs ws"],
        styles: Mapping[str, Tensor],
        contents: Mapping[str, Tensor],
        keys: Mapping[str, str],
    ) -> dict[str, float]:
        """Return the values of `measures` by name.

        Args:
            picture: (1, 3, H, W), sRGB in [0, 1], at the size for judging, as all that follow.
            content: (1, 3, Hc, Wc).
            style: (1, 3, Hs, Ws).
            styles: other styles by name, without the true one.
            contents: other contents by name, without the true one.
            keys: for each candidate's name what tells its picture from any other, for the memory.
        """
        frauds = style_frauds(content, style)
        candidates = {STYLE: self._style_facts(style)}
        candidates |= {f"{name} (fraud)": self._style_facts(each) for name, each in frauds.items()}
        candidates |= {name: self._remembered_facts(keys[name], each) for name, each in styles.items()}
        content_facts = candidates["content (fraud)"]

        maps = self.backbone.features(picture, self.taps)
        facts = self._facts_of(maps, PICTURE_SEED)
        recoloured = self._style_facts(match_colours(picture, style), PICTURE_SEED)
        reference = (content_facts, candidates[STYLE])
        votes = vote_shares(facts, candidates)
        grams = gram_similarities(facts, candidates, reference)
        recoloured_grams = gram_similarities(recoloured, candidates, reference)

        content_maps = self.backbone.features(content, self.taps)
        layouts = {"content": content_maps[self.layout_tap], STYLE: self._layout(style)}
        layouts |= {f"{name} (altered)": self._layout(each) for name, each in altered_contents(content).items()}
        layouts |= {name: self._remembered_layout(keys[name], each) for name, each in contents.items()}
        likeness = {name: aligned_similarity(maps[self.layout_tap], each) for name, each in layouts.items()}
        values = (
            margin_of(votes, STYLE),
            rank_of(votes, STYLE),
            margin_of(grams, STYLE),
            rank_of(grams, STYLE),
            margin_of(recoloured_grams, STYLE),
            margin_of(likeness, "content"),
            rank_of(likeness, "content"),
            self_similarity_distance(maps[self.self_similarity_tap], content_maps[self.self_similarity_tap]),
            local_patterns(facts, candidates[STYLE]),
            gram_distance(facts, candidates[STYLE]),
        )
        if self.channel_weights:
            values += (perceptual_distance(maps, content_maps, self.channel_weights),)
        return {measure.name: value for measure, value in zip(self.measures, values, strict=True)}

    def _style_facts(self, picture: Tensor, seed: int = CANDIDATE_SEED) -> StyleFacts:
        return self._facts_of(self.backbone.features(picture, self.style_taps), seed)

    def _facts_of(self, maps: Mapping[str, Tensor], seed: int) -> StyleFacts:
        return style_facts([maps[t] for t in self.style_taps], [maps[t] for t in self.patch_taps], seed)

    def _layout(self, picture: Tensor) -> Tensor:
        return self.backbone.features(picture, [self.layout_tap])[self.layout_tap]

    def _remembered_facts(self, key: str, picture: Tensor) -> StyleFacts:
        if key not in self._facts:
            self._facts[key] = self._style_facts(picture)
        return self._facts[key]

    def _remembered_layout(self, key: str, picture: Tensor) -> Tensor:
        if key not in self._layouts:
            self._layouts[key] = self._layout(picture)
        return self._layouts[key]


def _nearest(strides: Mapping[str, int], wanted: int) -> str:
    """Return the tap whose stride comes nearest to `wanted`; of several the shallowest."""
    return min(strides, key=lambda name: abs(strides[name] - wanted))
