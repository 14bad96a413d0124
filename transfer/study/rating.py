"""Pictures rated by people, blind: which of three crops is by another hand, and which of two pictures is the better.

votes.csv in the folder of the study has a row a vote. A hit is an odd crop that was found, which is by chance one in
three; a network that is hit less paints more like the hand.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from PIL import Image
from scipy.optimize import minimize
from scipy.stats import spearmanr
from statsmodels.stats.proportion import proportion_confint

from nstkit.files import write_csv

Kind = Literal["odd", "pair"]
CROP_SHARE = 0.5  # of the shorter side of a picture
VOTES = "votes.csv"
PRIOR = 0.5  # precision of the strengths' prior: a network that won all of its few votes is not infinitely strong


@dataclass(frozen=True)
class Picture:
    """A picture that is rated.

    Attributes:
        network: that painted it.
        pair: content and style.
        path: of the file.
    """

    network: str
    pair: tuple[str, str]
    path: Path


@dataclass(frozen=True)
class Trial:
    """A question that is asked of a person.

    Attributes:
        kind: odd = three crops, two of the painting and one of a picture; pair = two pictures of one pair.
        first: the picture that is odd, or one of the two.
        second: the other of the two.
        place: at which the first one is shown, from 0.
        corners: of the crops, each (left, top) as shares of the room that there is.
    """

    kind: Kind
    first: Picture
    second: Picture | None
    place: int
    corners: tuple[tuple[float, float], ...]


def draw_trial(pictures: Sequence[Picture], random: np.random.Generator) -> Trial:
    """Return a trial at random; two pictures of a pair are asked about where there are two."""
    first = pictures[int(random.integers(len(pictures)))]
    rivals = [other for other in pictures if other.pair == first.pair and other.network != first.network]
    corners = tuple((float(x), float(y)) for x, y in random.random((3, 2)))
    if rivals and random.random() < 0.5:
        return Trial("pair", first, rivals[int(random.integers(len(rivals)))], int(random.integers(2)), corners)
    return Trial("odd", first, None, int(random.integers(3)), corners)


def crop(picture: Image.Image, corner: tuple[float, float]) -> Image.Image:
    """Return a square crop of half of the shorter side; `corner` is where, as shares of the room that there is."""
    side = max(1, round(CROP_SHARE * min(picture.size)))
    left, top = (round(share * (size - side)) for share, size in zip(corner, picture.size, strict=True))
    return picture.crop((left, top, left + side, top + side))


def keep_vote(folder: Path, trial: Trial, choice: int, time: str) -> None:
    """Add a vote to votes.csv; `choice` is the place that was chosen."""
    path = folder / VOTES
    row = {
        "time": time,
        "kind": trial.kind,
        "content": trial.first.pair[0],
        "style": trial.first.pair[1],
        "first": trial.first.network,
        "second": "" if trial.second is None else trial.second.network,
        "is_first": int(choice == trial.place),
    }
    write_csv(path, [*read_votes(folder), row])


def read_votes(folder: Path) -> list[dict[str, Any]]:
    """Return the votes of a study, none where nobody has voted."""
    path = folder / VOTES
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def hit_rates(votes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float, float, int]]:
    """Return of each network how often its crop was found, the Wilson interval of 95 %, and of how many votes.

    Example:
        >>> votes = [{"kind": "odd", "first": "a", "is_first": found} for found in "1110"]
        >>> [round(value, 2) for value in hit_rates(votes)["a"]]
        [0.75, 0.3, 0.95, 4]
    """
    found: dict[str, list[int]] = {}
    for vote in votes:
        if vote["kind"] == "odd":
            found.setdefault(vote["first"], []).append(int(vote["is_first"]))
    rates = {}
    for network, hits in found.items():
        low, high = proportion_confint(sum(hits), len(hits), method="wilson")
        rates[network] = (sum(hits) / len(hits), float(low), float(high), len(hits))
    return rates


def strengths(votes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Return of each network its strength by the Bradley-Terry model, the mean being 0, and its error.

    A network wins against another with the probability 1 / (1 + exp(its rival's strength - its own)).

    Source: Bradley and Terry 1952, Rank analysis of incomplete block designs.
    Differs: a normal prior of variance 2 keeps the strengths finite where one has won every vote.
    """
    pairs = [vote for vote in votes if vote["kind"] == "pair"]
    names = sorted({vote[side] for vote in pairs for side in ("first", "second")})
    if not names:
        return {}
    places = {name: place for place, name in enumerate(names)}
    signs = np.zeros((len(pairs), len(names)))
    for row, vote in zip(signs, pairs, strict=True):
        row[places[vote["first"]]], row[places[vote["second"]]] = 1.0, -1.0
        if not int(vote["is_first"]):
            row *= -1

    def loss(values: Float[np.ndarray, " n"]) -> float:
        return float(np.logaddexp(0, -signs @ values).sum() + 0.5 * PRIOR * values @ values)

    def gradient(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return -signs.T @ (1 / (1 + np.exp(signs @ values))) + PRIOR * values

    best = minimize(loss, np.zeros(len(names)), jac=gradient, method="BFGS").x
    wins = 1 / (1 + np.exp(-signs @ best))
    curvature = (signs * (wins * (1 - wins))[:, None]).T @ signs + PRIOR * np.eye(len(names))
    centring = np.eye(len(names)) - 1 / len(names)  # nothing is known of the level that all share
    errors = np.sqrt(np.diag(centring @ np.linalg.inv(curvature) @ centring))
    return {name: (float(best[place] - best.mean()), float(errors[place])) for name, place in places.items()}


def agreement(rated: Mapping[str, float], judged: Mapping[str, float]) -> tuple[float, int]:
    """Return the rank correlation (Spearman) between two numbers of networks that have both, and how many these are."""
    both = [name for name in rated if math.isfinite(judged.get(name, math.nan))]
    if len(both) < 3:
        return math.nan, len(both)
    return float(spearmanr(*([values[name] for name in both] for values in (rated, judged))).statistic), len(both)
