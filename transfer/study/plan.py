"""Which part of a study is painted: all of it, a pilot, or a smoke run that only shows that everything works."""

from collections.abc import Callable, Sequence
from typing import Any

from transfer.jobs.job import Job
from transfer.study.config import StudyConfig
from transfer.study.networks import Network

SMOKE = {"size": (96,), "steps": 5}
SMOKE_SEEDS, SMOKE_PAIRS = 2, 2
PILOT_SEEDS, PILOT_PAIRS = 3, 6


def suffix_of(config: StudyConfig) -> str:
    """Return what the name of a run ends in that is not the study itself."""
    return "-smoke" if config.run.smoke else "-pilot" if config.run.pilot else ""


def planned(config: StudyConfig, networks: Sequence[Network]) -> tuple[StudyConfig, list[Network]]:
    """Return the settings and the networks of what is painted.

    A pilot has the first and the last stage of three seeds of the first arm. A smoke run has two seeds of it, and one
    network of each other arm.
    """
    chosen = list(networks)
    if config.run.pilot:
        chosen = few_of_first_arm(chosen, PILOT_SEEDS)
    if config.run.smoke:
        first = chosen[0].arm
        others = {network.arm: network for network in reversed(chosen) if network.arm != first}
        chosen = [*few_of_first_arm(chosen, SMOKE_SEEDS), *reversed(others.values())]
    given: dict[str, Any] = {**(SMOKE if config.run.smoke else {}), "backbone": [n.spec.text for n in chosen]}
    if config.run.run_name is not None:
        given["run_name"] = config.run.run_name + suffix_of(config)
    return config.changed(**given), chosen


def few_of_first_arm(networks: Sequence[Network], seeds: int) -> list[Network]:
    """Return the first and the last stage of the first seeds of the first arm."""
    arm = [network for network in networks if network.arm == networks[0].arm]
    by_seed: dict[int | None, list[Network]] = {}
    for network in arm:
        by_seed.setdefault(network.train_seed, []).append(network)
    few = []
    for of_seed in list(by_seed.values())[:seeds]:
        ordered = sorted(of_seed, key=lambda network: network.epoch or 0.0)
        few += ordered if len(ordered) < 2 else [ordered[0], ordered[-1]]
    return few


def kept_cells(config: StudyConfig, cells: Sequence[Job]) -> list[Job]:
    """Return the cells that are painted: of a pilot and a smoke run those of the first pairs."""
    count = SMOKE_PAIRS if config.run.smoke else PILOT_PAIRS if config.run.pilot else None
    pair_of: Callable[[Job], tuple[str, str]] = lambda cell: (cell.pair.content_name, cell.pair.style_name)  # noqa: E731
    pairs = list(dict.fromkeys(map(pair_of, cells)))[:count]
    return [cell for cell in cells if pair_of(cell) in pairs]
