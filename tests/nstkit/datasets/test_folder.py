"""Class folders in both layouts, in memory and streamed, and what is said of those that are no data set."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.datasets import arrays, files
from nstkit.datasets import folder as module
from nstkit.datasets.files import LabelledFiles
from nstkit.datasets.folder import load_folder
from nstkit.datasets.load import load_dataset

# Of the pictures that `fill` makes.
COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def _identities(part):
    """Return (class, number) of every picture, as its pixels tell them."""
    colors = [tuple(image[4, 7].tolist()) for image in part.images]
    names = list(COLORS)
    by_pixels = [names[list(COLORS.values()).index(color)] for color in colors]
    assert [names[label] for label in part.labels] == by_pixels
    return [(name, image[4, 0, 0].item()) for name, image in zip(by_pixels, part.images, strict=True)]


def test_one_folder_is_split_into_three(tmp_path, fill):
    data = load_folder(fill(tmp_path, count=20), 8)
    assert data.classes == ("blue", "green", "red")
    assert [len(part) for part in (data.train, data.val, data.test)] == [48, 6, 6]
    for part, expected in ((data.train, 16), (data.val, 2), (data.test, 2)):
        assert torch.bincount(part.labels).tolist() == [expected] * 3
    found = [identity for part in (data.train, data.val, data.test) for identity in _identities(part)]
    assert sorted(found) == sorted((name, number) for name in COLORS for number in range(20))
    assert data.name == "folder"


def test_split_is_the_same_every_time(tmp_path, fill):
    def parts(seed):
        np.random.seed(seed)
        data = load_folder(tmp_path, 8)
        return [_identities(part) for part in (data.train, data.val, data.test)]

    fill(tmp_path)
    assert parts(0) == parts(1)


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        (("train",), (24, 3, 3)),
        (("train", "test"), (27, 3, 30)),
        (("train", "val"), (27, 30, 3)),
        (("train", "val", "test"), (30, 30, 30)),
    ],
)
def test_parts_that_are_there_are_taken_and_the_others_split_off(tmp_path, given, counts, fill):
    for split in given:
        fill(tmp_path / split)
    data = load_folder(tmp_path, 8)
    assert tuple(len(part) for part in (data.train, data.val, data.test)) == counts
    for part in (data.train, data.val, data.test):
        assert set(part.labels.tolist()) == {0, 1, 2}
        _identities(part)


def test_pictures_are_scaled_and_cropped_at_the_centre(tmp_path, read_folder):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        wide = Image.new("RGB", (60, 20), (255, 255, 255))
        wide.paste((255, 0, 0), (20, 0, 40, 20))
        wide.save(tmp_path / name / "wide.png")
        tall = Image.new("RGBA", (20, 60), (0, 0, 0, 0))  # transparent: white
        tall.paste((255, 0, 0, 255), (0, 20, 20, 40))
        tall.save(tmp_path / name / "tall.png")
    part, _ = read_folder(tmp_path, 10)
    assert part.images.shape == (4, 10, 10, 3)
    assert (part.images[:, 2:8, 2:8] == torch.tensor([255, 0, 0], dtype=torch.uint8)).all()


def test_nested_and_upper_case_files_count_and_others_do_not(tmp_path, read_folder):
    for name in ("a", "b", ".hidden"):
        (tmp_path / name / "deep").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name / "deep" / "x.PNG")
        (tmp_path / name / "notes.txt").write_text("no picture")
        (tmp_path / name / "._x.png").write_text("what macOS leaves there")
        (tmp_path / name / "gone.png").symlink_to("nowhere")
    with pytest.warns(
        UserWarning, match="2 pictures left out: a/gone.png \\(not a file, or a link to nothing\\), b/gone"
    ):
        part, classes = read_folder(tmp_path, 8)
    assert part.names.tolist() == ["a/deep/x.PNG", "b/deep/x.PNG"]
    assert classes == ("a", "b")


@pytest.mark.parametrize("layout", ["", "train"])
def test_one_class_is_refused(tmp_path, user_error, layout, fill):
    fill(tmp_path / layout, classes=["red"])
    with user_error(tmp_path / layout, "one class ('red')", "at least two"):
        load_folder(tmp_path, 8)


def test_no_class_and_no_folder_are_refused(tmp_path, user_error):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with user_error(tmp_path, "no class folder"):
        load_folder(tmp_path, 8)
    with user_error(tmp_path / "missing", "no such folder"):
        load_folder(tmp_path / "missing", 8)


def test_empty_class_is_named(tmp_path, user_error, fill):
    fill(tmp_path)
    (tmp_path / "yellow").mkdir()
    (tmp_path / "yellow" / "notes.txt").write_text("soon")
    with user_error(tmp_path, "no picture in class yellow", ".png"):
        load_folder(tmp_path, 8)


@pytest.mark.parametrize(("given", "needed"), [((".",), 3), (("train", "test"), 2), (("train", "val", "test"), 1)])
def test_class_too_small_to_split_is_named(tmp_path, user_error, given, needed, fill):
    for split in given:
        fill(tmp_path / split, count=needed)
    data = load_folder(tmp_path, 8)
    assert all(set(part.labels.tolist()) == {0, 1, 2} for part in (data.train, data.val, data.test))
    if needed > 1:
        (tmp_path / given[0] / "green" / "000.bmp").unlink()
        with user_error(tmp_path, f"fewer than {needed} pictures in class green"):
            load_folder(tmp_path, 8)


def test_parts_of_other_classes_are_refused(tmp_path, user_error, fill):
    fill(tmp_path / "train")
    fill(tmp_path / "test", classes=["red", "blue"])
    with user_error(tmp_path / "test", "differ", "(green)"):
        load_folder(tmp_path, 8)


def test_every_kind_of_picture_becomes_rgb(tmp_path, read_folder):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    grey = Image.new("L", (8, 8), 100)
    grey.save(tmp_path / "a" / "0-grey.png")
    Image.new("RGBA", (8, 8), (100, 100, 100, 255)).save(tmp_path / "a" / "1-rgba.png")
    Image.fromarray(np.full((8, 8), 100 * 257, np.uint16)).save(tmp_path / "a" / "2-deep.png")
    grey.convert("RGB").quantize(4).save(tmp_path / "a" / "3-palette.png")
    Image.new("LA", (8, 8), (0, 0)).save(tmp_path / "b" / "transparent.png")
    part, _ = read_folder(tmp_path, 8)
    assert part.images[:4].unique().tolist() == [100]
    assert part.images[4].unique().tolist() == [255]


def test_streamed_folder_is_the_same_data_set(tmp_path, fill):
    fill(tmp_path / "train", count=30)
    fill(tmp_path / "test", count=7)
    inside, streamed = (load_folder(tmp_path, 10, stream) for stream in ("off", "on"))
    assert (streamed.split, streamed.classes, streamed.size_px) == (inside.split, inside.classes, 10)
    assert streamed.mean == pytest.approx(inside.mean)
    assert streamed.std == pytest.approx(inside.std)
    for part, same in ((streamed.train, inside.train), (streamed.val, inside.val), (streamed.test, inside.test)):
        assert isinstance(part, LabelledFiles)
        assert part.names.tolist() == same.names.tolist()
        order = torch.randperm(len(part))
        for one, two in zip(part.read(order, 5), same.read(order, 5), strict=True):
            assert torch.equal(one[0], two[0])
            assert torch.equal(one[1], two[1])


def test_pictures_stay_on_the_disk_where_they_would_fill_half_of_the_memory(tmp_path, monkeypatch, fill):
    fill(tmp_path / "train", count=5)
    fill(tmp_path / "test", count=5)
    size_bytes = 30 * 8 * 8 * 3
    for free, expected in ((2 * size_bytes - 1, True), (2 * size_bytes, False)):
        monkeypatch.setattr(module, "free_memory_bytes", lambda free=free: free)
        data = load_folder(tmp_path, 8)
        assert isinstance(data.train, LabelledFiles) == isinstance(data.test, LabelledFiles) == expected


def test_names_of_pictures_start_below_the_folder(tmp_path, fill, read_folder):
    part, _ = read_folder(fill(tmp_path, count=2), 8)
    assert part.names.tolist() == [f"{name}/00{number}.bmp" for name in COLORS for number in range(2)]


def test_statistics_of_files_come_from_a_fixed_sample(tmp_path, fill, reads, monkeypatch):
    monkeypatch.setattr(arrays, "SAMPLED_FILES", 3)
    monkeypatch.setattr(files, "cores", lambda: 1)  # no other process, in which reads would not be seen
    first = load_folder(fill(tmp_path), 8, "on")
    reads.clear()  # the next time, the files have been checked
    again = load_folder(tmp_path, 8, "on")
    assert [str(path.relative_to(tmp_path)) for path in reads] == again.train.names[[0, 12, 23]].tolist()
    assert (again.mean, again.std) == (first.mean, first.std)
    sample = again.train.take(torch.tensor([0, 12, 23]))
    images, _ = next(sample.read(torch.arange(3), 3))
    assert again.mean == pytest.approx((images.double().mean(dim=(0, 1, 2)) / 255).tolist())


# What lies in people's folders


def test_pictures_left_out_are_counted_and_named(tmp_path, fill):
    fill(tmp_path)
    for name in ("red/a.jxl", "red/b.svg", "green/c.nef", "blue/._000.bmp", "blue/notes.txt", "blue/Thumbs.db"):
        (tmp_path / name).write_bytes(b"not looked into")
    with pytest.warns(UserWarning, match="left out") as caught:
        data = load_folder(tmp_path, 8)
    (message,) = (str(each.message) for each in caught)
    assert message.startswith(
        f"{tmp_path}: 3 pictures left out: green/c.nef (camera raw: export as TIFF or JPEG), red/"
    )
    assert "red/b.svg (a drawing: export as PNG)" in message
    assert sum(map(len, (data.train, data.val, data.test))) == 30


def test_class_of_pictures_that_are_not_read_says_why(tmp_path, user_error, fill):
    fill(tmp_path, classes=["red", "green"])
    (tmp_path / "blue").mkdir()
    (tmp_path / "blue" / "a.cr2").touch()
    with user_error(tmp_path, "no picture in class blue (1 picture left out: blue/a.cr2 (camera raw: export"):
        load_folder(tmp_path, 8)


def test_names_that_are_not_utf8_are_left_out_or_refused(tmp_path, user_error, fill):
    """As an archive leaves them that was packed on another system."""
    fill(tmp_path)
    os.rename(tmp_path / "red" / "003.bmp", os.fsencode(tmp_path / "red") + b"/caf\xe9.bmp")
    with pytest.warns(UserWarning, match="1 picture left out: red/caf\udce9.bmp \\(its name is not UTF-8: rename it"):
        data = load_folder(tmp_path, 8)
    assert sum(map(len, (data.train, data.val, data.test))) == 29
    os.rename(tmp_path / "red", os.fsencode(tmp_path) + b"/r\xf6d")
    with user_error(tmp_path, "the name of the folder r\udcf6d is not UTF-8. Rename it."):
        load_folder(tmp_path, 8)


def test_any_utf8_name_is_a_class_and_a_picture(tmp_path, fill):
    classes = [
        "~",
        "猫",
        "a b",
        "ä\N{COMBINING ACUTE ACCENT}",
        "#1",
        "%20",
        "'x'",
        "-train",
        "con.",
        "a\nb",
        "\x1b[31m",
    ]
    for number, name in enumerate(classes):
        (tmp_path / name).mkdir()
        for place in range(3):
            Image.new("RGB", (4, 4), (number, place, 0)).save(tmp_path / name / f"{name}{place}.png")
    with pytest.warns(UserWarning, match="taken for a class: -train"):
        data = load_folder(tmp_path, 4)
    assert data.classes == tuple(sorted(classes))
    for part in (data.train, data.val, data.test):
        for image, label in zip(part.images, part.labels, strict=True):
            assert classes[image[0, 0, 0]] == data.classes[label]


@pytest.mark.parametrize("place", ["", "red", "red/deep"])
def test_folder_that_may_not_be_entered_is_one_line(tmp_path, user_error, monkeypatch, place, fill):
    fill(tmp_path)
    (tmp_path / "red" / "deep").mkdir()
    closed = tmp_path / place
    original = os.scandir

    def scandir(path):
        if Path(path) == closed:  # root may enter every folder
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with user_error(f"{closed}: cannot be read (Permission denied)."):
        load_dataset("folder", tmp_path, 8)


def test_picture_that_vanishes_while_the_folder_is_read_is_one_line(tmp_path, user_error, monkeypatch, fill):
    fill(tmp_path)
    original = module.read_listing

    def read(listing, *rest, **more):
        (tmp_path / "red" / "000.bmp").unlink()
        return original(listing, *rest, **more)

    monkeypatch.setattr(module, "read_listing", read)
    with user_error(f"{tmp_path}/red/000.bmp: cannot be read (No such file or directory)."):
        load_dataset("folder", tmp_path, 8)
