"""The format in which a network paints: what is timed, and how the network then lies in memory."""

import pytest
import torch

from nstkit.formats import Format, list_formats, measure
from transfer.painting.format import fit_format, painting, precision_in_place

FP32, BF16 = Format("fp32", "contiguous"), Format("bf16", "channels_last")


@pytest.mark.numerics
def test_work_is_the_network_to_its_deepest_tap_and_back_to_the_picture(backbone, settings):
    work = painting(backbone, settings().losses)
    for form in (FP32, BF16):
        (gradient,) = work.prepare(form, 64)()
        assert gradient.shape == (1, 3, 64, 64)
        assert gradient.abs().sum() > 0
        assert backbone.memory_format == form.layout
    assert measure(list_formats("auto", "auto", torch.device("cpu")), work)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "painting relu1_1 relu2_1 relu3_1 relu4_1 relu4_2 relu5_1"),
        ({"style_weight": 0.0}, "painting relu4_2"),
        ({"content_weight": 0.0, "style_taps": ("relu1_1", "relu2_1=3")}, "painting relu1_1 relu2_1"),
    ],
)
def test_only_taps_that_weigh_something_are_timed(given, expected, backbone, settings):
    assert painting(backbone, settings(**given).losses).name == expected


@pytest.mark.parametrize("fast", [FP32, BF16])
def test_network_is_laid_out_in_the_faster_one(fast, fastest, backbone, settings):
    works = fastest(*fast)
    assert fit_format(backbone, settings().losses, "auto").format == fast
    assert backbone.memory_format == fast.layout
    assert len(works) == 1


def test_what_is_asked_for_holds(fastest, backbone, settings):
    works = fastest(*BF16)
    assert fit_format(backbone, settings().losses, "fp32", "contiguous").format == FP32
    assert backbone.memory_format == torch.contiguous_format
    assert works == []


def test_network_of_somebody_else_stays_laid_out_as_it_is(fastest, backbone, settings):
    fastest("bf16", "contiguous")
    backbone.to_memory_format(torch.contiguous_format)
    assert precision_in_place(backbone, settings().losses, "auto") == "bf16"
    backbone.to_memory_format(torch.channels_last)
    assert precision_in_place(backbone, settings().losses, "auto") == "fp32"
    assert backbone.memory_format == torch.channels_last
