"""What is said of each picture."""

import pytest

from transfer.batch import summary
from transfer.config import TransferConfig
from transfer.painting.loop import Painting


def config_of(**given):
    return TransferConfig.of(**{"size": 72, **given}).resolved()


@pytest.mark.parametrize(
    ("mode", "interrupted", "expected"),
    [
        ("transfer", False, "a.png  style loss 0.25  1.5 s"),
        ("transfer", True, "a.png  style loss 0.25  1.5 s  interrupted at 7 of 100"),
        ("content", False, "a.png  content loss 0.5  1.5 s"),
    ],
)
def test_line_about_a_picture(mode, interrupted, expected, content, tmp_path):
    painting = Painting(content, {"loss/style": 0.25, "loss/content": 0.5}, 7, 1.5, interrupted)
    assert summary(tmp_path / "a.png", painting, config_of(mode=mode)).endswith(expected)
