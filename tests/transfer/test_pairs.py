"""Which pictures are painted in which style, and where the results go."""

import os
import shutil
import struct
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageOps

from nstkit.errors import UserError
from transfer import pairs as pairs_module
from transfer.config import PictureSettings
from transfer.mask_files import say_other_size
from transfer.pairs import Pair, check_outputs, output_path, read_by_name, read_pairs, read_start

LABELS = ["vgg19", "resnet50"]


def names(pairs):
    return [pair.name for pair in pairs]


def test_every_content_is_paired_with_every_style(pictures):
    pairs = read_pairs(PictureSettings(content=(pictures / "content",), style=(pictures / "style",)), "content")
    assert names(pairs) == ["boat-dots", "boat-waves", "house-dots", "house-waves"]
    assert [pair.content.size for pair in pairs] == [(60, 48), (60, 48), (48, 64), (48, 64)]
    assert [pair.style.size for pair in pairs] == [(56, 56), (70, 50), (56, 56), (70, 50)]


def test_files_and_folders_may_be_mixed(pictures, tmp_path):
    shutil.copy(pictures / "content" / "boat.png", tmp_path / "ship.png")
    (tmp_path / "notes.txt").write_text("no picture, passed over in a folder")
    chosen = PictureSettings(
        content=(tmp_path, pictures / "content" / "house.png"), style=(pictures / "style" / "dots.jpg",)
    )
    assert names(read_pairs(chosen, "content")) == ["ship-dots", "house-dots"]


def test_pictures_of_one_name_are_all_painted(pictures, tmp_path, draw_picture):
    draw_picture((40, 40)).save(tmp_path / "boat.jpg")
    draw_picture((44, 44)).save(tmp_path / "boat.png")
    pairs = read_pairs(
        PictureSettings(content=(pictures / "content", tmp_path), style=(pictures / "style" / "dots.jpg",)), "content"
    )
    assert sorted(pair.content.size for pair in pairs) == [(40, 40), (44, 44), (48, 64), (60, 48)]
    assert len(set(names(pairs))) == 4


def test_names_that_no_table_could_hold_are_escaped(tmp_path, draw_picture):
    for name in (os.fsdecode(b"caf\xe9.png"), "a\x1b[2J.png", "A.png", "a.jpg"):
        draw_picture((40, 40)).save(tmp_path / name)
    assert set(read_by_name([tmp_path], 40)) == {"caf\\udce9", "a\\x1b[2J", "A", "a~2"}


def test_rim_of_a_style_is_named_and_cut_off_on_request(pictures, tmp_path, draw_picture, capsys):
    ImageOps.expand(draw_picture((300, 200)), 4, "white").save(tmp_path / "scan.png")
    chosen = PictureSettings(content=(pictures / "content" / "boat.png",), style=(tmp_path / "scan.png",))
    with pytest.warns(UserWarning, match=r"style scan has a rim, 5 px on the left, .*--crop-rim cuts it off"):
        (pair,) = read_pairs(chosen, "content")
    assert pair.style.size == (308, 208)
    (pair,) = read_pairs(chosen.changed(crop_rim=True), "content")
    assert pair.style.size == (298, 198)
    assert "scan: a rim of 5 px on the left, 5 px at the top" in capsys.readouterr().out


def test_nothing_given_is_the_sample_pair(pictures, monkeypatch):
    monkeypatch.setattr(pairs_module, "SAMPLE_STYLE_PX", 64)  # drawing takes a second
    (pair,) = read_pairs(PictureSettings(), "content")
    assert pair.name == "sample-photo-sample-style"
    assert pair.content.size == (640, 427)
    (pair,) = read_pairs(PictureSettings(content=(pictures / "content" / "boat.png",)), "content")
    assert pair.name == "boat-sample-style"


