"""Pictures larger than the memory: in tiles they are the same, and what was painted before memory ended stays."""

import pytest
import torch
from PIL import Image

import nstkit
from nstkit.pictures.tensors import to_tensor
from transfer.__main__ import main
from transfer.api import stylize
from transfer.painting import loop

COMMAND = ("--device", "cpu", "--precision", "fp32", "--steps", 2, "--quiet", "--judge", "none", "--run-name", "large")


@pytest.fixture
def words(checkpoint, pictures, tmp_path):
    """Words of a command that paints a picture of 192 px."""
    given = ("--content", pictures / "content" / "house.png", "--style", pictures / "style" / "dots.jpg")
    return (*COMMAND, "--backbone", checkpoint, *given, "--size", 192, "--runs-dir", tmp_path)


def test_a_picture_painted_in_tiles_is_that_of_the_whole(checkpoint, pictures):
    content, style = (to_tensor(Image.open(pictures / name), 128) for name in ("content/boat.png", "style/waves.jpg"))
    backbone = nstkit.load_backbone(str(checkpoint))
    whole, tiled = (
        stylize(content, style, backbone=backbone, steps=3, precision="fp32", octaves=2, tile=tile)
        for tile in (None, 48)
    )
    assert (whole - content).abs().mean() > 0.02  # something was painted
    assert (whole - tiled).abs().max() < 1e-3


def test_the_command_says_that_it_paints_in_tiles(words, call_command, capsys, tmp_path):
    assert call_command(main, *words, "--tile", 96, "--scales", 1) == 0
    assert "memory:  144 x 192 px in 4 tiles of up to 96 px" in capsys.readouterr().out
    with Image.open(tmp_path / "transfer" / "large" / "images" / "house-dots.png") as picture:
        assert picture.size == (144, 192)


def test_a_limit_that_is_used_up_is_one_line(words, call_command, capsys, tmp_path):
    assert call_command(main, *words, "--memory", 0.05) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: Painting 192 px with any network takes at least")
    assert "0 MiB are free" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "transfer").exists()


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_was_painted_before_memory_ended_is_saved(
    is_killed, words, call_command, capsys, tmp_path, monkeypatch, draw_picture
):
    build = loop.build_canvas

    def fail_when_large(kind, start, *others):
        if start.shape[3] > 100 and is_killed:
            raise SystemExit(9)  # as the system does it, without a word
        if start.shape[3] > 100:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: ...")
        return build(kind, start, *others)

    monkeypatch.setattr(loop, "build_canvas", fail_when_large)
    code = call_command(main, *words, "--scales", 2)
    images = tmp_path / "transfer" / "large" / "images"
    name = "house-dots-preview.png" if is_killed else "house-dots.png"
    with Image.open(images / name) as picture:
        assert picture.size == (72, 96)
    if is_killed:
        return
    assert code == 1
    error = capsys.readouterr().err
    assert "house-dots: saved as far as it was painted: too little memory to paint 144 x 192 px. Use --size 96" in error
    assert [path.name for path in images.iterdir()] == ["house-dots.png"]


def test_what_a_caller_of_the_library_gets_is_an_error(checkpoint, pictures, monkeypatch):
    def fail(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: ...")

    monkeypatch.setattr(loop, "build_canvas", fail)
    picture = torch.rand(1, 3, 48, 64)
    with pytest.raises(nstkit.UserError, match="too little memory to paint 64 x 48 px"):
        stylize(picture, picture, backbone=str(checkpoint), steps=2, precision="fp32")
