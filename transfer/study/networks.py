"""The networks of a study by their arms, and what is known of each before it paints."""

import glob
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nstkit.backbones.spec import BackboneSpec, parse_backbone
from nstkit.errors import UserError
from nstkit.quality.twin import read_header
from nstkit.runs import MEASURE_KEYS
from transfer.jobs.job import weights_digest
from transfer.study.config import QuestionSettings

EXTRACTOR = "extractor/"


@dataclass(frozen=True)
class Network:
    """A network of a study.

    Attributes:
        spec: the network.
        arm: the group it belongs to.
        train_seed: of its training, None where that is not known.
        epoch: at which it was kept, None where that is not known.
        quality: what was measured of it, by name.
    """

    spec: BackboneSpec
    arm: str
    train_seed: int | None = None
    epoch: float | None = None
    quality: Mapping[str, float] = field(default_factory=dict)

    def columns(self, measure: str) -> dict[str, Any]:
        """Return what the rows of its pictures say of it; `measure` is the quality that is asked about."""
        names = [name for name in dict.fromkeys((measure, *MEASURE_KEYS)) if name.startswith(EXTRACTOR)]
        known = {name: self.quality[name] for name in dict.fromkeys((measure, *names)) if name in self.quality}
        return {"arm": self.arm, "train_seed": self.train_seed, "epoch": self.epoch, **known}

    @property
    def identity(self) -> dict[str, Any]:
        """What is registered of it."""
        weights = None if self.spec.path is None else weights_digest(self.spec.path)
        return {
            "network": self.spec.label,
            "arm": self.arm,
            "seed": self.train_seed,
            "epoch": self.epoch,
            "hash": weights,
        }


def list_networks(question: QuestionSettings, backbones: Sequence[str]) -> list[Network]:
    """Return the networks of every arm, or without arms those of `--backbone`.

    Raises:
        UserError: for a network or a run that is not there, an arm of none, or two networks of one label.
    """
    arms = {text.partition(":")[0].strip(): shlex.split(text.partition(":")[2]) for text in question.arm}
    measured = read_quality(question.quality_runs)
    networks = []
    for arm, words in (arms or {"networks": list(backbones)}).items():
        texts = [text for word in words for text in expanded(arm, word)]
        if not texts:
            raise UserError(f"--arm {arm}: it has no networks. Give NAME: NETWORKS, such as 'trained: a.pt b.pt'.")
        networks += [describe(parse_backbone(text), arm, measured) for text in texts]
    labels = [network.spec.label for network in networks]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise UserError(f"--arm: two networks are called {', '.join(twice[:3])} in the table. Give each once.")
    return networks


def expanded(arm: str, word: str) -> list[str]:
    """Return the files that a pattern such as runs/*/ckpt.pt names, in order; any other word as it is."""
    if not glob.has_magic(word):
        return [word]
    found = sorted(glob.glob(word, recursive=True))
    if not found:
        raise UserError(f"--arm {arm}: nothing is called {word}. Give networks that are there.")
    return found


def describe(spec: BackboneSpec, arm: str, measured: Mapping[str, Mapping[str, float]]) -> Network:
    """Return a network with what its file says of it, and what was measured of it later by its label."""
    header = read_header(spec)
    later = measured.get(spec.label, {})
    if header is None:
        return Network(spec, arm, spec.seed if spec.weights == "random" else None, None, later)
    seed, history = header["config"].get("seed"), header.get("history") or [{}]
    epoch = header.get("epoch", history[-1].get("epoch"))
    quality = {name: float(value) for name, value in header["quality"].items() if name.startswith(EXTRACTOR)}
    return Network(
        spec,
        arm,
        seed if isinstance(seed, int) else None,
        float(epoch) if isinstance(epoch, (int, float)) else None,
        {**quality, **later},
    )


def read_quality(folders: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Return what runs of `python -m nstkit.quality` have measured, by the label of the network; the newest run wins.

    Raises:
        UserError: for a folder that holds none.
    """
    measured: dict[str, dict[str, float]] = {}
    for folder in folders:
        logs = [*folder.glob("metrics.jsonl"), *folder.glob("*/metrics.jsonl")]
        if not logs:
            raise UserError(f"--quality-runs {folder}: no run of nstkit.quality there.")
        for log in sorted(logs, key=lambda path: path.stat().st_mtime):
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            (label,) = [line["settings"].get("backbone") for line in lines if "settings" in line] or (None,)
            values = {key: value for line in lines for key, value in {**line, **line.get("measures", {})}.items()}
            if label is not None:
                known = {
                    name: value for name, value in values.items() if name.startswith(EXTRACTOR) and value is not None
                }
                measured.setdefault(label, {}).update(known)
    return measured
