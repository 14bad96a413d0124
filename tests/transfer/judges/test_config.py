from pathlib import Path

import pytest

from nstkit.errors import UserError
from transfer.judges.config import LEAST_PX, JudgesConfig

PICTURE = Path("a.png")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "nothing to do"),
        ({"picture": (PICTURE,)}, "give both"),
        ({"picture": (PICTURE,), "content": (PICTURE, PICTURE), "style": (PICTURE,)}, "one --content PHOTO"),
        ({"picture": (PICTURE,), "validate": True}, "one after the other"),
        ({"validate": True, "size": LEAST_PX - 1, "pairs": 0}, "--pairs 0 (at least 1), --size 95 (at least 96)"),
    ],
)
def test_mistakes_are_named_in_one_line(settings, expected):
    with pytest.raises(UserError) as error:
        JudgesConfig.of(**settings)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_what_can_be_done_is_taken():
    JudgesConfig.of(picture=(PICTURE,), content=(PICTURE,), style=(PICTURE,))
    JudgesConfig.of(validate=True, content=(PICTURE, PICTURE), size=LEAST_PX)
    JudgesConfig.of(print_config=True)  # settings may be looked at before there is a picture
