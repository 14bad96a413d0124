"""The key of a job: another where anything differs that determines the picture, the same wherever things lie."""

import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image

from nstkit.backbones.spec import parse_backbone
from transfer.config import NetworkSettings
from transfer.jobs.job import Job, weights_digest
from transfer.painting.masks import pair_masks
from transfer.painting.settings import PaintSettings
from transfer.pairs import Pair


@pytest.fixture
def job(checkpoint, draw_picture):
    pair = Pair("boat", "dots", draw_picture((60, 48), 1), draw_picture((50, 50), 2))
    return Job(parse_backbone(str(checkpoint)), pair, 48, "", NetworkSettings(), PaintSettings())


def test_names_and_places_are_not_in_it(job, checkpoint, tmp_path):
    (tmp_path / "other").mkdir()
    moved = shutil.copy(checkpoint, tmp_path / "other" / "a.pt")
    named = replace(job.pair, content_name="ship", own_name="mine")
    assert replace(job, variant="x", pair=named, spec=parse_backbone(str(moved))).key == job.key
    default = job.painting.resolved("transfer", 48)
    assert replace(job, painting=default).key == job.key  # said or not


def masked(pair):
    left = Image.new("RGB", (2, 1), "red")
    left.putpixel((1, 0), (0, 0, 255))
    return pair_masks(left.resize((40, 40), Image.Resampling.NEAREST))


PAIRS = {
    "content": lambda pair, draw: replace(pair, content=draw((60, 48), 9)),
    "style": lambda pair, draw: replace(pair, style=draw((50, 50), 9)),
    "both exchanged": lambda pair, draw: replace(pair, content=pair.style, style=pair.content),
    "texture": lambda pair, draw: replace(pair, content=None),
    "start": lambda pair, draw: replace(pair, start=draw((50, 50), 9)),
    "blend": lambda pair, draw: replace(pair, further=(draw((50, 50), 9),), shares=(0.5, 0.5)),
    "rows": lambda pair, draw: replace(pair, rows=48),
    "style scale": lambda pair, draw: replace(pair, style_scale=0.5),
    "masks": lambda pair, draw: replace(pair, masks=masked(pair)),
}


@pytest.mark.parametrize("change", PAIRS)
def test_pictures_are_in_it(change, job, draw_picture):
    assert replace(job, pair=PAIRS[change](job.pair, draw_picture)).key != job.key


def test_shares_of_a_blend_are_in_it(job, draw_picture):
    blend = PAIRS["blend"](job.pair, draw_picture)
    assert replace(job, pair=blend).key != replace(job, pair=replace(blend, shares=(0.75, 0.25))).key


def test_settings_network_and_weights_are_in_it(job, checkpoint, tmp_path):
    changed = [
        replace(job, size_px=49),
        replace(job, painting=PaintSettings.of(seed=1)),
        replace(job, painting=PaintSettings.of(style_weight=3)),
        replace(job, painting=PaintSettings.of(precision="bf16")),
        replace(job, network=NetworkSettings.of(pooling="avg")),
        replace(job, network=NetworkSettings.of(swap=("relu1_1@random",))),
        replace(job, network=NetworkSettings.of(swap=(f"relu1_1@{checkpoint}",))),
        replace(job, spec=parse_backbone("vgg11@random")),
        replace(job, spec=parse_backbone("vgg11@random:1")),
        replace(job, spec=parse_backbone("carried")),
    ]
    trained_on = tmp_path / "a.pt"
    torch.save({**torch.load(checkpoint, weights_only=True), "classes": ["x", "y", "z"]}, trained_on)
    changed.append(replace(job, spec=parse_backbone(str(trained_on))))
    keys = [each.key for each in (job, *changed)]
    assert len(set(keys)) == len(keys)


def test_weights_that_change_in_place_are_read_again(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"one")
    before = weights_digest(path)
    path.write_bytes(b"other")
    assert weights_digest(path) != before
    assert weights_digest(tmp_path / "gone.pt") is None


def test_version_is_in_it(job, monkeypatch):
    before = replace(job).key
    monkeypatch.setattr("transfer.jobs.job.__version__", "next")
    assert replace(job).key != before
