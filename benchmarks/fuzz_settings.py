"""Flags and settings files of all commands, made at random: each is accepted, or refused in one line.

    OMP_NUM_THREADS=1 uv run python benchmarks/fuzz_settings.py 600

A case is a command line of one of the seven commands, with flags that exist, almost exist or do not, values of every
kind that a shell, a script or an enemy may give, and sometimes a JSON or TOML file in some encoding. It is followed up
to where the work would begin: parsed, resolved, the networks, variants and runs that it names looked up. What is
neither accepted nor one line is a traceback or several lines; what takes longer than the limit is a hang.

600 s on one core of an AMD EPYC, seed 0: 331,125 cases, of which 68,180 were accepted and 262,945 refused; no
traceback, no hang, never several lines, at most 550 MiB.
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from nstkit.annotations import is_list, plain_of
from nstkit.backbones.spec import parse_backbone
from nstkit.backbones.swap import parse_swap
from nstkit.config import parse, settings_of
from nstkit.errors import run_command
from nstkit.export import ExportConfig, check_target
from nstkit.info import InfoConfig
from nstkit.presets import Presets
from nstkit.quality.config import QualityConfig
from nstkit.settings import Settings, flag_of, leaves_of
from train_backbone.config import TrainConfig
from train_backbone.presets import PRESETS as TRAINING_PRESETS
from train_backbone.resume import find_finished, find_resumable
from transfer.claims.config import ClaimsConfig
from transfer.config import TransferConfig
from transfer.judges.config import JudgesConfig
from transfer.presets import PRESETS as PAINTING_PRESETS
from transfer.resume import find_runs
from transfer.study.config import StudyConfig

LIMIT_S = 5
KEPT = 20  # so many cases that failed are kept
NUMBERS = """
    0 1 2 3 7 32 64 512 1000 -1 -0 0.5 1e-3 1e3 1e400 -1e400 1e-400 nan -nan inf -inf Infinity NaN 0x10 1_000 1,5 1e20
    1/2 1. .5 +4 --4 1e e1 0b1 True 1j -99999999999999999999 99999999999999999999
