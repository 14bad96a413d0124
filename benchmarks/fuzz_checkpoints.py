"""Checkpoints and weights, damaged at random or made to hold anything, before the loader: each loads or is one line.

    OMP_NUM_THREADS=1 uv run python benchmarks/fuzz_checkpoints.py 600

A case is a checkpoint of ours, an exported folder or weights of another program, as a zip of torch's, in its old format
or as safetensors. Either its bytes are damaged, or parts of the archive change places, or values in it are replaced by
others, of any kind, and it is written whole again. A process of its own with 8 GiB of address space describes and loads
it; what is neither loaded nor a `UserError` is a traceback, what outlasts the limit a hang.

torch 2.15, 600 s on one core of an AMD EPYC, seed 0: 70,658 cases, of which 15,624 were read and 55,034 refused; no
traceback, no hang, at most 373 MiB and 0.14 s.
"""

import argparse
import contextlib
import copy
import io
import json
import random
import resource
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from fuzzing import damage, print_findings
from safetensors.torch import save

from nstkit.backbones.normalisation import IMAGENET
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.vgg import VGG
from nstkit.backbones.weights import load_file
from nstkit.checkpoint import FORMAT, VERSION, is_plain
from nstkit.export import export
from nstkit.info import describe

LIMIT_BYTES = 8 * 2**30


def narrow_network() -> VGG:
    """Return the network that all cases are of."""
    return VGG("vgg11", norm="none", width=0.0625, classes=3)


def whole_checkpoint() -> dict[str, Any]:
    """Return what a checkpoint of the network holds."""
    torch.manual_seed(0)
    network = narrow_network()
    return {
        "format": FORMAT,
        "version": VERSION,
        "arch": network.arguments,
        "classes": ["a", "b", "c"],
        "input": {"size_px": 32, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]},
        "taps": {"style": ["relu1_1"], "content": ["conv3_1"]},
        "model": network.state_dict(),
        "quality": {"extractor/top1": 0.5},
        "config": {"arch": "vgg11", "dataset": "patterns", "lr": 0.1, "sizes": [1, 2], "note": None},
        "defaults": {"lr": 0.2},
        "history": [{"epoch": 1, "step": 3, "lr": 0.1, "val/top1": 0.5}],
        "environment": {"torch": "2", "device": "cpu"},
        "training": {"step": 3, "model": {"w": torch.ones(2)}},
    }


def odd_values(rng: random.Random) -> Any:
    """Return a value that no field is made for."""
    deep: Any = []
    for _ in range(rng.choice((3, 5000))):
        deep = [deep]
    shared: Any = [0]
    for _ in range(50):  # 2^50 values, were each reference followed
        shared = [shared, shared]
    tensors = (
        torch.ones(()),
        torch.ones(0),
        torch.ones(3),
        torch.full((3,), float("nan")),
        torch.zeros(1).expand(7 * 10**9),
        torch.ones(3) * 1j,
        torch.ones(3, dtype=torch.bool),
        torch.ones(3, dtype=torch.int8),
        torch.eye(3).to_sparse(),
        torch.empty(10**9, device="meta"),
        torch.ones(3, requires_grad=True),
    )
    numbers = (None, True, -1, 0, 1, 10**6, 10**12, 10**30, 10**500, 0.0, -0.5, 1e30, float("nan"), float("inf"))
    texts = ("", "x", "x" * 5000, "\x1b[2J\n\x07", "\u202e", "\udc80", "vgg19", "../../x", b"bytes", "timm", "factory")
    others: tuple[Any, ...] = ([], {}, (), {1, 2}, {1: 2}, [[]], deep, shared, argparse.Namespace(a=1))
    return rng.choice(rng.choice((tensors, numbers, texts, others)))


