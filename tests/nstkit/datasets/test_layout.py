"""Which folders are parts and which are classes: the layouts that people have, each with what is made of it."""

import io
from pathlib import Path

import pytest
from PIL import Image

from nstkit.datasets.folder import load_folder
from nstkit.datasets.layout import walk

CLASSES = ("bus", "car")


@pytest.fixture
def make(tmp_path):
    """Make a folder of files: pictures by folder and count, a text where the count is None."""
    file = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(file, "BMP")

    def write(layout):
        root = tmp_path / "D"
        for name, count in layout.items():
            if count is None:
                (root / name).write_text("file,label\n")
                continue
            (root / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                (root / name / f"{number}.bmp").write_bytes(file.getvalue())
        return root

    return write


def of_parts(*parts, count=4, classes=CLASSES):
    return {f"{part}/{name}": count for part in parts for name in classes}


TRAIN_TEST, TRAIN_VAL, TRAIN_ALONE, ALL = (6, 2, 8), (6, 8, 2), (4, 2, 2), (8, 8, 8)
PARTS = {
    **dict.fromkeys([("train", "test"), ("Train", "Test"), ("TRAIN", "TEST"), ("training", "testing")], TRAIN_TEST),
    **dict.fromkeys([("train", "Test"), ("train", "eval"), ("trn", "tst"), ("train", "evaluation")], TRAIN_TEST),
    **dict.fromkeys(
        [("images_train", "images_test"), ("Training_Set", "Test_Set"), ("trainset", "testset")], TRAIN_TEST
    ),
    **dict.fromkeys([("train", "val"), ("train", "valid"), ("train", "validation"), ("train", "dev")], TRAIN_VAL),
    **dict.fromkeys([("training", "validation"), ("Train", "VAL"), ("train_images", "val_images")], TRAIN_VAL),
    **dict.fromkeys([("train2017", "val2017"), ("train-data", "valid data")], TRAIN_VAL),
    **dict.fromkeys([("train", "valid", "test"), ("Training", "Dev", "Eval"), ("train", "val", "test")], ALL),
    **dict.fromkeys([("train",), ("TRAIN",), ("train_images",)], TRAIN_ALONE),
}


@pytest.mark.parametrize("parts", PARTS, ids="+".join)
def test_parts_are_known_by_the_usual_words_in_any_case(make, parts):
    data = load_folder(make(of_parts(*parts)), 8)
    assert data.classes == CLASSES
    assert tuple(map(len, (data.train, data.val, data.test))) == PARTS[parts]


FLAT = {"bus": 12, "car": 12}
READ = {  # (folders, classes, pictures in the three parts, what is warned of)
    "a class called train": ({**FLAT, "train": 12}, (*CLASSES, "train"), (30, 3, 3), "taken for a class: train."),
    "a class called test": ({**FLAT, "test": 12}, (*CLASSES, "test"), (30, 3, 3), "taken for a class: test."),
    "classes dev and ops": ({"dev": 12, "ops": 12}, ("dev", "ops"), (20, 2, 2), "taken for a class: dev."),
    "trains beside test tubes": (
        {**FLAT, "train_station": 12, "test_tube": 12},
        (*CLASSES, "test_tube", "train_station"),
        (40, 4, 4),
        "",
    ),
    "a folder more": (
        {**of_parts("train", "val", "extra")},
        CLASSES,
        TRAIN_VAL,
        "extra left aside, used are train, val.",
    ),
    "labels beside": ({**of_parts("train", "val"), "labels": 0}, CLASSES, TRAIN_VAL, ""),
    "folders in train, classes beside": (
        {"train/steam": 6, "train/diesel": 6, **FLAT},
        ("diesel", "steam"),
        (8, 2, 2),
        "bus, car left aside, used are train.",
    ),
    "pictures in a folder each": ({"bus/images": 12, "car/images": 12}, CLASSES, (20, 2, 2), ""),
    "some classes have folders": ({"bus/2019": 6, "bus/2020": 6, "car/2019": 12}, CLASSES, (20, 2, 2), ""),
    "what systems leave": (
        {**FLAT, "__MACOSX/bus": 3, "@eaDir": 3, ".git": 1, "bus/@eaDir/x": 3, "car/__MACOSX": 1, "lost+found": 0},
        CLASSES,
        (20, 2, 2),
        "",
    ),
    "what systems leave in parts": (
        {**of_parts("train"), "train/__MACOSX/bus": 3, "train/@eaDir": 2, "__MACOSX/train": 1, "@eaDir/test": 1},
        CLASSES,
        TRAIN_ALONE,
        "",
    ),
    "pictures beside the classes": ({".": 2, **FLAT}, CLASSES, (20, 2, 2), "2 pictures left out: 0.bmp (beside the"),
}


@pytest.mark.parametrize("layout", READ)
def test_layout_is_read_and_what_is_left_aside_is_said(make, layout, recwarn):
    folders, classes, counts, warning = READ[layout]
    root = make(folders)
    data = load_folder(root, 8)
    assert data.classes == classes
    assert tuple(map(len, (data.train, data.val, data.test))) == counts
    told = [str(each.message) for each in recwarn]
    assert len(told) == bool(warning)
    assert all(line.startswith(f"{root}: ") and warning in line for line in told)


REFUSED = {  # (folders, what the line says)
    "val and test alone": (of_parts("val", "test"), ["D: no training pictures, only test, val. Call the folder that"]),
    "test alone": (of_parts("test"), ["D: no training pictures, only test."]),
    "two of validation": (of_parts("train", "val", "dev"), ["D: dev, val are all called after the part 'val'."]),
    "two of training": (of_parts("train", "Train"), ["D: Train, train are all called after the part 'train'."]),
    "two of the test": (of_parts("train", "test", "eval"), ["D: eval, test are all called after the part 'test'."]),
    "one level too high": (of_parts("set/train", "set/val"), ["D: one class ('set');", "Did you mean D/set?"]),
    "two levels too high": (of_parts("a/b/train", "a/b/val"), ["D: one class ('a');", "Did you mean D/a/b?"]),
    "two sets": (
        of_parts("a/train", "a/test", "b/train", "b/test"),
        ["D: its folders (a, b) all hold the same folders (test, train), so they are no classes. Give one"],
    ),
    "parts in classes": (of_parts("bus", "car", classes=("train", "test")), ["hold the same folders (test, train)"]),
    "one part in classes": (of_parts("bus", "car", classes=("train",)), ["hold the same folders (train)"]),
    "folds": (of_parts("f1", "f2", "f3"), ["its folders (f1, f2, f3) all hold the same folders (bus, car)"]),
    "a name before the part": (
        {"seg_train/seg_train/bus": 4, "seg_test/seg_test/bus": 4, "seg_pred/seg_pred": 4},
        ["D: seg_test, seg_train look like parts of the data. Call them train, val and test."],
    ),
    "test among its classes": ({**FLAT, **of_parts("test")}, ["D: 'test' holds the folders of the classes beside it"]),
    "flat validation": ({**of_parts("train"), "val": 5}, ["D/val: fewer than two class folders", "D/val/<class>/, or"]),
    "flat test": (
        {**of_parts("train"), "test": 5},
        ["D/test: fewer than two", "take test away: training pictures are"],
    ),
    "flat in one folder": ({**of_parts("train"), "val/images": 5}, ["D/val: fewer than two class folders"]),
    "empty validation": ({**of_parts("train"), "val": 0}, ["D/val: fewer than two class folders"]),
    "all flat": (
        {"train": 5, "test": 5},
        ["D/train: no class folder;", "Sort the 5 pictures in it into D/train/<class>"],
    ),
    "labels in a table": ({"all": 6, "a.csv": None}, ["Labels in a table (a.csv) are not read: sort", "D/<class>/."]),
    "table beside pictures": ({".": 6, "a.csv": None}, ["D: no class folder;", "Labels in a table (a.csv)"]),
    "other classes": (
        {**of_parts("Train"), "test/bus": 4, "test/van": 4},
        ["D/test: its classes differ from those of D/Train (car, van)"],
    ),
}


@pytest.mark.parametrize("layout", REFUSED)
def test_layout_that_is_no_data_set_is_refused_with_what_to_do(make, layout, user_error, monkeypatch):
    folders, words = REFUSED[layout]
    monkeypatch.chdir(make(folders).parent)
    with user_error(*words):
        load_folder(Path("D"), 8)


# Sets that could be read before


@pytest.mark.parametrize(
    ("parts", "split"),
    [
        ((".",), "7719e4c5e398c6a4fc4b54a59c3abb04d6aed262bc3777536ebb007f8c3fc6e4"),
        (("train",), "7719e4c5e398c6a4fc4b54a59c3abb04d6aed262bc3777536ebb007f8c3fc6e4"),
        (("train", "val", "test"), "0c7485c813055091c0ac15d5d5a9c4a04efabc3aaf15bd7cc83f1074c788262d"),
        (("Train", "VALID", "testing"), "0c7485c813055091c0ac15d5d5a9c4a04efabc3aaf15bd7cc83f1074c788262d"),
    ],
)
def test_split_of_ordinary_folders_never_changes(tmp_path, fill, parts, split):
    """Runs that were saved with it could not be resumed."""
    for part in parts:
        fill(tmp_path / part)
    assert load_folder(tmp_path, 8).split == split


# Links


def test_links_are_followed_but_not_in_circles(make):
    root = make({"bus/deep": 2, "away/cars": 3})
    (root / "car").symlink_to(root / "away" / "cars")
    (root / "bus" / "linked").symlink_to(root / "away" / "cars")
    (root / "bus" / "up").symlink_to(root)
    (root / "bus" / "deep" / "here").symlink_to(".")
    (root / "bus" / "gone.png").symlink_to("nowhere")
    (root / "bus" / "one.bmp").symlink_to(root / "bus" / "deep" / "0.bmp")
    found = sorted(walk(root / "bus"))
    below_root = [path for path, _ in found if path.startswith("up/")]
    assert below_root == [*(f"up/away/cars/{n}.bmp" for n in range(3)), *(f"up/car/{n}.bmp" for n in range(3))]
    assert [pair for pair in found if pair[0] not in below_root] == [
        *((f"deep/{n}.bmp", True) for n in range(2)),
        ("gone.png", False),
        *((f"linked/{n}.bmp", True) for n in range(3)),
        ("one.bmp", True),
    ]


def test_folder_that_holds_only_itself_ends(tmp_path, user_error):
    (tmp_path / "D").symlink_to(".")
    with user_error(tmp_path, "one class ('D')"):
        load_folder(tmp_path, 8)
