"""What is judged through one eye, a network or the bank of Gabor filters. Whether it may is the panel's business."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.backbone import Tap
from nstkit.measure import Measure
from transfer.judges.candidates import BEST_FRAUD, JudgedPair
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
    STYLE_OF_EYE,
    STYLE_RANK_GRAM,
    STYLE_RANK_LP,
    gram_similarities,
    style_score,
    vote_shares,
)
from transfer.judges.memory import Memory
from transfer.judges.perceptual import LPIPS

DEEPEST_STYLE_STRIDE = 8
"""Deeper maps of a judged picture hold few positions, and cost most."""
PATCH_STRIDES = (4, 8)
LAYOUT_STRIDE = 8
SELF_SIMILARITY_STRIDE = 4
PICTURE_SEED, CANDIDATE_SEED = 2, 1
"""Of the places of the patches: others in the picture than in the candidates, of which it may be one."""

MEMORY_BYTES = 256 * 2**20
"""That one eye keeps of pairs, and as much of rivals: one pair of ImageNet VGG19's, dozens of a small network's."""

EYE_MEASURES: tuple[Measure, ...] = (
    STYLE_OF_EYE,
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
"""What is judged through every eye, functions of its `Evidence`; `@LABEL` is added to the names."""


@runtime_checkable
class Eye(Protocol):
    """Something that gives feature maps of a picture at taps of known strides: a `Backbone`, a `GaborBank`."""

    @property
    def taps(self) -> Mapping[str, Tap]:
        """All taps by name."""

    @property
    def style_taps(self) -> tuple[str, ...]:
        """Names of those that show the style, shallow first."""

    def features(self, image: Float[Tensor, "1 3 h w"], names: Iterable[str]) -> dict[str, Float[Tensor, "1 _ _ _"]]:
        """Return the feature maps of a picture, sRGB in [0, 1], at these taps."""


@dataclass(frozen=True)
class Rival:
    """A picture that the judged one could be taken for, and that is met again with the next picture.

    Attributes:
        picture: (1, 3, H, W), sRGB in [0, 1], at the size for judging.
        key: what tells it from any other picture, for the memory.
    """

    picture: Float[Tensor, "1 3 h w"]
    key: str


@dataclass(frozen=True)
class PairFacts:
    """What an eye keeps of a pair, for every picture that is made of it.

    Attributes:
        candidates: facts of the style and of its frauds by name.
        reference: facts of content and style.
        content_maps: feature maps of the content by tap.
        layouts: maps at the layout's tap, of the content and of what its layout could be taken for, by name.
        scale: style scores of the best fraud and of the known good pictures.
    """

    candidates: Mapping[str, StyleFacts]
    reference: tuple[StyleFacts, StyleFacts]
    content_maps: Mapping[str, Tensor]
    layouts: Mapping[str, Tensor]
    scale: tuple[float, float]

    @property
    def nbytes(self) -> int:
        """Bytes that these facts take."""
        tensors = (*self.content_maps.values(), *self.layouts.values())
        return sum(facts.nbytes for facts in self.candidates.values()) + sum(values.nbytes for values in tensors)


@dataclass
class EyeJudge:
    """One eye, and what it remembers of the pairs and rivals that it has seen.

    Attributes:
        label: of the eye, the end of the measures' names.
        eye: that it looks through.
        channel_weights: those of LPIPS by tap, empty for an eye that it was not learned for.
    """

    label: str
    eye: Eye
    channel_weights: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose the taps among the eye's style taps by their strides."""
        strides = {name: self.eye.taps[name].stride for name in self.eye.style_taps}
        shallow = [name for name, stride in strides.items() if stride <= DEEPEST_STYLE_STRIDE]
        self.style_taps = shallow or list(strides)
        self.patch_taps = [name for name in self.style_taps if strides[name] in PATCH_STRIDES] or self.style_taps[-2:]
        self.layout_tap = _nearest(strides, LAYOUT_STRIDE)
        self.self_similarity_tap = _nearest(strides, SELF_SIMILARITY_STRIDE)
        self.taps = list(
            dict.fromkeys([*self.style_taps, self.layout_tap, self.self_similarity_tap, *self.channel_weights])
        )
        self._pairs = Memory[PairFacts](MEMORY_BYTES)
        self._rivals = Memory[StyleFacts](MEMORY_BYTES // 2)
        self._rival_layouts = Memory[Tensor](MEMORY_BYTES // 2)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What `judge` returns, in its order, by the names that it has with this eye."""
        perceptual = (LPIPS,) if self.channel_weights else ()
        return tuple(replace(measure, name=f"{measure.name}@{self.label}") for measure in (*EYE_MEASURES, *perceptual))

    @torch.no_grad()
    def judge(
        self,
        picture: Float[Tensor, "1 3 h w"],
        pair: JudgedPair,
        styles: Mapping[str, Rival],
        contents: Mapping[str, Rival],
    ) -> dict[str, float]:
        """Return the values of `measures` by name; the arguments are those of `look`."""
        evidence = self.look(picture, pair, styles, contents)
        return {measure.name: measure.function(evidence) for measure in self.measures}

    @torch.no_grad()
    def look(
        self,
        picture: Float[Tensor, "1 3 h w"],
        pair: JudgedPair,
        styles: Mapping[str, Rival],
        contents: Mapping[str, Rival],
    ) -> Evidence:
        """Return what the eye sees of a picture.

        Args:
            picture: (1, 3, H, W), sRGB in [0, 1], at the size for judging, as all that follow.
            pair: that it is said to be made of.
            styles: other styles by name, without the true one.
            contents: other contents by name, without the true one.
        """
        known = self._pairs.recall(pair.key, partial(self._facts_of_pair, pair))
        candidates, layouts = dict(known.candidates), dict(known.layouts)
        for name, rival in styles.items():
            candidates[f"style {name}"] = self._rivals.recall(rival.key, partial(self._facts_of, rival.picture))
        for name, rival in contents.items():
            recalled = self._rival_layouts.recall(rival.key, partial(self._layout_of, rival.picture))
            layouts[f"content {name}"] = recalled
        maps = self.eye.features(picture, self.taps)
        facts = self._facts_from(maps, PICTURE_SEED)
        recoloured_facts = self._facts_of(match_colours(picture, pair.style), PICTURE_SEED)
        return Evidence(
            picture_maps=maps,
            content_maps=known.content_maps,
            self_similarity_tap=self.self_similarity_tap,
            channel_weights=self.channel_weights,
            facts=facts,
            style_facts=candidates[TRUE_STYLE],
            votes=vote_shares(facts, candidates),
            gram_scores=gram_similarities(facts, candidates, known.reference),
            recoloured_gram_scores=gram_similarities(recoloured_facts, candidates, known.reference),
            layout_scores={name: aligned_similarity(maps[self.layout_tap], layout) for name, layout in layouts.items()},
            scale=known.scale,
        )

    def _facts_of_pair(self, pair: JudgedPair) -> PairFacts:
        frauds = {f"{name} (fraud)": self._facts_of(fraud) for name, fraud in pair.frauds.items()}
        style = self._facts_of(pair.style)
        content_maps = self.eye.features(pair.content, self.taps)
        layouts = {TRUE_CONTENT: content_maps[self.layout_tap], "style": self._layout_of(pair.style)}
        layouts |= {f"{name} (altered)": self._layout_of(other) for name, other in pair.altered.items()}
        candidates, reference = {TRUE_STYLE: style, **frauds}, (frauds["content (fraud)"], style)

        def score(picture: Tensor) -> float:
            facts = self._facts_of(picture, PICTURE_SEED)
            return style_score(vote_shares(facts, candidates), gram_similarities(facts, candidates, reference))

        goods = [score(good) for good in pair.goods.values()]
        scale = (score(pair.frauds[BEST_FRAUD]), sum(goods) / len(goods))
        return PairFacts(candidates, reference, content_maps, layouts, scale)

    def _facts_of(self, picture: Tensor, seed: int = CANDIDATE_SEED) -> StyleFacts:
        return self._facts_from(self.eye.features(picture, self.style_taps), seed)

    def _facts_from(self, maps: Mapping[str, Tensor], seed: int) -> StyleFacts:
        return style_facts([maps[tap] for tap in self.style_taps], [maps[tap] for tap in self.patch_taps], seed)

    def _layout_of(self, picture: Tensor) -> Tensor:
        return self.eye.features(picture, [self.layout_tap])[self.layout_tap]


def _nearest(strides: Mapping[str, int], wanted: int) -> str:
    """Return the tap whose stride comes nearest to `wanted`; of several the shallowest."""
    return min(strides, key=lambda name: abs(strides[name] - wanted))
