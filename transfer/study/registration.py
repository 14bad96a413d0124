"""What is asked, written down with its hash and time before the first picture, and fixed once there are results."""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nstkit import __version__
from nstkit.config import as_plain
from nstkit.errors import UserError
from nstkit.files import write_text
from transfer.jobs.job import Job
from transfer.study.config import StudyConfig
from transfer.study.networks import Network

NAME = "registration.json"
TEST = (
    "a slope a training seed of the first arm: outcome at the level of matched_by over quality, 0 = mean of the first "
    "stage, 1 = best network; t test over seeds, two-sided; equivalence by two one-sided tests within the margin"
)
RULE = (
    "where less than 90 % of the networks of the first arm reach the level: the nearest in steps of 0.05 that 90 % do"
)


def registered(config: StudyConfig, networks: Sequence[Network], cells: Sequence[Job]) -> dict[str, Any]:
    """Return the registered part of a study: what the answer depends on, and nothing else."""
    question, grid = config.question, config.grid
    return {
        "outcome": question.outcome,
        "matched_by": question.matched_by,
        "level": question.level,
        "level_rule": RULE,
        "quality": question.quality,
        "test": TEST,
        "margin": question.margin,
        "alpha": question.alpha,
        "judge": as_plain(config.judging.judge),
        "networks": [network.identity for network in networks],
        "pairs": [
            list(pair) for pair in dict.fromkeys((cell.pair.content_name, cell.pair.style_name) for cell in cells)
        ],
        "sizes": list(grid.size),
        "style_weights": list(grid.style_weight),
        "variants": list(grid.variant),
        "steps": grid.steps,
        "version": __version__,
    }


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the registered part, as JSON with sorted keys and no blanks."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_registration(folder: Path, content: Mapping[str, Any]) -> None:
    """Raise `UserError` where something else was registered in a study's folder and there are results already."""
    earlier = read_registration(folder)
    if earlier is None or digest_of(earlier["registered"]) == digest_of(content) or not has_results(folder):
        return
    before = earlier["registered"]
    changed = [name for name in content if before.get(name) != content[name]]
    raise UserError(
        f"{folder / NAME}: {', '.join(changed)} registered otherwise on {earlier['time']}, and there are results. Ask "
        f"as it was registered, or anew under another --run-name."
    )


def register(folder: Path, content: Mapping[str, Any]) -> str:
    """Write the registered part with its hash and the time, unless it stands there; return the hash.

    Raises:
        UserError: see `check_registration`.
    """
    check_registration(folder, content)
    digest, earlier = digest_of(content), read_registration(folder)
    if earlier is None or earlier["sha256"] != digest:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        text = json.dumps({"registered": content, "sha256": digest, "time": now}, indent=2)
        write_text(folder / NAME, text)
    return digest


def read_registration(folder: Path) -> dict[str, Any] | None:
    """Return what was registered, None where nothing was; raise `UserError` where the file is not as it was written."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        is_whole = content["sha256"] == digest_of(content["registered"]) and isinstance(content["time"], str)
    except (ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise UserError(f"{path}: changed since it was written. Restore it, or begin anew under another --run-name.")
    return content


def has_results(folder: Path) -> bool:
    """Return whether any cell of a study is finished."""
    return (folder / "results.csv").is_file() or any((folder / "cells").glob("*.png"))
