"""A name is a name and no path."""

import pytest

from nstkit.config import RunSettings


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../x", "a/b", "a\\b", "/tmp/x", ".git", "a\nb", "a" * 201, "猫" * 70]
)
def test_name_of_a_run_is_a_name_and_no_path(name, user_error):
    with user_error("--run-name", "name", "wanted"):
        RunSettings(run_name=name)
