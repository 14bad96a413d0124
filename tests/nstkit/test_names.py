"""A name is a name and no path."""

from pathlib import Path

import pytest

from nstkit.config import RunSettings


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../x", "a/b", "a\\b", "/tmp/x", ".git", "a\nb", "a" * 201, "猫" * 70]
)
def test_name_of_a_run_is_a_name_and_no_path(name, user_error):
    with user_error("--run-name", "name", "wanted"):
        RunSettings(run_name=name)


def test_folder_that_tensorboard_cannot_name_is_refused(user_error):
    with user_error("--runs-dir runs/caf\udce9", "not UTF-8"):
        RunSettings(runs_dir=Path("runs/caf\udce9"))
    assert str(RunSettings(runs_dir=Path("läufe/猫")).runs_dir) == "läufe/猫"
