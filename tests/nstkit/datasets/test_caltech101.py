"""The protocols' splits, what is no whole Caltech101, and the ways from an archive to the folder; all tiny."""

import hashlib
import inspect
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import Caltech101

from nstkit.datasets import caltech101 as module
from nstkit.datasets.caltech101 import load_caltech101, split_by_protocol
from nstkit.datasets.files import LabelledFiles
from nstkit.datasets.load import load_dataset

SHARED = Path(__file__).parents[4] / "shared" / "data"
COUNTS = {"Faces": 100, "accordion": 40, "anchor": 32}
BACKGROUND_COUNT = 45


def _picture(number):
    return Image.new("L", (12, 8), number).convert("L" if number % 2 else "RGB")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of three classes and of background; every other picture is grey."""
    root = tmp_path_factory.mktemp("whole") / "101_ObjectCategories"
    for name, count in {**COUNTS, "BACKGROUND_Google": BACKGROUND_COUNT}.items():
        (root / name).mkdir(parents=True)
        for number in range(1, count + 1):
            _picture(number).save(root / name / f"image_{number:04d}.png")
    (root / "BACKGROUND_Google" / "tmp").write_text("lies in the original archive, too")
    return root


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Count as a whole Caltech101 what `whole` makes."""
    monkeypatch.setattr(module, "COUNTS", COUNTS)
    monkeypatch.setattr(module, "BACKGROUND_COUNTS", (BACKGROUND_COUNT, BACKGROUND_COUNT + 1))


@pytest.fixture
def folder(tmp_path, whole):
    """DATA_DIR/caltech101/101_ObjectCategories."""
    return shutil.copytree(whole, tmp_path / "caltech101" / whole.name)


def _tar(whole):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.add(whole, whole.name)
    return file.getvalue()


