"""What is imported only when it is needed: each of these takes from half a second to three."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from nstkit.errors import run_command
from transfer.__main__ import main

sys.argv = ["transfer", *sys.argv[1:]]
try:
    run_command(main)
except SystemExit:
    pass
heavy = ("torch", "torchvision", "torchmetrics", "timm", "sklearn", "scipy.stats", "torch._dynamo")
print("imported:", *(name for name in heavy if name in sys.modules))
"""


def imported(*words: str, cwd) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, cwd=cwd, timeout=120)
    return done.stdout.rpartition("imported:")[2].strip(), done.stderr


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--content", "nowhere.jpg"), "no such picture"),
        (("--backbone", "nowhere.pt"), "nowhere.pt"),
        (("--size", "20000", "--device", "cpu"), "20000 px with any network takes at least"),
        (("--out", "result.xyz"), "unknown picture format"),
    ],
)
def test_mistakes_are_answered_before_torch_is_imported(words, answer, tmp_path):
    modules, errors = imported(*words, cwd=tmp_path)
    assert answer in errors
    assert modules == ""


def test_a_painting_with_the_carried_network_imports_no_library_that_it_does_not_need(tmp_path):
    assert imported("--size", "64", "--steps", "1", "--quiet", cwd=tmp_path)[0] == "torch"
