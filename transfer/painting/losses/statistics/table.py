"""The table of statistics: what `--statistic` compares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from transfer.painting.losses.functions import squared_distance
from transfer.painting.losses.statistics.covariance import (
    closed_covariance,
    covariance_and_mean,
    covariance_distance,
    opened_covariance,
)
from transfer.painting.losses.statistics.gram import gram_matrix
from transfer.painting.losses.statistics.histogram import channel_quantiles
from transfer.painting.losses.statistics.mean_std import closed_mean_and_std, mean_and_std, opened_mean_and_std
from transfer.painting.losses.statistics.nearest_neighbours import hypercolumns, neighbour_distance
from transfer.painting.losses.statistics.sliced_wasserstein import sliced_quantiles
from transfer.painting.settings import Statistic as Name

Summary = Callable[[Sequence[Tensor], Sequence[float], Tensor | None], Tensor]


def as_it_is(summary: Tensor) -> Tensor:
    """Return a summary as it is, which for a Gram matrix is a mean over positions already."""
    return summary


@dataclass(frozen=True)
class Statistic:
    """What is kept of features that forgets where things are, and how far two such are apart.

    Attributes:
        summary: from the features of each layer, (1, C, H, W), what each layer counts, and the weights of positions.
        distance: of the summary of the canvas from that of the style; times c^2 under F -> cF, or the same.
        joins_taps: one summary is made of all layers together; otherwise each layer has its own.
        mixes: between two styles lies the mean of their summaries; otherwise the mean of the distances is taken.
        opened: of a summary, a form whose mean over the parts of a picture is that of the whole, where there is one.
        closed: the summary of that form.
    """

    summary: Summary
    distance: Callable[[Tensor, Tensor], Tensor] = squared_distance
    joins_taps: bool = False
    mixes: bool = True
    opened: Callable[[Tensor], Tensor] = as_it_is
    closed: Callable[[Tensor], Tensor] = as_it_is


def of_one_layer(function: Callable[[Tensor, Tensor | None], Tensor]) -> Summary:
    """Return a function of one layer's features in the form of one of several layers."""
    return lambda features, strengths, weights: function(features[0], weights)


STATISTICS: dict[Name, Statistic] = {
    "gram": Statistic(of_one_layer(gram_matrix)),
    "covariance": Statistic(
        of_one_layer(covariance_and_mean), covariance_distance, opened=opened_covariance, closed=closed_covariance
    ),
    "mean-std": Statistic(of_one_layer(mean_and_std), opened=opened_mean_and_std, closed=closed_mean_and_std),
    "histogram": Statistic(of_one_layer(channel_quantiles)),
    "sliced-wasserstein": Statistic(of_one_layer(sliced_quantiles)),
    "nearest-neighbours": Statistic(hypercolumns, neighbour_distance, joins_taps=True, mixes=False),
}
