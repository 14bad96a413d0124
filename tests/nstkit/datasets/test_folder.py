"""Class folders in both layouts, packed once and anew when they change, and what is said of broken ones."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.datasets import files, load_dataset, packed
from nstkit.datasets import folder as module
from nstkit.datasets.files import LabelledFiles
from nstkit.datasets.folder import list_class_folders, load_folder, read_listing

COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def _fill(root, count=10, classes=COLORS, size=(12, 8)):
    """Write pictures of the colour of their class; the upper left corner of each tells its number."""
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture = Image.new("RGB", size, COLORS[name])
            picture.paste((number, number, number), (0, 0, size[0] // 2, size[1]))
            picture.save(root / name / f"{number:03d}.bmp")
            os.utime(root / name / f"{number:03d}.bmp", ns=(10**18, 10**18))  # as unpacked: all sizes and dates alike
    return root


def read_class_folders(root, size_px):
    """Return the pictures and the classes."""
    listing = list_class_folders(root)
    return read_listing(listing, size_px), listing.classes


@pytest.fixture
def reads(monkeypatch):
    """The pictures that are read from their files."""
    read = []
    original = files.read_picture

    def count(path):
        read.append(path)
        return original(path)

    monkeypatch.setattr(files, "read_picture", count)
    return read


def _identities(part):
    """Return (class, number) of every picture, as its pixels tell them."""
    colors = [tuple(image[4, 7].tolist()) for image in part.images]
    names = list(COLORS)
    by_pixels = [names[list(COLORS.values()).index(color)] for color in colors]
    assert [names[label] for label in part.labels] == by_pixels
    return [(name, image[4, 0, 0].item()) for name, image in zip(by_pixels, part.images, strict=True)]


def test_one_folder_is_split_into_three(tmp_path):
    data = load_folder(_fill(tmp_path, count=20), 8)
    assert data.classes == ("blue", "green", "red")
    assert [len(part) for part in (data.train, data.val, data.test)] == [48, 6, 6]
    for part, expected in ((data.train, 16), (data.val, 2), (data.test, 2)):
        assert torch.bincount(part.labels).tolist() == [expected] * 3
    found = [identity for part in (data.train, data.val, data.test) for identity in _identities(part)]
    assert sorted(found) == sorted((name, number) for name in COLORS for number in range(20))
    assert data.name == "folder"


def test_split_is_the_same_every_time(tmp_path):
    def parts(seed):
        np.random.seed(seed)
        data = load_folder(tmp_path, 8)
        return [_identities(part) for part in (data.train, data.val, data.test)]

    _fill(tmp_path)
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
def test_parts_that_are_there_are_taken_and_the_others_split_off(tmp_path, given, counts):
    for split in given:
        _fill(tmp_path / split)
    data = load_folder(tmp_path, 8)
    assert tuple(len(part) for part in (data.train, data.val, data.test)) == counts
    for part in (data.train, data.val, data.test):
        assert set(part.labels.tolist()) == {0, 1, 2}
        _identities(part)


def test_pictures_are_scaled_and_cropped_at_the_centre(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        wide = Image.new("RGB", (60, 20), (255, 255, 255))
        wide.paste((255, 0, 0), (20, 0, 40, 20))
        wide.save(tmp_path / name / "wide.png")
        tall = Image.new("RGBA", (20, 60), (0, 0, 0, 0))  # transparent: white
        tall.paste((255, 0, 0, 255), (0, 20, 20, 40))
        tall.save(tmp_path / name / "tall.png")
    part, _ = read_class_folders(tmp_path, 10)
    assert part.images.shape == (4, 10, 10, 3)
    assert (part.images[:, 2:8, 2:8] == torch.tensor([255, 0, 0], dtype=torch.uint8)).all()


def test_nested_and_upper_case_files_count_and_others_do_not(tmp_path):
    for name in ("a", "b", ".hidden"):
        (tmp_path / name / "deep").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name / "deep" / "x.PNG")
        (tmp_path / name / "notes.txt").write_text("no picture")
    part, classes = read_class_folders(tmp_path, 8)
    assert (len(part), classes) == (2, ("a", "b"))


def test_packed_copy_is_read_instead_of_the_pictures(tmp_path, reads):
    _fill(tmp_path)
    first, _ = read_class_folders(tmp_path, 8)
    assert len(reads) == 30
    again, classes = read_class_folders(tmp_path, 8)
    assert len(reads) == 30
    assert torch.equal(again.images, first.images)
    assert torch.equal(again.labels, first.labels)
    assert classes == ("blue", "green", "red")
    read_class_folders(tmp_path, 16)  # another size is another copy
    assert len(reads) == 60


def _change(root):
    Image.new("RGB", (12, 8), (9, 9, 9)).save(root / "red" / "000.bmp")


def _touch(root):
    os.utime(root / "red" / "000.bmp", ns=(1, 1))


def _add(root):
    shutil.copy(root / "red" / "000.bmp", root / "red" / "zzz.bmp")


def _remove(root):
    (root / "red" / "000.bmp").unlink()


def _rename(root):
    (root / "red" / "000.bmp").rename(root / "blue" / "zzz.bmp")


@pytest.mark.parametrize("change", [_change, _touch, _add, _remove, _rename])
def test_packed_copy_is_made_anew_when_a_file_changes(tmp_path, reads, change):
    root = _fill(tmp_path / "data")
    read_class_folders(root, 8)
    change(root)
    reads.clear()
    changed, _ = read_class_folders(root, 8)
    assert len(reads) == len(changed) == len(list(root.glob("*/*.bmp")))
    shutil.copytree(root, tmp_path / "fresh", ignore=shutil.ignore_patterns(".nstkit*"))
    assert torch.equal(changed.images, read_class_folders(tmp_path / "fresh", 8)[0].images)


def _misshape(path):
    with np.load(path) as arrays:
        changed = {**arrays, "images": arrays["images"][:, :4]}
    with open(path, "wb") as file:
        np.savez(file, **changed)


@pytest.mark.parametrize("damage", [b"", b"text", b"PK\x03\x04 no zip", "truncated", "misshapen"])
def test_damaged_packed_copy_is_made_anew(tmp_path, reads, damage):
    first, _ = read_class_folders(_fill(tmp_path), 8)
    path = tmp_path / ".nstkit-8px.npz"
    if damage == "misshapen":
        _misshape(path)
    else:
        path.write_bytes(path.read_bytes()[:-100] if damage == "truncated" else damage)
    reads.clear()
    again, _ = read_class_folders(tmp_path, 8)
    assert len(reads) == 30
    assert torch.equal(again.images, first.images)
    reads.clear()
    read_class_folders(tmp_path, 8)
    assert reads == []


def test_read_only_folder_is_read_without_a_packed_copy(tmp_path, reads, monkeypatch):
    def deny(path, write):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(packed, "write_atomically", deny)  # root may write everywhere
    _fill(tmp_path)
    for _ in range(2):
        assert len(read_class_folders(tmp_path, 8)[0]) == 30
    assert len(reads) == 60
    assert not list(tmp_path.glob(".nstkit*"))


@pytest.mark.parametrize("layout", ["", "train"])
def test_one_class_is_refused(tmp_path, user_error, layout):
    _fill(tmp_path / layout, classes=["red"])
    with user_error(tmp_path / layout, "one class ('red')", "at least two"):
        load_folder(tmp_path, 8)


def test_no_class_and_no_folder_are_refused(tmp_path, user_error):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with user_error(tmp_path, "no class folder"):
        load_folder(tmp_path, 8)
    with user_error(tmp_path / "missing", "no such folder"):
        load_folder(tmp_path / "missing", 8)


def test_empty_class_is_named(tmp_path, user_error):
    _fill(tmp_path)
    (tmp_path / "yellow").mkdir()
    (tmp_path / "yellow" / "notes.txt").write_text("soon")
    with user_error(tmp_path, "no picture in class yellow", ".png"):
        load_folder(tmp_path, 8)


@pytest.mark.parametrize(("given", "needed"), [((".",), 3), (("train", "test"), 2), (("train", "val", "test"), 1)])
def test_class_too_small_to_split_is_named(tmp_path, user_error, given, needed):
    for split in given:
        _fill(tmp_path / split, count=needed)
    data = load_folder(tmp_path, 8)
    assert all(set(part.labels.tolist()) == {0, 1, 2} for part in (data.train, data.val, data.test))
    if needed > 1:
        (tmp_path / given[0] / "green" / "000.bmp").unlink()
        with user_error(tmp_path, f"fewer than {needed} pictures in class green"):
            load_folder(tmp_path, 8)


def test_parts_of_other_classes_are_refused(tmp_path, user_error):
    _fill(tmp_path / "train")
    _fill(tmp_path / "test", classes=["red", "blue"])
    with user_error(tmp_path / "test", "differ", "(green)"):
        load_folder(tmp_path, 8)


BROKEN = {"empty.png": b"", "text.jpg": b"no picture", "half.bmp": "half", "gif.gif": b"GIF89a"}


@pytest.mark.parametrize("stream", ["off", "on"])
def test_unreadable_pictures_are_left_out_with_one_warning(tmp_path, reads, stream):
    expected = load_folder(_fill(tmp_path / "good", count=20), 8, "off")
    root = _fill(tmp_path / "bad", count=20)
    for name, content in BROKEN.items():
        whole = (root / "red" / "000.bmp").read_bytes()
        (root / "red" / name).write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    for _ in range(2):  # the second time from what was kept
        with pytest.warns(
            UserWarning, match=f"^{root}: 4 of 64 files are not readable.*red/empty.png.*\\.\\.\\."
        ) as caught:
            data = load_folder(root, 8, stream)
        assert len(caught) == 1
        assert "\n" not in str(caught[0].message)
        assert data.split == expected.split
        for part, same in ((data.train, expected.train), (data.val, expected.val), (data.test, expected.test)):
            images, _ = next(part.read(torch.arange(len(part)), len(part)))
            assert torch.equal(images, same.images)
    assert sum(path.name in BROKEN for path in reads) == len(BROKEN)


@pytest.mark.parametrize("stream", ["off", "on"])
def test_class_that_loses_all_pictures_is_refused(tmp_path, user_error, stream):
    _fill(tmp_path, count=20)
    _fill(tmp_path, classes=["blue"], count=20)
    shutil.rmtree(tmp_path / "red")
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "a.png").write_text("no picture")
    with user_error(tmp_path, "1 of 41 files", "red/a.png", "none is left in class red"):
        load_folder(tmp_path, 8, stream)


@pytest.mark.parametrize("stream", ["off", "on"])
def test_more_than_a_tenth_unreadable_is_refused(tmp_path, user_error, stream):
    _fill(tmp_path, count=10)
    for name in COLORS:
        (tmp_path / name / "000.bmp").write_text("no picture")
    with pytest.warns(UserWarning, match="3 of 30"):  # a tenth
        load_folder(tmp_path, 8, stream)
    (tmp_path / "red" / "001.bmp").write_text("no picture")
    with user_error(tmp_path, "4 of 30 files", "blue/000.bmp", "more than 10%"):
        load_folder(tmp_path, 8, stream)


def test_every_kind_of_picture_becomes_rgb(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    grey = Image.new("L", (8, 8), 100)
    grey.save(tmp_path / "a" / "0-grey.png")
    Image.new("RGBA", (8, 8), (100, 100, 100, 255)).save(tmp_path / "a" / "1-rgba.png")
    Image.fromarray(np.full((8, 8), 100 * 257, np.uint16)).save(tmp_path / "a" / "2-deep.png")
    grey.convert("RGB").quantize(4).save(tmp_path / "a" / "3-palette.png")
    Image.new("LA", (8, 8), (0, 0)).save(tmp_path / "b" / "transparent.png")
    part, _ = read_class_folders(tmp_path, 8)
    assert part.images[:4].unique().tolist() == [100]
    assert part.images[4].unique().tolist() == [255]


def test_streamed_folder_is_the_same_data_set(tmp_path):
    _fill(tmp_path / "train", count=30)
    _fill(tmp_path / "test", count=7)
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


def test_pictures_stay_on_the_disk_where_they_would_fill_half_of_the_memory(tmp_path, monkeypatch):
    _fill(tmp_path / "train", count=5)
    _fill(tmp_path / "test", count=5)
    size_bytes = 30 * 8 * 8 * 3
    for free, expected in ((2 * size_bytes - 1, True), (2 * size_bytes, False)):
        monkeypatch.setattr(module, "free_memory_bytes", lambda free=free: free)
        data = load_folder(tmp_path, 8)
        assert isinstance(data.train, LabelledFiles) == isinstance(data.test, LabelledFiles) == expected


def test_names_of_pictures_start_below_the_folder(tmp_path):
    part, _ = read_class_folders(_fill(tmp_path, count=2), 8)
    assert part.names.tolist() == [f"{name}/00{number}.bmp" for name in COLORS for number in range(2)]


def test_default_size_is_64_px(tmp_path):
    data = load_dataset("folder", _fill(tmp_path))
    assert data.size_px == 64
    assert load_dataset("folder", tmp_path, 32).size_px == 32
