"""The table of statistics: what `--statistic` compares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from transfer.painting.losses.functions import squared_distance
from transfer.painting.losses.statistics.covariance import covariance_matrix
from transfer.painting.losses.statistics.gram import gram_matrix
from transfer.painting.losses.statistics.histogram import channel_quantiles
from transfer.painting.losses.statistics.mean_std import mean_and_std
from transfer.painting.losses.statistics.nearest_neighbours import hypercolumns, neighbour_distance
from transfer.painting.losses.statistics.sliced_wasserstein import sliced_quantiles
from transfer.painting.settings import Statistic as Name

Summary = Callable[[Sequence[Tensor], Sequence[float], Tensor | None], Tensor]


@dataclass(frozen=True)
class Statistic:
    """What is kept of features that forgets where things are, and how far two such are apart.

    Attributes:
        summary: from the features of each layer, (1, C, H, W), what each layer counts, and the weights of positions.
        distance: of the summary of the canvas from that of the style; times c^2 under F -> cF, or the same.
        joins_taps: one summary is made of all layers together; otherwise each layer has its own.
        mixes: between two styles lies the mean of their summaries; otherwise the mean of the distances is taken.
    """

    summary: Summary
    distance: Callable[[Tensor, Tensor], Tensor] = squared_distance
    joins_taps: bool = False
    mixes: bool = True


def of_one_layer(function: Callable[[Tensor, Tensor | None], Tensor]) -> Summary:
    """Return a function of one layer's features in the form of one of several layers."""
    return lambda features, strengths, weights: function(features[0], weights)


STATISTICS: dict[Name, Statistic] = {
    "gram": Statistic(of_one_layer(gram_matrix)),
    "covariance": Statistic(of_one_layer(covariance_matrix)),
    "mean-std": Statistic(of_one_layer(mean_and_std)),
    "histogram": Statistic(of_one_layer(channel_quantiles)),
    "sliced-wasserstein": Statistic(of_one_layer(sliced_quantiles)),
    "nearest-neighbours": Statistic(hypercolumns, neighbour_distance, joins_taps=True, mixes=False),
}
