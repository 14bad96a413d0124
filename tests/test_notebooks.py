"""The notebooks of the documentation run, on small pictures, and what their cells end in can be drawn."""

import ast
import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
SMALL = {"SIZE": 80, "STEPS": 2}


def code_of(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    return ["".join(cell["source"]) for cell in cells]


def draw(value):
    """Return what a notebook would show of a value."""
    for name in ("_repr_html_", "_repr_png_"):
        if hasattr(value, name) and (drawn := getattr(value, name)()):
            return drawn
    return repr(value)


def test_there_are_three():
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_draws(path, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {}
    drawn = []
    for source in code_of(path):
        assert len(source.splitlines()) <= 12, "cells are short"
        for name, value in SMALL.items():
            source = re.sub(rf"^{name} = \d+", f"{name} = {value}", source, flags=re.MULTILINE)
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, path.name, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), path.name, "eval"), names)
            drawn.append(draw(value) if value is not None else capsys.readouterr().out)
    assert all(drawn)
    assert any(len(shown) > 3000 for shown in drawn)  # a picture
    if "plt" in names:
        names["plt"].close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_small_and_linked(path):
    assert path.stat().st_size < 500_000
    assert f"notebooks/{path.name}" in (path.parents[1] / "python.md").read_text()
