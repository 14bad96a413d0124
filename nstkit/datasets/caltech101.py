"""Caltech101 (Fei-Fei, Fergus, Perona 2004): 8,677 pictures in 101 classes of 31 to 800, and 467 of background.

From `DATA_DIR/caltech101/101_ObjectCategories/<class>/`, else from an archive in `DATA_DIR/caltech101/`, which is
downloaded (137 MB) where it is not there. Pictures are squares: the shorter side scaled, cropped at the centre.

There is no official split. The data set's page asks for a fixed number of training pictures a class, tests on the
others, at most 50 a class, several random splits with error bars, and the mean of the classes' accuracies.

    protocol       training  validation          test           pictures, split seed 0
    30-per-class   27        3                   rest, to 50    2,727 + 303 + 2,945
    15-per-class   13        2                   rest, to 50    1,313 + 202 + 3,999
    80-20          72 %      8 %, at least one   20 %           6,246 + 695 + 1,736

Validation pictures, which schedules look at, come out of the training pictures; for a final fit
`nstkit.datasets.arrays.merge_validation` gives them back.

Source: https://data.caltech.edu/records/mzrjq-6wc02
"""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.datasets.utils import extract_archive

from nstkit.datasets.arrays import Dataset, Part, build_dataset
from nstkit.datasets.download import fetch_archive, one_at_a_time
from nstkit.datasets.folder import Listing, list_class_folders, read_listing, use_stream
from nstkit.datasets.names import Background, Protocol, Stream
from nstkit.errors import UserError
from nstkit.pictures.kinds import is_clutter, is_picture_name

# As in torchvision.datasets.Caltech101.download, which keeps them to itself.
URL = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
MD5 = "3138e1922a9193bfa496528edbbc45d0"
FOLDER = "101_ObjectCategories"
BACKGROUND = "BACKGROUND_Google"
BACKGROUND_COUNTS = (467, 468)  # by release
TRAINING_PICTURES = {"30-per-class": 30, "15-per-class": 15}
MAX_TEST_PICTURES = 50
TEST_FRACTION = 0.2
VAL_FRACTION = 0.1
_COUNTS = """
Faces 435 Faces_easy 435 Leopards 200 Motorbikes 798 accordion 55 airplanes 800 anchor 42 ant 42 barrel 47 bass 54
beaver 46 binocular 33 bonsai 128 brain 98 brontosaurus 43 buddha 85 butterfly 91 camera 50 cannon 43 car_side 123
ceiling_fan 47 cellphone 59 chair 62 chandelier 107 cougar_body 47 cougar_face 69 crab 73 crayfish 70 crocodile 50
crocodile_head 51 cup 57 dalmatian 67 dollar_bill 52 dolphin 65 dragonfly 68 electric_guitar 75 elephant 64 emu 53
euphonium 64 ewer 85 ferry 67 flamingo 67 flamingo_head 45 garfield 34 gerenuk 34 gramophone 51 grand_piano 99
hawksbill 100 headphone 42 hedgehog 54 helicopter 88 ibis 80 inline_skate 31 joshua_tree 64 kangaroo 86 ketch 114
lamp 61 laptop 81 llama 78 lobster 41 lotus 66 mandolin 43 mayfly 40 menorah 87 metronome 32 minaret 76 nautilus 55
octopus 35 okapi 39 pagoda 47 panda 38 pigeon 45 pizza 53 platypus 34 pyramid 57 revolver 82 rhino 59 rooster 49
saxophone 40 schooner 63 scissors 39 scorpion 84 sea_horse 57 snoopy 35 soccer_ball 64 stapler 45 starfish 86
stegosaurus 59 stop_sign 64 strawberry 35 sunflower 85 tick 49 trilobite 86 umbrella 75 watch 239 water_lilly 37
wheelchair 59 wild_cat 34 windsor_chair 56 wrench 39 yin_yang 60
"""
COUNTS: dict[str, int] = dict(zip(_COUNTS.split()[::2], map(int, _COUNTS.split()[1::2]), strict=True))


def load_caltech101(
    data_dir: Path,
    size_px: int = 128,
    *,
    protocol: Protocol = "30-per-class",
    split_seed: int = 0,
    background: Background = "drop",
    stream: Stream = "auto",
) -> Dataset:
    """Return Caltech101, split as this module's docstring says.

    Args:
        data_dir: folder that holds `caltech101/`.
        size_px: side of the square pictures.
        protocol: training pictures a class, or shares of training and test pictures.
        split_seed: which of the random splits, 0 and up.
        background: whether `BACKGROUND_Google` is left out (101 classes) or is a class (102).
        stream: as in `nstkit.datasets.folder.load_folder`.

    Raises:
        UserError: when it is neither there nor can be downloaded, or is not whole.
    """
    if split_seed < 0:
        raise UserError(f"out of range: split seed {split_seed} (0 or more).")
    listing = _find(data_dir / "caltech101", keep_background=background == "keep")
    is_streamed = use_stream(stream, len(listing.names), size_px)
    everything = read_listing(listing, size_px, is_streamed=is_streamed)
    train, val, test = split_by_protocol(everything, listing.classes, protocol, split_seed)
    return build_dataset("caltech101", listing.classes, train, val, test)


