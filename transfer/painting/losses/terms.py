"""The list of the terms that a loss is the sum of. A new one is a file beside this one and an entry here."""

from nstkit.backbones.backbone import Backbone
from nstkit.settings import known
from transfer.painting.losses.content_term import ContentTerm
from transfer.painting.losses.conventions import CONVENTIONS
from transfer.painting.losses.parts import Term
from transfer.painting.losses.statistics.table import STATISTICS
from transfer.painting.losses.style_term import StyleTerm
from transfer.painting.losses.variation_term import VariationTerm
from transfer.painting.regions import WHOLE
from transfer.painting.scene import Scene
from transfer.painting.settings import LossSettings, split_weights


def build_terms(settings: LossSettings, scene: Scene, backbone: Backbone) -> list[Term]:
    """Return the terms of a scene, not yet prepared. A picture that is not there has a term without taps.

    Args:
        settings: resolved.
        scene: tells which pictures there are.
        backbone: whose default taps hold where the settings name none.
    """
    convention = CONVENTIONS[settings.loss]
    style_taps = split_weights(settings.style_taps or backbone.style_taps, "--style-taps")
    content_taps = split_weights(settings.content_taps or backbone.content_taps, "--content-taps")
    terms: list[Term] = [
        StyleTerm(
            known(settings.style_weight),
            {} if scene.style is None else style_taps,
            convention,
            STATISTICS[settings.statistic],
            scene.shares,
            scene.regions or (WHOLE,),
        ),
        ContentTerm(known(settings.content_weight), {} if scene.content is None else content_taps, convention),
    ]
    if settings.tv_weight:
        terms.append(VariationTerm(settings.tv_weight, convention))
    return terms
