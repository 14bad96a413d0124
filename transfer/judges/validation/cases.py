"""Pictures of which is known what a judge should say: `make_cases`, and what each kind is, `KINDS`.

A judge is asked for one of three things: whether the style is there, whether the content is, whether the picture is
free of artefacts. A kind of picture answers these with True, False, or None where an answer would be unfair.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from transfer.judges import frauds
from transfer.judges.artefacts import CHECKERBOARD, CLIPPED, GHOST, HIGH_FREQUENCIES
from transfer.judges.quilt import quilt

Question = Literal["style", "content", "artefacts"]


@dataclass(frozen=True)
class Kind:
    """What is true of a picture.

    Attributes:
        about: what it is, for people.
        style: it has the style.
        content: it has the content.
        artefacts: it is free of artefacts (True = clean, as with the others True is what a judge should prefer).
        guards: names of the guards that exist for this very kind; other guards are not asked about it.
        told: the question for which judges hold this kind, or one much like it, among their candidates
            (`transfer.judges.candidates`): they were told of it, so that telling it apart says less.
    """

    about: str
    style: bool | None
    content: bool | None
    artefacts: bool | None
    guards: tuple[str, ...] = ()
    told: Question | None = None


KINDS: dict[str, Kind] = {
    "content": Kind("the photograph itself", False, None, True, told="style"),
    "recoloured": Kind("the photograph in the style's mean and covariance of colours", False, True, True, told="style"),
    "histogram": Kind("the photograph in the style's histograms", False, True, None),
    "blend_25": Kind("25 % of the style picture shining through", False, None, False, (GHOST.name,), told="style"),
    "blend_50": Kind("50 % of the style picture shining through", False, None, False, (GHOST.name,), told="style"),
    "noise": Kind("white noise in the style's colours", False, False, False, (HIGH_FREQUENCIES.name,), told="style"),
    "noisy_content": Kind("the photograph under noise", False, None, False, (HIGH_FREQUENCIES.name,), told="style"),
    "scrambled": Kind("the style with random Fourier phases", False, False, None, told="style"),
    "blurred": Kind("the photograph out of focus", False, None, None),
    "flat": Kind("the style's mean colour", False, False, None),
    "mirrored": Kind("the photograph, mirrored", False, False, True, told="content"),
    "washed": Kind("the photograph in its own light, under the style's finest strokes", False, True, None),
    "other_content": Kind("another photograph", False, False, True),
    "other_crop": Kind("a part of another style", False, False, True),
    "other_style": Kind("the photograph laid out of patches of another style", False, None, None),
    "other_painting": Kind("the photograph, painted with a given network in another style", False, True, None),
    "other_published": Kind("a published result of the photograph in another style", False, True, True),
    "random_network": Kind("painted with a random network", False, None, None),
    "checkered": Kind(
        "a good picture under a checkerboard", None, None, False, (CHECKERBOARD.name, HIGH_FREQUENCIES.name)
    ),
    "clipped": Kind("a good picture with too much contrast", None, None, False, (CLIPPED.name,)),
    "style_crop": Kind("a part of the style", True, False, True),
    "texture": Kind("the style's texture, laid out of its patches", True, False, None),
    "quilt": Kind("the photograph laid out of patches of the style", True, True, True),
    "painting": Kind("painted with a given network", True, True, None),
    "synthesis": Kind("the style's texture, painted from noise with a given network", True, False, None),
    "published": Kind("a result that others have published", True, True, True),
}
"""By name, the frauds first."""

PATCH_SHARE = 1 / 21
"""Side of a patch of a quilt over the longer side: strokes stay whole, and the content can be made out."""
STROKE_SHARE = 1 / 60
"""Standard deviation over the shorter side of the blur that parts fine strokes from light and forms."""
BLENDED_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
EXPOSURES = (0.8, 1.25)
SIZES = (0.75, 1.5)
SHIFT = 100
"""Of the seeds: judges hold frauds of their own against a picture, and the same draws would be recognised by them."""


@dataclass(frozen=True)
class Subject:
    """One pair, and what is needed besides to make frauds of it. Pictures are (1, 3, H, W), sRGB in [0, 1].

    Attributes:
        name: of the pair.
        content: the photograph.
        style: the painting.
        other_content: another photograph.
        other_style: another painting.
        published: a result of this pair that others made, if there is one.
        other_published: a result of the content in another style, likewise.
    """

    name: str
    content: Float[Tensor, "1 3 _ _"]
    style: Float[Tensor, "1 3 _ _"]
    other_content: Float[Tensor, "1 3 _ _"]
    other_style: Float[Tensor, "1 3 _ _"]
    published: Float[Tensor, "1 3 _ _"] | None = None
    other_published: Float[Tensor, "1 3 _ _"] | None = None


@dataclass(frozen=True)
class Case:
    """A picture to be judged.

    Attributes:
        pair: whose it is.
        kind: one of `KINDS`.
        picture: the picture, (1, 3, H, W), sRGB in [0, 1].
        content: the photograph it is judged against.
        style: the painting it is judged against.
        series: "" for the kind as it is; `dose/...` for a step of a series of rising style; `repainting/...` for the
            kind painted again, with something changed that should not matter; `exposure` or `size` for the kind seen in
            another exposure or size.
        amount: of the dose, or the factor of exposure or size.
        painter: label of the network that painted it, whose judgement does not count; "" for none.
    """

    pair: str
    kind: str
    picture: Float[Tensor, "1 3 _ _"]
    content: Float[Tensor, "1 3 _ _"]
    style: Float[Tensor, "1 3 _ _"]
    series: str = ""
    amount: float = 1.0
    painter: str = ""

    def expected(self, question: Question) -> bool | None:
        """Return what a judge that is asked this should find: True, False, or None where it is not asked."""
        kind = KINDS[self.kind]
        return {"style": kind.style, "content": kind.content, "artefacts": kind.artefacts}[question]


def make_cases(subject: Subject, seed: int = 0) -> Iterator[Case]:
    """Yield every case of a pair that needs no network, with the series.

    Args:
        subject: the pair; sides from 32 px.
        seed: of noise and of the draws of patches.
    """
    content, style = subject.content, subject.style
    patch_px = max(9, round(PATCH_SHARE * max(content.shape[-2:])))
    good = quilt(style, content, patch_px=patch_px, seed=seed)
    pictures = {
        "content": content,
        "recoloured": frauds.match_colours(content, style),
        "histogram": frauds.match_histograms(content, style),
        "blend_25": frauds.blend(content, style, 0.25),
        "blend_50": frauds.blend(content, style, 0.5),
        "noise": frauds.coloured_noise(style, content, seed + SHIFT),
        "noisy_content": frauds.add_noise(content, seed=seed + SHIFT),
        "scrambled": frauds.match_histograms(
            frauds.scramble_phases(frauds.stretch(style, content), seed + SHIFT), style
        ),
        "blurred": frauds.blur(content),
        "flat": frauds.flat(style, content),
        "mirrored": content.flip(3),
        "washed": frauds.wash(content, good, STROKE_SHARE),
        "other_content": frauds.stretch(subject.other_content, content),
        "other_crop": frauds.crop(subject.other_style),
        "other_style": quilt(subject.other_style, content, patch_px=patch_px, seed=seed),
        "checkered": frauds.add_checkerboard(good),
        "clipped": frauds.overexpose(good),
        "style_crop": frauds.crop(style),
        "texture": quilt(style, content, patch_px=2 * patch_px, agreement=0.0, seed=seed),
        "quilt": good,
    }
    given = {"published": subject.published, "other_published": subject.other_published}
    pictures |= {kind: picture for kind, picture in given.items() if picture is not None}
    for kind, picture in pictures.items():
        yield Case(subject.name, kind, picture, content, style)
    for share in BLENDED_SHARES:
        ends = {0.0: content, 1.0: good}  # the very tensors, which are judged once
        picture = ends[share] if share in ends else content.lerp(good, share)
        yield Case(subject.name, "quilt", picture, content, style, "dose/quilt", share)
    for kind in ("content", "quilt"):
        for series, change, factors in (
            ("exposure", frauds.change_gamma, EXPOSURES),
            ("size", frauds.resize, SIZES),
        ):
            for factor in factors:
                picture, new_content, new_style = (change(image, factor) for image in (pictures[kind], content, style))
                yield Case(subject.name, kind, picture, new_content, new_style, series, factor)
