"""A run goes on, or is repeated, on the pictures that it was trained on and on no others."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from nstkit.datasets.alter import altered
from nstkit.errors import UserError
from train_backbone.__main__ import main
from train_backbone.config import TrainConfig
from train_backbone.final_fit import check_fitted_data
from train_backbone.resume import check_same_data


def _rename(before, after):
    return lambda root: [(root / part / before).rename(root / part / after) for part in ("train", "test")]


def _pictures(root, name="checks", part="train"):
    return sorted((root / part / name).glob("*.png"))


CHANGES = {
    "class of another place": (_rename("checks", "zebra"), "classes gone: checks; classes added: zebra"),
    "classes swapped": (
        lambda root: [_rename(*names)(root) for names in (("checks", "x"), ("dots", "checks"), ("x", "dots"))],
        "pictures of other names, labels or parts, though as many",
    ),
    "picture gone": (lambda root: _pictures(root)[5].unlink(), "87 train pictures then, 86 now"),
    "test picture gone": (lambda root: _pictures(root, part="test")[5].unlink(), "24 test pictures then, 23 now"),
    "picture more": (
        lambda root: shutil.copy(_pictures(root)[5], root / "train" / "checks" / "zzz.png"),
        "87 train pictures then, 88 now",
    ),
    "picture renamed": (
        lambda root: _pictures(root)[5].rename(root / "train" / "checks" / "zzz.png"),
        "pictures of other names, labels or parts, though as many",
    ),
    "picture of another class": (
        lambda root: (
            _pictures(root)[5].rename(root / "train" / "dots" / "zzz.png"),
            _pictures(root, "dots")[5].rename(root / "train" / "checks" / "zzz.png"),
        ),
        "pictures of other names, labels or parts, though as many",
    ),
    "class more": (
        lambda root: [shutil.copytree(root / part / "checks", root / part / "rings") for part in ("train", "test")],
        "classes added: rings; 87 train pictures then, 116 now; 9 val pictures then, 12 now; 24 test pictures then, 32",
    ),
    "class less": (
        lambda root: [shutil.rmtree(root / part / "dots") for part in ("train", "test")],
        "classes gone: dots; 87 train pictures then, 58 now; 9 val pictures then, 6 now; 24 test pictures then, 16 now",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_run_does_not_go_on_with_other_pictures(
    change, trained_run, class_folders, tiny_training, tmp_path, call_command, capsys
):
    alter, message = CHANGES[change]
    root = shutil.copytree(class_folders, tmp_path / "data", ignore=shutil.ignore_patterns(".nstkit*"))
    alter(root)
    before = {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}
    for flag in ("--resume", "--final-fit"):
        words = (*tiny_training, "--data-dir", root, "--runs-dir", tmp_path / "runs", flag, trained_run)
        assert call_command(main, *words) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {flag} {trained_run}: that run was trained on other data: {message}")
        assert error.endswith("Restore the data, or train anew under another --run-name.\n")
        assert error.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")} == before
    assert not (tmp_path / "runs").exists()


def test_auto_refuses_other_pictures_and_another_name_begins_anew(train, class_folders, tmp_path, capsys):
    root = shutil.copytree(class_folders, tmp_path / "data", ignore=shutil.ignore_patterns(".nstkit*"))
    words = ("--data-dir", root, "--epochs", 2, "--resume", "auto")
    assert train(*words, "--run-name", "a", cut_at=12)[0] == 130
    _pictures(root)[5].unlink()
    capsys.readouterr()
    code, folders = train(*words, "--run-name", "a")
    assert (code, len(folders)) == (2, 1)
    assert capsys.readouterr().err.startswith(
        f"error: --resume {folders[0]}: that run was trained on other data: 87 tr"
    )
    code, folders = train(*words, "--run-name", "b", cut_at=12)
    assert (code, [folder.name for folder in folders]) == (130, ["a", "b"])


def test_same_pictures_in_another_place_are_the_same_data(trained_run, data):
    content = {"classes": list(data.classes), "split": data.split, "pictures": data.counts}
    check_same_data("--resume x", content, data.to(torch.device("cpu")))
    check_same_data("--resume x", {"classes": list(data.classes)}, data)  # of a run that kept no more
    other_order = dataclasses.replace(data, classes=data.classes[::-1])
    with pytest.raises(UserError, match=r"^--resume x: .* other data: classes in another order\. Restore"):
        check_same_data("--resume x", content, other_order)
    noisy = altered(data, train_fraction=1.0, label_noise=0.5, seed=0)
    with pytest.raises(UserError, match="other names, labels or parts, though as many"):
        check_same_data("--resume x", content, noisy)


def test_final_fit_of_another_seed_and_split_is_of_the_same_data(data):
    config = TrainConfig.of(final_fit=Path("run"), train_fraction=0.5, label_noise=0.2, seed=7, split_seed=3)
    first = altered(data, train_fraction=0.5, label_noise=0.2, seed=1)
    content = {
        "classes": list(data.classes),
        "split": first.split,
        "pictures": first.counts,
        "config": {"seed": 1, "split_seed": 3},
    }
    check_fitted_data(config, data, content)
    content["config"]["seed"] = 2
    with pytest.raises(
        UserError, match=r"^--final-fit run: that run was trained on other data: pictures of other names"
    ):
        check_fitted_data(config, data, content)
    content["config"]["split_seed"] = 4  # then only the classes can be compared
    check_fitted_data(config, data, content)