def split_by_protocol(
    part: Part, classes: tuple[str, ...], protocol: Protocol, split_seed: int
) -> tuple[Part, Part, Part]:
    """Return (train, val, test). What is drawn in a class depends on its name, not on which other classes there are.

    Raises:
        UserError: where a class has too few pictures.
    """
    labels = part.labels.cpu().numpy()
    drawn: tuple[list[NDArray[np.int64]], ...] = [], [], []
    for label, name in enumerate(classes):
        random = np.random.default_rng([split_seed, zlib.crc32(name.encode())])
        members = random.permutation(np.flatnonzero(labels == label))
        count = TRAINING_PICTURES.get(protocol) or len(members) - max(1, round(TEST_FRACTION * len(members)))
        if not 2 <= count < len(members):
            raise UserError(f"caltech101: {len(members)} readable pictures in class {name} are too few for {protocol}.")
        in_val = max(1, round(VAL_FRACTION * count))
        in_test = members[count:] if protocol == "80-20" else members[count : count + MAX_TEST_PICTURES]
        for share, chosen in zip(drawn, (members[in_val:count], members[:in_val], in_test), strict=True):
            share.append(chosen)
    train, val, test = (part.take(torch.from_numpy(np.sort(np.concatenate(share)))) for share in drawn)
    return train, val, test


def _find(root: Path, *, keep_background: bool) -> Listing:
    """Return the listing of a whole folder, extracted or downloaded where need be."""
    folder = root / FOLDER
    missing, odd = _compare(folder, keep_background=keep_background)
    if not folder.is_dir() or (missing and not odd and _archive_in(root).is_file()):
        with one_at_a_time(root):
            missing, odd = _compare(folder, keep_background=keep_background)  # another process may have been faster
            if missing:
                _extract(root)
                missing, odd = _compare(folder, keep_background=keep_background)
    if missing or odd:
        told = [f"{len(missing)} classes are not whole ({_first(missing)})"] if missing else []
        told += [f"{len(odd)} folders do not belong there or hold more than they should ({_first(odd)})"] if odd else []
        raise UserError(
            f"{folder}: {', and '.join(told)}. Delete this folder; it is then extracted from {_archive_in(root).name} "
            f"in {root}, which is downloaded where it is not there. Pictures of your own: --dataset folder."
        )
    return list_class_folders(folder, ignored=() if keep_background else (BACKGROUND,))


def _compare(folder: Path, *, keep_background: bool) -> tuple[list[str], list[str]]:
    """Return which classes have too few pictures, and which too many or should not be there, each with its counts."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not is_clutter(path.name):
            found[path.name] = sum(is_picture_name(file.name) for file in path.iterdir())
    wanted = dict(COUNTS)
    background = found.pop(BACKGROUND, 0)
    if keep_background:
        wanted[BACKGROUND], found[BACKGROUND] = BACKGROUND_COUNTS[0], min(background, BACKGROUND_COUNTS[0])
    missing = [f"{name} {found.get(name, 0)} of {n}" for name, n in wanted.items() if found.get(name, 0) < n]
    odd = [f"{name} {n} for {wanted.get(name, 0)}" for name, n in sorted(found.items()) if n > wanted.get(name, -1)]
    return missing, odd


def _first(told: list[str]) -> str:
    return ", ".join(told[:3]) + (", ..." if len(told) > 3 else "")


def _archive_in(root: Path) -> Path:
    older = root / f"{FOLDER}.tar.gz"  # in this form it was spread before, and it lies inside of the zip
    return older if older.is_file() else root / "caltech-101.zip"


def _extract(root: Path) -> None:
    """Extract the archive, downloaded where need be, aside: no half-extracted folder has the final name."""
    archive, aside = _archive_in(root), root / ".extracting"
    if archive.suffix == ".zip":
        try:
            fetch_archive(URL, archive, MD5)
        except UserError as error:
            raise UserError(
                f"Caltech101 is not in {root}: {error} Or put the folder {FOLDER} or {FOLDER}.tar.gz there, or use "
                f"--dataset patterns, which needs no download."
            ) from error
    try:
        shutil.rmtree(aside, ignore_errors=True)  # of one that was killed
        aside.mkdir()
        extract_archive(archive, aside)
        for inner in aside.glob(f"*/{FOLDER}.tar.gz"):
            extract_archive(inner, aside)
        if (root / FOLDER).is_dir():  # it lacks pictures and holds none besides those of the archive
            (root / FOLDER).rename(aside / "replaced")
        (aside / FOLDER).rename(root / FOLDER)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{archive}: cannot be extracted ({error}). Delete it to have it downloaded anew, or see whether the disk "
            f"is full."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
