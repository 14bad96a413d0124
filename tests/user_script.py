"""What a user writes with both packages. mypy reads it beside them (pyproject.toml); nothing here is run."""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import nstkit
from nstkit.sample import sample_content, sample_style
from train_backbone.config import TrainConfig
from transfer import Result, gram_matrix, judge, stylize
from transfer.painting.loop import Step


def paint(network: nn.Module) -> Image.Image:
    backbone = nstkit.load_backbone(network, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), label="mine")
    maps = backbone.features("photo.jpg")
    assert_type(maps, dict[str, Tensor])
    assert_type(gram_matrix(maps["stage0"]), Tensor)
    picture = stylize(sample_content(), Path("painting.jpg"), backbone=backbone, size=256, steps=50)
    assert_type(picture, Image.Image)
    assert_type(stylize("photo.jpg", "painting.jpg", preset="gatys2016", progress=True), Image.Image)
    assert_type(stylize(np.zeros((64, 64, 3), np.uint8), sample_style()), Image.Image)
    assert_type(stylize(torch.rand(1, 3, 64, 64), sample_style()), Tensor)
    assert_type(stylize(None, torch.rand(1, 3, 64, 64), mode="texture"), Tensor)
    assert_type(stylize(None, "painting.jpg", mode="texture"), Image.Image)
    return picture


def losses(network: str) -> Iterator[float]:
    seen: list[int] = []

    def watch(step: Step) -> None:
        seen.append(step.number)

    result = stylize("photo.jpg", "painting.jpg", backbone=network, full=True, progress=watch)
    assert_type(result, Result[Image.Image])
    assert_type(result.grams, dict[str, Tensor])
    yield from result.losses["loss/style"]
    yield judge(result.picture, "photo.jpg", "painting.jpg")["judge/style"]


def mistakes() -> None:
    stylize("photo.jpg", "painting.jpg", sise=256)  # type: ignore[call-overload]
    stylize("photo.jpg", "painting.jpg", mode="textur")  # type: ignore[call-overload]
    print(stylize("photo.jpg", "painting.jpg", full=True).pictures)  # type: ignore[attr-defined]


def train() -> TrainConfig:
    return TrainConfig.of(arch="vgg11", epochs=3)