@pytest.mark.parametrize("where", ["content", "style"])
def test_one_bad_picture_among_good_ones_is_found_on_reading(where, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    (tmp_path / where / "zzz.jpg").write_text("hello")
    with pytest.raises(UserError, match=r"zzz.jpg: not a readable picture .* Allowed: PNG, JPEG"):
        read_pairs(PictureSettings(content=(tmp_path / "content",), style=(tmp_path / "style",)), "content")


def test_missing_picture_and_empty_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.png: no such picture. Give a picture file or a folder"):
        read_pairs(PictureSettings(content=(tmp_path / "nowhere.png",)), "content")
    with pytest.raises(UserError, match=r"no picture in this folder. Pictures end in .png"):
        read_pairs(PictureSettings(style=(tmp_path,)), "content")


def test_one_result_goes_to_a_file_or_into_a_folder(tmp_path, draw_picture):
    pair = Pair("boat", "dots", draw_picture((8, 8)), draw_picture((8, 8)))
    check_outputs(tmp_path / "a" / "b.JPG", ["vgg19"], [pair], [])
    assert output_path(tmp_path / "b.JPG", "vgg19", pair) == tmp_path / "b.JPG"
    check_outputs(tmp_path / "results", ["vgg19", "resnet50", "carried"], [pair], [])
    assert output_path(tmp_path / "results", "vgg19", pair) == tmp_path / "results" / "boat-dots-vgg19.png"
    assert output_path(Path("x"), "resnet50", pair) != output_path(Path("x"), "vgg19", pair)


def test_no_out_and_a_folder_with_a_dot_are_fine(tmp_path):
    check_outputs(None, LABELS, [], [])
    (tmp_path / "results.v2").mkdir()
    check_outputs(tmp_path / "results.v2", LABELS, [], [])


@pytest.mark.parametrize(
    ("out", "count", "message"),
    [
        ("a.png", 2, "2 results do not fit one file. Give a folder"),
        ("a.psd", 1, "unknown picture format. Allowed: .png, .jpg"),
        ("file/a.png", 1, "cannot be written"),
        ("file", 2, "cannot be written"),
    ],
)
def test_out_that_cannot_take_the_results_is_refused_before_any_work(out, count, message, tmp_path, draw_picture):
    pair = Pair("boat", "dots", draw_picture((8, 8)), draw_picture((8, 8)))
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=message):
        check_outputs(tmp_path / out, LABELS[:count], [pair], [])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_out_that_is_read_or_named_twice_is_refused(tmp_path, draw_picture):
    photo = draw_picture((8, 8))
    photo.save(tmp_path / "boat.png")
    pairs = [Pair("a", "b-c", photo, photo), Pair("a-b", "c", photo, photo)]
    with pytest.raises(UserError, match=r"boat.png is a file that is read"):
        check_outputs(tmp_path / "boat.png", ["vgg19"], pairs[:1], [tmp_path / "sub" / ".." / "boat.png"])
    with pytest.raises(UserError, match=r"two results would be a-b-c-vgg19.png"):
        check_outputs(tmp_path, ["vgg19"], pairs, [])
    check_outputs(tmp_path / "boat.png", ["vgg19"], pairs[:1], [])  # an earlier result is written over


def test_pairs_of_one_name_are_told_apart(tmp_path, draw_picture):
    for name in ("a", "a-b", "b-c", "c", "猫" * 80):
        draw_picture((40, 30)).save(tmp_path / f"{name}.png")
    content = (tmp_path / "a.png", tmp_path / "a-b.png")
    style = (tmp_path / "b-c.png", tmp_path / "c.png", tmp_path / f"{'猫' * 80}.png")
    names = [pair.name for pair in read_pairs(PictureSettings(content=content, style=style), "content")]
    assert names[:2] + names[3:5] == ["a-b-c", "a-c", "a-b-b-c", "a-b-c~2"]
    assert len(set(names)) == 6
    assert max(len(f".{name}.png.12345678.part".encode()) for name in names) <= 255


