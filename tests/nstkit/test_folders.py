"""Which folder a run gets: its name, and that one process at a time writes into it."""

import contextlib
import os
import re

import pytest

from nstkit.config import RunSettings
from nstkit.folders import LOCK, held, is_taken, new_folder, run_names, slugify


def test_folder_is_taken_once_a_whole_file_is_in_it(tmp_path):
    folder = tmp_path / "run"
    assert not is_taken(folder)
    folder.mkdir()
    assert not is_taken(folder)
    (folder / ".config.json.abcd1234.nstkit-part").touch()
    assert not is_taken(folder)
    (folder / "config.json").touch()
    assert is_taken(folder)
    (tmp_path / "file").touch()
    assert is_taken(tmp_path / "file")


def test_folder_without_a_name_tells_when_and_what_and_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr("nstkit.folders.time.strftime", lambda pattern: "260102-030405")
    name = "vgg19-a-b-260102-030405"
    for expected in (name, f"{name}~2", f"{name}~3"):
        with new_folder(tmp_path, None, "vgg19 / a b") as folder:
            assert folder == tmp_path / expected
            (folder / "config.json").touch()
    monkeypatch.undo()
    with new_folder(tmp_path, None, "slug") as folder:
        assert re.fullmatch(r"slug-\d{6}-\d{6}", folder.name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("vgg19", "vgg19"), ("../a\\b c", "a-b-c"), ("Bäume", "B-ume"), ("", "run"), ("..", "run"), ("x" * 200, "x" * 80)],
)
def test_slug_is_fit_for_a_folder(text, expected):
    assert slugify(text) == expected


def _settings(tmp_path, name):
    return RunSettings(runs_dir=tmp_path, run_name=name)


def test_each_backbone_of_a_command_has_a_run_of_its_own(tmp_path):
    assert run_names(_settings(tmp_path, None), "transfer", ("a", "b")) == [None, None]
    assert run_names(_settings(tmp_path, "x"), "transfer", ("a",)) == ["x"]
    assert run_names(_settings(tmp_path, "x"), "transfer", ("a", "b", "A")) == ["x-a", "x-b", "x-A~2"]
    first, second = run_names(_settings(tmp_path, "漢" * 60), "transfer", ("字" * 30, "字" * 31))
    assert first != second
    assert max(len(name.encode()) for name in (first, second)) <= 200


def test_taken_name_is_refused_before_the_work(tmp_path, user_error):
    folder = tmp_path / "transfer" / "mine"
    (folder / ".git").mkdir(parents=True)
    assert run_names(_settings(tmp_path, "mine"), "transfer") == ["mine"]  # nothing was begun there
    (folder / "notes.txt").touch()
    for may_continue in (False, True):  # what is no run is not continued either
        with user_error("--run-name mine", "Choose another name"):
            run_names(_settings(tmp_path, "mine"), "transfer", may_continue=may_continue)
    assert run_names(_settings(tmp_path, "mine"), "quality") == ["mine"]
    for name in ("config.json", "metrics.jsonl"):
        (folder / name).touch()
    assert run_names(_settings(tmp_path, "mine"), "transfer", may_continue=True) == ["mine"]
    (tmp_path / "transfer" / "run-b").mkdir()
    (tmp_path / "transfer" / "run-b" / "config.json").touch()
    with user_error("--run-name run-b"):
        run_names(_settings(tmp_path, "run"), "transfer", ("a", "b"))


def test_second_process_is_refused_under_a_name_and_gets_another_folder_without(
    tmp_path, hold, user_error, monkeypatch
):
    monkeypatch.setattr("nstkit.folders.time.strftime", lambda pattern: "260102-030405")
    folder = tmp_path / "slug-260102-030405"
    folder.mkdir()
    with hold(folder / LOCK) as other:
        for place in (held(folder), new_folder(tmp_path, folder.name, "slug")):
            with user_error(f"process {other.pid} on ", "is writing into it", "another --run-name"), place:
                pytest.fail("two processes held one folder")
        with new_folder(tmp_path, None, "slug") as found:
            assert found.name == "slug-260102-030405~2"


@pytest.mark.parametrize("before", [None, (), (".git",)])
def test_folder_that_stays_empty_is_as_it_was_before(before, tmp_path):
    folder = tmp_path / "runs" / "transfer" / "run"
    if before is not None:
        folder.mkdir(parents=True)
        for name in before:
            (folder / name).mkdir()
    with contextlib.suppress(ZeroDivisionError), new_folder(folder.parent, "run", "slug"):
        raise ZeroDivisionError
    assert os.listdir(folder if before is not None else tmp_path) == [*(before or ())]


def test_folder_that_was_filled_while_it_was_made_is_refused(tmp_path, user_error):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").touch()
    with user_error("--run-name run", "is there already"), new_folder(tmp_path, "run", "slug"):
        pytest.fail("a taken folder was taken again")


def test_folder_that_cannot_be_written_is_named(tmp_path, user_error):
    (tmp_path / "file").write_bytes(b"")
    with user_error(tmp_path / "file" / "run", "cannot be written"), held(tmp_path / "file" / "run"):
        pytest.fail("a folder in a file was held")
