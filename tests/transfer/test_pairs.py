"""Which pictures are painted in which style, and where the results go."""

import shutil
from pathlib import Path

import pytest

from nstkit.errors import UserError
from transfer import pairs as pairs_module
from transfer.pairs import Pair, check_outputs, output_path, read_pairs


def names(pairs):
    return [pair.name for pair in pairs]


def test_every_content_is_paired_with_every_style(pictures, settings):
    pairs = read_pairs(settings(content=(pictures / "content",), style=(pictures / "style",)))
    assert names(pairs) == ["boat-dots", "boat-waves", "house-dots", "house-waves"]
    assert [pair.content.size for pair in pairs] == [(60, 48), (60, 48), (48, 64), (48, 64)]
    assert [pair.style.size for pair in pairs] == [(56, 56), (70, 50), (56, 56), (70, 50)]


def test_files_and_folders_may_be_mixed(pictures, settings, tmp_path):
    shutil.copy(pictures / "content" / "boat.png", tmp_path / "ship.png")
    (tmp_path / "notes.txt").write_text("no picture, passed over in a folder")
    config = settings(content=(tmp_path, pictures / "content" / "house.png"), style=(pictures / "style" / "dots.jpg",))
    assert names(read_pairs(config)) == ["ship-dots", "house-dots"]


def test_pictures_of_one_name_are_all_painted(pictures, settings, tmp_path, draw_picture):
    draw_picture((40, 40)).save(tmp_path / "boat.jpg")
    draw_picture((44, 44)).save(tmp_path / "boat.png")
    pairs = read_pairs(settings(content=(pictures / "content", tmp_path), style=(pictures / "style" / "dots.jpg",)))
    assert sorted(pair.content.size for pair in pairs) == [(40, 40), (44, 44), (48, 64), (60, 48)]
    assert len(set(names(pairs))) == 4


def test_nothing_given_is_the_sample_pair(settings, pictures, monkeypatch):
    monkeypatch.setattr(pairs_module, "SAMPLE_STYLE_PX", 64)  # drawing takes a second
    (pair,) = read_pairs(settings())
    assert pair.name == "sample-photo-sample-style"
    assert pair.content.size == (640, 427)
    (pair,) = read_pairs(settings(content=(pictures / "content" / "boat.png",)))
    assert pair.name == "boat-sample-style"


@pytest.mark.parametrize("where", ["content", "style"])
def test_one_bad_picture_among_good_ones_is_found_on_reading(where, pictures, settings, tmp_path):
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    (tmp_path / where / "zzz.jpg").write_text("hello")
    with pytest.raises(UserError, match=r"zzz.jpg: not a readable picture .* Allowed: .png, .jpg"):
        read_pairs(settings(content=(tmp_path / "content",), style=(tmp_path / "style",)))


def test_missing_picture_and_empty_folder_are_named(settings, tmp_path):
    with pytest.raises(UserError, match=r"nowhere.png: no such picture. Give a picture file or a folder"):
        read_pairs(settings(content=(tmp_path / "nowhere.png",)))
    with pytest.raises(UserError, match=r"no picture in this folder. Pictures end in .png"):
        read_pairs(settings(style=(tmp_path,)))


def test_one_result_goes_to_a_file_or_into_a_folder(settings, tmp_path, draw_picture):
    pair = Pair("boat", "dots", draw_picture((8, 8)), draw_picture((8, 8)))
    check_outputs(settings(out=tmp_path / "a" / "b.JPG"), 1)
    assert output_path(tmp_path / "b.JPG", "vgg19", pair) == tmp_path / "b.JPG"
    check_outputs(settings(out=tmp_path / "results"), 3)
    assert output_path(tmp_path / "results", "vgg19", pair) == tmp_path / "results" / "boat-dots-vgg19.png"
    assert output_path(Path("x"), "resnet50", pair) != output_path(Path("x"), "vgg19", pair)


def test_no_out_and_a_folder_with_a_dot_are_fine(settings, tmp_path):
    check_outputs(settings(), 100)
    (tmp_path / "results.v2").mkdir()
    check_outputs(settings(out=tmp_path / "results.v2"), 2)


@pytest.mark.parametrize(
    ("out", "count", "message"),
    [
        ("a.png", 2, "2 results do not fit one file. Give a folder"),
        ("a.psd", 1, "unknown picture format. Allowed: .png, .jpg"),
        ("file/a.png", 1, "cannot be written"),
        ("file", 2, "cannot be written"),
    ],
)
def test_out_that_cannot_take_the_results_is_refused_before_any_work(out, count, message, settings, tmp_path):
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=message):
        check_outputs(settings(out=tmp_path / out), count)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