def test_start_is_read_before_any_work(pictures, tmp_path, draw_picture):
    assert [read_start(word, 32) for word in ("content", "style", "noise", "grey")] == [None] * 4
    assert read_start(str(pictures / "content" / "boat.png"), 32).size == (60, 48)
    with pytest.raises(UserError, match=r"--init nose: no such picture. Allowed: content, style, noise, grey, or"):
        read_start("nose", 32)
    (tmp_path / "text.png").write_text("hello")
    for wrong in (tmp_path / "text.png", tmp_path):
        with pytest.raises(UserError, match="not a readable picture"):
            read_pairs(PictureSettings(), str(wrong))


def test_pictures_are_kept_no_larger_than_they_are_painted(pictures, tmp_path, draw_picture):
    draw_picture((400, 300)).save(tmp_path / "a.jpg")
    start = str(tmp_path / "a.jpg")
    chosen = PictureSettings(content=(tmp_path / "a.jpg",), style=(pictures / "style" / "dots.jpg",), size=64)
    (pair,) = read_pairs(chosen, start)
    assert (pair.content.size, pair.style.size) == ((64, 48), (56, 56))
    assert pair.start.size == (128, 96)  # it may be stretched


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as in a command
def test_portrait_with_a_malformed_tag_stands_upright(pictures, tmp_path, draw_picture):
    tags = struct.pack("<HHII", 0x010E, 5, 1, 0xFFFFFF00) + struct.pack("<HHII", 0x0112, 3, 1, 6)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + tags + bytes(4)
    draw_picture((40, 30)).save(tmp_path / "a.jpg", exif=exif)
    chosen = PictureSettings(content=(tmp_path / "a.jpg",), style=(pictures / "style" / "dots.jpg",))
    (pair,) = read_pairs(chosen, "grey")
    assert pair.content.size == (30, 40)


def test_scene_has_the_pictures_at_one_size_and_the_start_at_its_own(cpu, draw_picture):
    pair = Pair("boat", "dots", draw_picture((60, 30)), draw_picture((20, 40)), draw_picture((9, 7)))
    scene = pair.scene(48, cpu)
    assert [tuple(picture.shape) for picture in (scene.content, scene.style, scene.start)] == [
        (1, 3, 24, 48),
        (1, 3, 48, 24),
        (1, 3, 7, 9),
    ]
    assert Pair("", "dots", None, draw_picture((20, 40))).scene(48, cpu).mode == "texture"


@pytest.mark.parametrize("size", [(90, 60), (61, 97), (64, 64), (301, 40), (50, 33)])
def test_rows_are_the_height_of_content_and_style_whatever_their_width(size, draw_picture, tmp_path, cpu):
    draw_picture(size).save(tmp_path / "content.png")
    draw_picture((70, 50)).save(tmp_path / "style.png")
    chosen = PictureSettings(content=(tmp_path / "content.png",), style=(tmp_path / "style.png",), rows=40)
    (pair,) = read_pairs(chosen, "content")
    scene = pair.scene(chosen.size, cpu)
    assert scene.size == (40, round(40 * size[0] / size[1]))
    assert scene.style.shape[2:] == (40, 56)
    assert pair.sizes(chosen.size) == scene.sizes
    assert max(pair.content.height, pair.style.height) <= 40  # not kept larger than it is painted


# Blends, sizes of styles, masks


def test_blend_is_one_style_of_several_pictures_the_largest_share_first(pictures):
    files = [pictures / "style" / name for name in ("dots.jpg", "waves.jpg")]
    blend = (f"{files[0]}=1", f"{files[1]}=3")
    pairs = read_pairs(PictureSettings(content=(pictures / "content",), blend=blend, size=64), "content")
    assert names(pairs) == ["boat-waves+dots", "house-waves+dots"]
    assert pairs[0].style.size == (64, 46)
    assert [style.size for style in pairs[0].further] == [(56, 56)]
    assert pairs[0].shares == (0.75, 0.25)
    scene = pairs[0].scene(64, torch.device("cpu"))
    assert [style.shape[3] for style in scene.styles] == [64, 64]
    assert scene.shares == (0.75, 0.25)