@pytest.fixture
def archive(whole, internet, monkeypatch):
    """The bytes of the zip that can be downloaded."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("caltech-101/101_ObjectCategories.tar.gz", _tar(whole))
        zipped.writestr("caltech-101/Annotations.tar", b"not needed")
    content = file.getvalue()
    internet.files["/caltech-101.zip"] = content
    monkeypatch.setattr(module, "URL", f"{internet.url}/caltech-101.zip")
    monkeypatch.setattr(module, "MD5", hashlib.md5(content).hexdigest())
    return content


def _counts(data):
    return [torch.bincount(part.labels).tolist() for part in (data.train, data.val, data.test)]


@pytest.mark.parametrize(
    ("protocol", "train", "val", "test"),
    [
        ("30-per-class", [27, 27, 27], [3, 3, 3], [50, 10, 2]),
        ("15-per-class", [13, 13, 13], [2, 2, 2], [50, 25, 17]),
        ("80-20", [72, 29, 23], [8, 3, 3], [20, 8, 6]),
    ],
)
def test_protocols_have_their_counts_and_share_no_picture(folder, tmp_path, protocol, train, val, test):
    data = load_caltech101(tmp_path, 8, protocol=protocol)
    assert data.classes == ("Faces", "accordion", "anchor")
    assert _counts(data) == [train, val, test]
    names = [*data.train.names, *data.val.names, *data.test.names]
    assert len(set(names)) == len(names)
    for part in (data.train, data.val, data.test):
        for image, label, name in zip(part.images, part.labels, part.names, strict=True):
            assert name.startswith(f"{data.classes[label]}/")
            assert (image == int(name[-8:-4])).all()  # grey ones have three channels, too


def test_splits_differ_by_seed_alone(folder, tmp_path):
    def names(seed):
        np.random.seed(0)
        return load_caltech101(tmp_path, 8, split_seed=seed)

    one, same, other = names(0), names(0), names(1)
    assert one.split == same.split != other.split
    assert set(one.train.names) != set(other.train.names)


def test_split_is_the_same_on_every_machine(folder, tmp_path):
    split = load_caltech101(tmp_path, 8).split
    assert split == "058745aa14f302b90741ecccbbb3a7ae77a6e8aa0da641dc45ffd105e50265e2"
    assert load_caltech101(tmp_path, 16, stream="on").split == split


def test_background_is_a_class_where_it_is_kept_and_changes_no_other(folder, tmp_path):
    dropped, kept = (load_caltech101(tmp_path, 8, background=choice) for choice in ("drop", "keep"))
    assert kept.classes == ("BACKGROUND_Google", *dropped.classes)
    assert _counts(kept) == [[27] * 4, [3] * 4, [15, 50, 10, 2]]
    for part, same in ((kept.train, dropped.train), (kept.val, dropped.val), (kept.test, dropped.test)):
        assert [name for name in part.names if "BACKGROUND" not in name] == same.names.tolist()


def test_release_with_one_more_background_picture_or_none_is_whole(folder, tmp_path):
    _picture(1).save(folder / "BACKGROUND_Google" / "image_0046.png")
    assert _counts(load_caltech101(tmp_path, 8, background="keep"))[2][0] == 16
    shutil.rmtree(folder / "BACKGROUND_Google")
    assert len(load_caltech101(tmp_path, 8).classes) == 3


def test_defaults_and_options_of_the_data_sets_door(folder, tmp_path):
    data = load_dataset("caltech101", tmp_path)
    assert (data.name, data.size_px, len(data.train)) == ("caltech101", 128, 81)
    options = {"protocol": "80-20", "split_seed": 2, "background": "keep", "stream": "on"}
    data = load_dataset("caltech101", tmp_path, 16, **options)
    assert isinstance(data.train, LabelledFiles)
    assert data.split == load_caltech101(tmp_path, 16, **options).split
    assert (data.size_px, len(data.classes)) == (16, 4)


def test_class_that_is_too_small_is_named(user_error):
    part = LabelledFiles(Path("nowhere"), np.array(["a"] * 30, np.dtypes.StringDType()), torch.zeros(30).long(), 8)
    with user_error("30 readable pictures in class wrench", "30-per-class"):
        split_by_protocol(part, ("wrench",), "30-per-class", 0)
    train, val, test = split_by_protocol(part, ("wrench",), "15-per-class", 0)
    assert (len(train), len(val), len(test)) == (13, 2, 15)


def test_negative_seed_is_refused(tmp_path, user_error):
    with user_error("split seed -1", "0 or more"):
        load_caltech101(tmp_path, 8, split_seed=-1)


def test_archive_is_downloaded_once_and_extracted(tmp_path, archive, internet, whole):
    data = load_caltech101(tmp_path, 8)
    assert _counts(data)[2] == [50, 10, 2]
    internet.files.clear()
    shutil.rmtree(tmp_path / "caltech101" / "101_ObjectCategories")
    assert load_caltech101(tmp_path, 8).split == data.split  # from the archive that was kept
    assert len(internet.asked) == 1
    assert sorted(path.name for path in (tmp_path / "caltech101").iterdir()) == [
        *("101_ObjectCategories", "caltech-101.zip")
    ]


def test_cut_off_download_is_completed(tmp_path, archive, internet):
    internet.cut_bytes = len(archive) // 2 + 1
    load_caltech101(tmp_path, 8)
    assert len(internet.asked) == 2


def test_archive_of_the_older_kind_is_taken(tmp_path, whole, internet):
    (tmp_path / "caltech101").mkdir()
    (tmp_path / "caltech101" / "101_ObjectCategories.tar.gz").write_bytes(_tar(whole))
    assert _counts(load_caltech101(tmp_path, 8))[2] == [50, 10, 2]


@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_cut_archive_of_the_older_kind_is_one_line(tmp_path, whole, user_error, kept):
    content, path = _tar(whole), tmp_path / "caltech101" / "101_ObjectCategories.tar.gz"
    path.parent.mkdir()
    path.write_bytes(content[: round(kept * len(content))])
    with user_error(path, "cannot be extracted", "Delete it"):
        load_caltech101(tmp_path, 8)
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name]


def _lose_pictures(folder):
    for number in (31, 32):
        (folder / "anchor" / f"image_{number:04d}.png").unlink()


def _lose_class(folder):
    shutil.rmtree(folder / "anchor")


@pytest.mark.parametrize(("damage", "told"), [(_lose_pictures, "anchor 30 of 32"), (_lose_class, "anchor 0 of 32")])
def test_half_extracted_folder_is_told_or_extracted_anew(folder, tmp_path, archive, internet, user_error, damage, told):
    expected = load_caltech101(tmp_path, 8).split
    damage(folder)
    with user_error(folder, "1 classes are not whole", told, "Delete this folder", "caltech-101.zip"):
        load_caltech101(tmp_path, 8)
    assert internet.asked == []
    (tmp_path / "caltech101" / "caltech-101.zip").write_bytes(archive)
    assert load_caltech101(tmp_path, 8).split == expected


def test_background_that_is_not_whole_matters_where_it_is_kept(folder, tmp_path, user_error):
    (folder / "BACKGROUND_Google" / "image_0001.png").unlink()
    load_caltech101(tmp_path, 8)
    with user_error("BACKGROUND_Google 44 of 45"):
        load_caltech101(tmp_path, 8, background="keep")


def test_folder_with_more_than_belongs_there_is_told_and_left_alone(folder, tmp_path, archive, user_error):
    (tmp_path / "caltech101" / "caltech-101.zip").write_bytes(archive)
    _lose_class(folder)
    (folder / "mine").mkdir()
    _picture(1).save(folder / "mine" / "a.png")
    _picture(1).save(folder / "accordion" / "mine.png")
    with user_error("2 folders", "accordion 41 for 40", "mine 1 for 0", "--dataset folder"):
        load_caltech101(tmp_path, 8)
    assert (folder / "mine" / "a.png").is_file()


def test_failed_download_is_one_line_with_the_ways_out(tmp_path, archive, internet, user_error):
    internet.files.clear()
    words = ("HTTP 404", module.MD5, "101_ObjectCategories.tar.gz", "--dataset patterns")
    with user_error(tmp_path / "caltech101", *words):
        load_caltech101(tmp_path, 8)


def test_address_and_checksum_are_torchvisions():
    source = inspect.getsource(Caltech101.download)
    assert module.URL in source
    assert module.MD5 in source


@pytest.mark.shared
def test_real_files_are_whole_and_have_the_counts_of_the_docstring(tmp_path, monkeypatch):
    archives = sorted((SHARED / "caltech101").glob("*.tar"))
    if not archives:
        pytest.skip(f"{SHARED} has no caltech101")
    for archive in archives:
        with tarfile.open(archive) as tar:
            for member in filter(tarfile.TarInfo.isfile, tar):
                path = tmp_path / "caltech101" / "101_ObjectCategories" / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    monkeypatch.undo()
    # Names alone: nine thousand pictures take too long to decode.
    monkeypatch.setattr("nstkit.datasets.folder.check_files", lambda root, names: np.ones(len(names), bool))
    monkeypatch.setattr("nstkit.datasets.arrays.channel_statistics", lambda part: ((0.5,) * 3, (0.5,) * 3))
    for protocol in ("30-per-class", "15-per-class", "80-20"):
        data = load_caltech101(tmp_path, protocol=protocol, stream="on")
        counts = [len(part) for part in (data.train, data.val, data.test)]
        assert " + ".join(f"{count:,}" for count in counts) in module.__doc__
    assert sum(counts) == sum(module.COUNTS.values()) == 8677
    kept = load_caltech101(tmp_path, protocol="80-20", background="keep", stream="on")
    assert len(kept.train) + len(kept.val) + len(kept.test) == 8677 + 467
