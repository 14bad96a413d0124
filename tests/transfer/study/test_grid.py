"""The parts of a study: what is measured of a cell, and how it is said."""

import torch

from transfer.painting.scene import Scene
from transfer.study.grid import build_cost, captions, describe

ROW = {
    **{"backbone": "vgg19", "content": "boat", "style": "dots", "size_px": 48, "variant": "adam"},
    **{"style_weight": 3.0, "seed": 1, "time_s": 1.25, "loss/style": 0.25, "loss/content": 0.5, "cost": 3.0},
}


def test_cost_is_eleven_parts_at_most_whatever_a_variant_optimises(backbone, content, style_of_content_size):
    cost_of = build_cost(backbone, Scene(content, style_of_content_size))
    torch.testing.assert_close(cost_of(content), 10.0, rtol=1e-5, atol=0)  # style 1, content 0
    assert 0 < cost_of(style_of_content_size) < 10  # style 0


def test_line_and_captions_say_what_was_painted_and_how_it_was_judged():
    assert describe(ROW) == "vgg19 boat x dots 48 px adam style weight 3 seed 1: style loss 0.25  cost 3  1.2 s"
    judged = {**ROW, "judge/style": -0.125, "judge/content": 0.75}
    assert describe(judged).endswith("1.2 s  style -0.125  content 0.750")
    assert captions(judged) == (
        "vgg19 48 px",
        "boat x dots",
        "adam sw 3 seed 1",
        "loss 0.250 style -0.125 content 0.750",
    )
    failed = {**{name: value for name, value in ROW.items() if "/" not in name}, "error": "no tap varies"}
    assert describe(failed).endswith("seed 1: no tap varies")
    assert captions(failed)[-1] == "no tap varies"
