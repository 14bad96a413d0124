"""What cannot be measured is refused in one message."""

import pytest

from nstkit.quality.config import QualityConfig


def test_defaults_can_be_measured():
    assert QualityConfig().extractor.backbone == ("carried",)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"limit": 1}, ["--limit 1 (at least 2)"]),
        ({"image_size": 7}, ["--image-size 7 (at least 8)"]),
        ({"limit": 0, "image_size": 0}, ["--limit 0 (at least 2)", "--image-size 0 (at least 8)"]),
    ],
)
def test_what_is_out_of_range_is_named_with_what_is_allowed(settings, words, user_error):
    with user_error("not allowed: ", *words):
        QualityConfig.of(**settings)


@pytest.mark.parametrize("settings", [{"limit": 2}, {"image_size": 8}])
def test_the_least_is_allowed(settings):
    QualityConfig.of(**settings)


def test_nothing_to_measure_is_refused(user_error):
    with user_error("--backbone without a name"):
        QualityConfig.of(backbone=())
