"""Sheets of what the network saw: one of each tap's channels, one of each style tap's Gram matrices, the filters."""

import pytest
import torch

from transfer.inside import draw_inside
from transfer.painting.scene import Scene

TAPS = {"style_taps": ("relu1_1", "relu2_1=0.5"), "content_taps": ("relu3_1",)}


@pytest.mark.parametrize(
    ("mode", "columns", "grams"),
    [("transfer", 3, {"relu1_1", "relu2_1"}), ("texture", 2, {"relu1_1", "relu2_1"}), ("content", 2, set())],
)
def test_sheets_of_what_there_is(mode, columns, grams, backbone, content, style, settings):
    scene = Scene(None if mode == "texture" else content, None if mode == "content" else style)
    sheets = dict(draw_inside(backbone, scene, torch.rand(1, 3, 40, 48), settings(mode, **TAPS)))
    assert {tag.rpartition("/")[2] for tag in sheets if tag.startswith("image/inside/gram/")} == grams
    features = {tag: sheet for tag, sheet in sheets.items() if tag.startswith("image/inside/features/")}
    assert {tag.rpartition("/")[2] for tag in features} == {"relu1_1", "relu2_1", "relu3_1"}
    assert all(sheet.width > (columns - 1) * sheet.height / 2 for sheet in features.values())
    assert "image/inside/filters" in sheets
