"""What is registered: fixed by a hash, and refused to change once there are results."""

import hashlib
import json

import pytest

from nstkit.errors import UserError
from transfer.study.registration import check_registration, digest_of, read_registration, register

CONTENT = {"outcome": "judge/style", "margin": 0.03, "networks": [{"network": "a", "weights": "1f"}]}


def test_hash_is_that_of_the_registered_part_as_canonical_json(tmp_path):
    digest = register(tmp_path, CONTENT)
    text = '{"margin":0.03,"networks":[{"network":"a","weights":"1f"}],"outcome":"judge/style"}'
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    written = json.loads((tmp_path / "registration.json").read_text())
    assert (written["registered"], written["sha256"]) == (CONTENT, digest)
    assert written["time"].startswith("20")
    assert digest_of(dict(reversed(CONTENT.items()))) == digest


def test_registering_again_leaves_the_time_of_the_first(tmp_path):
    register(tmp_path, CONTENT)
    before = (tmp_path / "registration.json").read_bytes()
    (tmp_path / "results.csv").touch()
    register(tmp_path, CONTENT)
    assert (tmp_path / "registration.json").read_bytes() == before


@pytest.mark.parametrize("result", ["results.csv", "cells/3f.png"])
def test_change_after_results_is_refused_and_before_them_it_is_not(result, tmp_path):
    register(tmp_path, CONTENT)
    changed = {**CONTENT, "margin": 0.05}
    assert register(tmp_path, changed) == digest_of(changed)
    (tmp_path / result).parent.mkdir(exist_ok=True)
    (tmp_path / result).touch()
    before = (tmp_path / "registration.json").read_bytes()
    with pytest.raises(
        UserError, match=r"registration\.json: margin registered otherwise on 20.*under another --run-name"
    ):
        register(tmp_path, CONTENT)
    with pytest.raises(UserError, match="margin registered otherwise"):
        check_registration(tmp_path, CONTENT)
    assert (tmp_path / "registration.json").read_bytes() == before
    check_registration(tmp_path, changed)


@pytest.mark.parametrize("damage", [("0.03", "0.05"), ("sha256", "sha"), ("{", "[")])
def test_file_that_was_changed_is_seen(damage, tmp_path):
    register(tmp_path, CONTENT)
    path = tmp_path / "registration.json"
    path.write_text(path.read_text().replace(*damage, 1))
    with pytest.raises(UserError, match=r"registration\.json: changed since it was written"):
        read_registration(tmp_path)


def test_nothing_registered_is_none(tmp_path):
    assert read_registration(tmp_path) is None
