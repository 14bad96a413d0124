"""The canvas on its way: the preview is there until the result is, and the animation shows what happened."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.embedded import read_texts
from nstkit.pictures.tensors import to_picture
from nstkit.runs import Run
from transfer.config import OutputSettings, TransferConfig
from transfer.painting.loop import Painting, Step
from transfer.progress import FRAME_MS, LAST_MS, Progress

TEXTS = {"nstkit": json.dumps({"settings": {"steps": 40}})}


def flat(level, size=(30, 40)):
    return torch.full((1, 3, *size), float(level))


@pytest.fixture
def run(tmp_path):
    """An open run, which has no pictures yet."""
    with Run(tmp_path, TransferConfig(), {}) as run:
        yield run


def painted(run, *, steps=40, size=(30, 40), **given):
    """Return the progress of a canvas that went from black to white, the first half at half the size."""
    progress = Progress(run, "a", OutputSettings(**given))
    for number in range(1, steps + 1):
        half = 1 if number > steps / 2 else 2
        progress.step(Step(number, {}, flat(number / steps, (size[0] // half, size[1] // half)), 0.0))
    return progress


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animation_shows_the_canvas_from_the_first_to_the_result(run, tmp_path, kind):
    progress = painted(run, animation=kind)
    progress.end(Painting(flat(0.5), {}, 40, 1.0), TEXTS)
    path = tmp_path / "images" / f"a.{kind}"
    with Image.open(path) as film:
        assert film.size == (40, 30)
        assert film.info["loop"] == 0
        levels, durations = [], []
        for k in range(film.n_frames):
            film.seek(k)
            levels.append(np.asarray(film.convert("RGB")).mean())
            durations.append(film.info["duration"])
    assert 20 < len(levels) < 40  # denser at first
    assert levels[0] == pytest.approx(255 / 40, abs=2)
    assert levels[-2] > 230
    assert levels[-1] == pytest.approx(127.5, abs=2)
    assert levels[:-1] == sorted(levels[:-1])
    if kind == "gif":  # Pillow gives the time of a WebP's frame at the next one
        assert (set(durations[:-1]), durations[-1]) == ({FRAME_MS}, LAST_MS)
    else:
        assert read_texts(path) == TEXTS
    assert list(path.parent.iterdir()) == [path]


def test_animation_is_no_larger_than_it_need_be(run, tmp_path):
    progress = painted(run, steps=2, size=(10, 2000), animation="webp")
    progress.end(Painting(flat(1.0, (10, 2000)), {}, 2, 1.0), {})
    with Image.open(tmp_path / "images" / "a.webp") as film:
        assert film.size == (640, 3)


def test_preview_is_written_anew_every_so_often_and_gone_at_the_end(run, tmp_path):
    progress = painted(run, steps=25, preview_every=10)
    with Image.open(tmp_path / "images" / "a-preview.png") as preview:
        assert np.asarray(preview).mean() == pytest.approx(np.asarray(to_picture(flat(20 / 25))).mean())
    progress.end(Painting(flat(0.5), {}, 25, 1.0), TEXTS)
    assert list((tmp_path / "images").iterdir()) == []


def test_nothing_asked_for_is_nothing_written(run, tmp_path):
    painted(run).end(Painting(flat(0.5), {}, 40, 1.0), TEXTS)
    assert not (tmp_path / "images").exists()