"""
TEXTS = """
    - -- --- = a=b None none null true auto noise grey content file folder gone . .. / ~ ~/x.pt ~nobody/x file/x.pt loop
    /proc/self/mem /dev/null folder/locked/x * ? [ { %s {0} $HOME `ls` ' " \\ a\\ : a: :b os:getcwd no.such:thing vgg19
    carried vgg19@random vgg19@random:3 vgg19@random:999999999999999999999999 vgg19@ @ @@ vgg19@~/x.pth hf-hub:x
    local-dir:~ relu1_1 relu1_1=2 relu1_1=nan relu1_1=1e999 =2 relu1_1.. ..@x relu1_1@random a..b@random:999999999999999
    x: x:--help x:--lr x:--size=3 x:--no-such x:' :--lr=1 x:--style-taps=relu1_1=nan x:--steps=99999999999999999999999
"""
ODD_NUMBERS = ("9" * 5000, "1 2", " 3 ", "\u0663", "\u00bd")
ODD_TEXTS = (
    *("", " ", "a b", "\n", "a\nb", "\t", "\x1b[2J", "\r", "\u202e", "\ud800", "\udcff.png", "\u00e9", "\U0001f4a5"),
    *("\u4f60\u597d" * 90, "e\u0301", "a" * 300, "d/" * 3000, "x: --lr 1", "x: --lr", "x: '", "x: --no-such 3"),
)
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "cp037")


def check_training(config: TrainConfig) -> None:
    """Resolve a training and find the run that it would continue."""
    config.resolved(10, 64)
    find_finished(config)
    find_resumable(config)


def check_painting(config: TransferConfig) -> None:
    """Resolve a painting and look its networks up, and the runs that it continues."""
    config.resolved(4)
    specs = [parse_backbone(text) for text in config.network.backbone]
    find_runs(config, specs, [config.run.run_name] * len(specs))
    for text in config.judging.judge:
        parse_backbone(text)
    for text in config.network.swap:
        parse_swap(text)


def check_study(config: StudyConfig) -> None:
    """Look a study's variants and networks up."""
    for variant in config.grid.variants(config.run).values():
        variant.resolved()
    for text in config.grid.backbone:
        parse_backbone(text)


def check_networks(config: QualityConfig) -> None:
    """Look the networks up."""
    for text in config.extractor.backbone:
        parse_backbone(text)


COMMANDS: dict[type[Settings], Callable[[Any], object]] = {
    TrainConfig: check_training,
    TransferConfig: check_painting,
    StudyConfig: check_study,
    ClaimsConfig: lambda config: parse_backbone(config.claims.own),
    QualityConfig: check_networks,
    JudgesConfig: lambda config: [parse_backbone(text) for text in (*config.judged.judge, *config.validation.painter)],
    InfoConfig: lambda config: config.file.exists(),
    ExportConfig: lambda config: check_target(config.to),
}
PRESETS: dict[type[Settings], Presets] = {TrainConfig: TRAINING_PRESETS, TransferConfig: PAINTING_PRESETS}


class Cases:
    """Command lines at random, whose files lie in the working folder."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def line(self) -> tuple[type[Settings], list[str]]:
        """Return a command and the words behind it."""
        rng = self._rng
        cls = rng.choice(list(COMMANDS))
        words: list[str] = []
        if cls in (InfoConfig, ExportConfig, JudgesConfig) and rng.random() < 0.7:
            words.append(self._text())
        for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 5, 9))):
            words += self._flag(cls)
        if cls is not InfoConfig and rng.random() < 0.3:
            words += ["--config", self._file(cls)]
        if rng.random() < 0.05:
            rng.shuffle(words)
        return cls, words

    def _flag(self, cls: type[Settings]) -> list[str]:
        rng = self._rng
        name, hint = rng.choice(list(leaves_of(cls).items()))
        flag = flag_of(name)
        if rng.random() < 0.1:
            flag = self._damaged(flag)
        if plain_of(hint) is bool and rng.random() < 0.9:
            return [flag if rng.random() < 0.7 else flag.replace("--", "--no-", 1)]
        count = rng.choice((0, 1, 1, 2, 3)) if is_list(hint) or rng.random() < 0.05 else 1
        values = [self._value(hint) for _ in range(count)]
        if values and rng.random() < 0.3:
            return [f"{flag}={values[0]}", *values[1:]]
        return [flag, *values]

    def _damaged(self, flag: str) -> str:
        rng = self._rng
        place = rng.randrange(len(flag))
        return rng.choice(
            (flag[:place] + flag[place + 1 :], flag[:place] + rng.choice("x-_= é\n") + flag[place:], flag[1:])
        )

    def _value(self, hint: Any) -> str:
        """Return a word, more often than not one of the kind that the setting wants."""
        rng, kind = self._rng, plain_of(hint)
        if rng.random() < 0.25:
            return self._text()
        if kind in (int, float):
            return rng.choice((*NUMBERS.split(), *ODD_NUMBERS))
        choices = getattr(kind, "__args__", ())
        return str(rng.choice(choices)) if choices else self._text()

    def _text(self) -> str:
        rng = self._rng
        texts = (*TEXTS.split(), *ODD_TEXTS, *NUMBERS.split()[:20])
        text = rng.choice(texts)
        return text + rng.choice(texts) if rng.random() < 0.1 else text

    def _file(self, cls: type[Settings]) -> str:
        """Write a file of settings and return its name."""
        rng = self._rng
        if rng.random() < 0.1:
            return self._text()
        leaves = leaves_of(cls)
        settings: dict[str, Any] = {}
        for _ in range(rng.choice((0, 1, 2, 4))):
            name = rng.choice(list(leaves))
            name = self._damaged(name) if rng.random() < 0.1 else name
            settings[name] = self._plain(leaves.get(name, str))
        if rng.random() < 0.2:
            settings = {**self._defaults(cls), **settings}
        if rng.random() < 0.2:
            settings = {rng.choice(("pictures", "losses", "recipe", "run", "grid", "x")): settings}
        is_toml = rng.random() < 0.4
        text = as_toml(settings) if is_toml else json.dumps(settings, ensure_ascii=rng.random() < 0.5)
        text = text.replace("\n", "\r\n") if rng.random() < 0.3 else text
        raw = bytearray(text.encode(rng.choice(ENCODINGS), "replace"))
        for _ in range(rng.choice((0, 0, 0, 1, 5)) if raw else 0):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        if rng.random() < 0.02:
            raw = bytearray(rng.choice((b"[", b'{"a":', b"a=[")) * 100_000)
        name = f"settings.{rng.choice(('toml', 'TOML') if is_toml else ('json', 'txt', 'JSON'))}"
        Path(name).write_bytes(raw)
        return name

    def _defaults(self, cls: type[Settings]) -> dict[str, Any]:
        with contextlib.suppress(Exception):  # of a command that does nothing by default
            return settings_of(cls())
        return {}

    def _plain(self, hint: Any) -> Any:
        """Return a value of a file."""
        rng = self._rng
        odd = (
            None,
            True,
            0,
            -1,
            0.5,
            float("nan"),
            float("inf"),
            10**30,
            [],
            {},
            [[1]],
            {"a": 1},
            [None],
            "\0",
            "a\0b",
        )
        if rng.random() < 0.4:
            return rng.choice(odd)
        value: Any = self._value(hint)
        with contextlib.suppress(ValueError):
            value = json.loads(value)
        return [value, self._text()][: rng.choice((1, 2))] if is_list(hint) else value


def as_toml(settings: dict[str, Any]) -> str:
    """Return settings as TOML, as far as it goes: JSON's plain values are TOML's too."""
    lines = [
        f"{json.dumps(name)} = {json.dumps(value)}" for name, value in settings.items() if not isinstance(value, dict)
    ]
    for name, value in settings.items():
        if isinstance(value, dict):
            lines += [
                f"[{json.dumps(name)}]",
                *(f"{json.dumps(key)} = {json.dumps(item)}" for key, item in value.items()),
            ]
    return "\n".join(lines)


class Hang(BaseException):
    """The limit is over."""


def try_case(cls: type[Settings], words: list[str]) -> tuple[str, str]:
    """Return what became of a command line, and what is to be said of it.

    Returns:
        (`accepted`, `refused`, `several lines`, `traceback` or `hang`; the message).
    """

    def work() -> None:
        COMMANDS[cls](parse(cls, "command", words, presets=PRESETS.get(cls)))

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang

    screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", newline="\n")
    before, argv = signal.signal(signal.SIGALRM, ring), sys.argv
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    sys.argv = ["command"]
    code: object = 0
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(screen):
            run_command(work)
    except SystemExit as end:
        code = end.code
    except Hang:
        return "hang", ""
    except BaseException:
        return "traceback", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.argv = argv
    screen.seek(0)
    lines = screen.read().split("\n")
    errors = [line for line in lines if line and not line.startswith("warning: ")]
    if code == 0:
        return ("several lines" if errors else "accepted"), "\n".join(lines)
    is_one_line = code == 2 and len(errors) == 1 and errors[0].startswith("error: ") and len(errors[0]) < 5000
    return ("refused" if is_one_line else "several lines"), "\n".join(lines)


def prepare_folder(folder: Path) -> None:
    """Make what some of the texts name: a file, a folder, a loop of links."""
    (folder / "file").write_text("x")
    (folder / "folder").mkdir()
    (folder / "folder" / "locked").mkdir(mode=0)
    (folder / "loop").symlink_to("loop")


def fuzz(seconds: float = 600, seed: int = 0, cases: int | None = None) -> dict[str, Any]:
    """Return what became of the cases that were tried.

    Args:
        seconds: how long.
        seed: of the cases.
        cases: at most so many.
    """
    rng, started, counts, kept = random.Random(seed), time.monotonic(), dict.fromkeys(OUTCOMES, 0), []
    memory_kib, here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        prepare_folder(Path(folder))
        os.chdir(folder)
        try:
            maker, number = Cases(rng), 0
            while time.monotonic() - started < seconds and (cases is None or number < cases):
                cls, words = maker.line()
                outcome, said = try_case(cls, words)
                counts[outcome] += 1
                number += 1
                if outcome not in ("accepted", "refused") and len(kept) < KEPT:
                    kept.append(
                        {
                            "command": cls.__name__,
                            "words": shlex.join(words)[:500],
                            "is": outcome,
                            "said": said[-800:],
                        }
                    )
        finally:
            os.chdir(here)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "cases": number,
        **counts,
        "time_s": round(time.monotonic() - started, 1),
        "peak_mib": peak_kib // 1024,
        "grown_mib": (peak_kib - memory_kib) // 1024,
        "kept": kept,
    }


OUTCOMES = ("accepted", "refused", "several lines", "traceback", "hang")


def main() -> None:
    """Fuzz and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=600)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(fuzz(given.seconds, given.seed), indent=1))


if __name__ == "__main__":
    main()
