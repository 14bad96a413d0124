"""The package answers at once, and gives what it offers when it is asked."""

import subprocess
import sys

import pytest

from nstkit import quality
from nstkit.quality import measuring, twin


def test_it_does_not_wait_for_torch():
    script = "import sys, nstkit.quality; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_it_offers_each_from_its_home():
    offered = {name: getattr(quality, name) for name in quality.__all__}
    assert offered == {
        "MEASURES": measuring.MEASURES,
        "Quality": measuring.Quality,
        "measure_quality": measuring.measure_quality,
        "random_twin": twin.random_twin,
    }


def test_what_it_has_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'nstkit.quality' has no attribute 'twins'"):
        _ = quality.twins