@pytest.mark.parametrize(("scale", "expected"), [(0.5, (35, 25)), (2.0, (70, 50))])
def test_style_has_a_size_of_its_own(scale, expected, pictures):
    chosen = PictureSettings(
        content=(pictures / "content" / "boat.png",),
        style=(pictures / "style" / "waves.jpg",),
        size=70,
        style_scale=scale,
    )
    (pair,) = read_pairs(chosen, "content")
    assert pair.style.size == expected  # kept no larger than it is looked at, nor than it is
    content, styles = pair.sizes(70)
    assert (content, styles) == ((56, 70), [(round(50 * scale), round(70 * scale))])
    scene = pair.scene(70, torch.device("cpu"))
    assert scene.sizes == (content, styles)
    assert scene.size == content


def test_texture_has_the_size_of_its_style(pictures):
    chosen = PictureSettings(mode="texture", style=(pictures / "style" / "waves.jpg",), size=70, style_scale=2.0)
    (pair,) = read_pairs(chosen, "noise")
    assert pair.sizes(70) == (None, [(50, 70)])


@pytest.fixture
def masks(tmp_path):
    """Files: red left of blue for the content, one of another size, one of each colour alone."""
    for name, size in (("content", (60, 48)), ("other", (30, 30))):
        mask = Image.new("RGB", size, "red")
        mask.paste("blue", (size[0] // 2, 0, *size))
        mask.save(tmp_path / f"{name}.png")
    return tmp_path


def test_masks_give_regions_at_every_size(pictures, masks):
    chosen = PictureSettings(
        content=(pictures / "content" / "boat.png",),
        blend=(str(pictures / "style" / "dots.jpg"), str(pictures / "style" / "waves.jpg")),
        content_mask=(masks / "content.png",),
        style_mask=(Path("red"), Path("#0000ff")),
        region_weights=("red=2",),
    )
    (pair,) = read_pairs(chosen, "content")
    scene = pair.scene(40, torch.device("cpu"))
    blue, red = scene.regions
    assert (blue.name, red.name, blue.weight, red.weight) == ("#0000ff", "#ff0000", 0.5, 1.0)
    assert red.content.shape == (1, 1, 32, 40)
    assert [guide.mean().item() for guide in red.styles] == [1, 0]
    assert [guide.mean().item() for guide in blue.styles] == [0, 1]
    assert red.content[0, 0, 16, :10].min() > 0.99
    assert scene.painted is None
    assert set(chosen.files) >= {masks / "content.png", pictures / "style" / "dots.jpg"}


def test_mask_of_another_shape_is_stretched_and_said(pictures, masks):
    style = (pictures / "style" / "dots.jpg",)
    chosen = PictureSettings(
        content=(pictures / "content" / "boat.png",), style=style, content_mask=(masks / "other.png",)
    )
    with pytest.warns(UserWarning, match=r"other.png: 30 x 30 px, its picture 60 x 48\. It is stretched to"):
        (pair,) = read_pairs(chosen, "content")
    assert [region.content.shape for region in pair.scene(40, torch.device("cpu")).regions] == [(1, 1, 32, 40)] * 2


def test_mask_of_another_size_but_the_same_shape_is_no_matter():
    say_other_size((128, 96), (768, 576), "mask.png")
    say_other_size((128, 97), (768, 580), "mask.png")
    say_other_size((1, 1), (768, 576), "mask.png")
    with pytest.warns(UserWarning, match=r"^mask.png: 300 x 90 px, its picture 768 x 768"):
        say_other_size((300, 90), (768, 768), "mask.png")


def test_wrong_masks_are_refused_before_any_work(pictures, masks):
    content, style = (pictures / "content",), (pictures / "style" / "dots.jpg",)
    with pytest.raises(UserError, match=r"--content-mask .*content.png: 1 masks for 2 pictures. Give one for each"):
        read_pairs(PictureSettings(content=content, style=style, content_mask=(masks / "content.png",)), "content")
    with pytest.raises(UserError, match=r"--content-mask gone.png: no such picture. Give a picture file, or a colour"):
        read_pairs(PictureSettings(content=content, style=style, content_mask=(Path("gone.png"),)), "content")