def replace_values(content: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a copy with one to three values replaced, taken out, put elsewhere or under another name."""
    content = copy.copy(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder: Any = content
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = rng.choice(keys)
            inner = holder[key]
            if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.3:
                break
            holder[key] = copy.copy(inner)
            holder = holder[key]
        kind = rng.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[rng.choice((7, "", "x", "\x1b[31m", ("a",), "module.x", "features.0.weight"))] = inner
        elif kind == 2:
            holder[key] = [inner, inner]
        else:
            holder[key] = odd_values(rng)
        if not content:
            break
    return content


def mix_archive(whole: bytes, rng: random.Random) -> bytes:
    """Return an archive some of whose parts have changed places, are gone, doubled, compressed, or damaged."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(file, "w") as target:
        parts = [(entry.filename, source.read(entry)) for entry in source.infolist()]
        for _ in range(rng.choice((1, 2, 4))):
            a, b = rng.randrange(len(parts)), rng.randrange(len(parts))
            kind = rng.randrange(5)
            if kind == 0:
                parts[a], parts[b] = (parts[a][0], parts[b][1]), (parts[b][0], parts[a][1])
            elif kind == 1:
                parts.append(parts[a])
            elif kind == 2 and len(parts) > 1:
                del parts[a]
            else:
                a = next((k for k, (name, _) in enumerate(parts) if name.endswith("data.pkl")), a)
                parts[a] = (parts[a][0], damage(parts[a][1], parts[b][1] or b"x", rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # doubled names
            for name, data in parts:
                target.writestr(name, data, zipfile.ZIP_DEFLATED if rng.random() < 0.05 else zipfile.ZIP_STORED)
    return file.getvalue()


def saved(content: Any, *, is_zip: bool = True) -> bytes:
    """Return what `torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()


class Cases:
    """Makes cases: whole contents, and their damages."""

    def __init__(self, folder: Path) -> None:
        self._own = whole_checkpoint()
        weights = self._own["model"]
        self._foreign: list[dict[str, Any]] = [
            {"state_dict": {f"module.{name}": value for name, value in weights.items()}, "epoch": 3},
            dict(weights),
            {"net": weights, "ema": {"shadow": weights}, "args": argparse.Namespace(lr=1)},
        ]
        export(self._own, folder / "whole", half=False)
        self._exported = folder / "whole"

    def write(self, path: Path, rng: random.Random) -> Path:
        """Write a case, a file or a folder whose name begins with its kind."""
        kind = rng.choice(("own", "own", "foreign", "foreign", "tensors", "folder"))
        if kind == "folder":
            return self._write_folder(path / "folder", rng)
        if kind == "tensors":
            file = path / "foreign.safetensors"
            file.write_bytes(damage(save(dict(self._own["model"])), saved(self._own), rng))
            return file
        file, content = path / f"{kind}.pt", self._own if kind == "own" else rng.choice(self._foreign)
        if rng.random() < 0.5:
            with contextlib.suppress(Exception):  # a few values cannot be written
                file.write_bytes(saved(replace_values(content, rng), is_zip=rng.random() < 0.8))
                return file
        is_zip = rng.random() < 0.7
        whole = saved(content, is_zip=is_zip)
        is_mixed = is_zip and rng.random() < 0.6
        file.write_bytes(mix_archive(whole, rng) if is_mixed else damage(whole, saved(self._foreign[0]), rng))
        return file

    def _write_folder(self, folder: Path, rng: random.Random) -> Path:
        shutil.copytree(self._exported, folder)
        config, weights = folder / "config.json", folder / "model.safetensors"
        if rng.random() < 0.3:
            weights.write_bytes(damage(weights.read_bytes(), config.read_bytes(), rng))
        elif rng.random() < 0.5:
            config.write_bytes(damage(config.read_bytes(), weights.read_bytes(), rng))
        else:
            described = json.loads(config.read_text())
            described["nstkit"] = replace_values(described["nstkit"], rng)
            if is_plain(described):  # JSON has no others, and would follow a reference for ever
                config.write_text(json.dumps(described))
        return folder


def read_as_a_command(path: Path) -> None:
    """Describe a case and load it, both as the commands do; the loader is asked even where the first has refused."""
    with contextlib.ExitStack() as stack:
        stack.callback(_load, path)
        describe(path)


def _load(path: Path) -> None:
    if path.name.startswith("foreign"):
        load_file(narrow_network(), path, IMAGENET)
    else:
        backbone = load_backbone(str(path))
        backbone.features(torch.zeros(1, 3, 64, 64), backbone.style_taps)


def read_limited(path: Path) -> None:
    """Read a case as `read_as_a_command` does, in a process of limited address space."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, hard))
    read_as_a_command(path)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as wholes:
        print_findings(Cases(Path(wholes)).write, read_limited)
