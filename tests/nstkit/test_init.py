"""The package answers at once, and gives what it offers when it is asked."""

import subprocess
import sys

import pytest

import nstkit
from nstkit.backbones import prepare


def test_it_does_not_wait_for_torch():
    script = "import sys, nstkit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_it_offers_what_it_lists():
    assert nstkit.load_backbone is prepare.load_backbone
    assert {"Backbone", "UserError", "load_backbone", "sample", "quality"} <= set(dir(nstkit))
    assert all(getattr(nstkit, name) is not None for name in dir(nstkit))


def test_what_it_has_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'nstkit' has no attribute 'load_backbones'"):
        _ = nstkit.load_backbones
