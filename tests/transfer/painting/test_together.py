"""Several scenes painted at one time come to what each comes to alone."""

import pytest
import torch

from nstkit.errors import UserError
from nstkit.pictures.tensors import to_tensor
from transfer.painting.loop import paint
from transfer.painting.scene import Scene
from transfer.painting.together import paint_together


@pytest.fixture
def scenes(draw_picture):
    """Three scenes of one size, whose styles differ in size."""
    return [
        Scene(to_tensor(draw_picture((48, 40), seed)), to_tensor(draw_picture((52 + 4 * seed, 36), seed + 5)))
        for seed in range(3)
    ]


@pytest.fixture
def passes(backbone, monkeypatch):
    """How many canvases the network sees in each pass with gradients."""
    counts, whole = [], backbone.features

    def features(image, names):
        if image.requires_grad:
            counts.append(len(image))
        return whole(image, names)

    monkeypatch.setattr(backbone, "features", features)
    return counts


@pytest.mark.parametrize(
    "given", [{}, {"octaves": 1, "canvas": "fourier"}, {"statistic": "mean-std"}, {"scales": 2, "steps": 8}]
)
def test_each_is_what_it_is_alone(given, scenes, backbone, settings, passes):
    chosen = settings(**{"steps": 6, "jitter": None, **given})
    alone = [paint(scene, backbone, chosen) for scene in scenes]
    passes.clear()
    steps = [[], [], []]
    together = paint_together(scenes, backbone, [chosen] * 3, [each.append for each in steps])
    assert set(passes) == {3}
    for one, other, seen in zip(alone, together, steps, strict=True):
        torch.testing.assert_close(other.image, one.image, rtol=0, atol=1e-3)
        assert other.scalars["loss/total"] == pytest.approx(one.scalars["loss/total"], rel=1e-3)
        assert [step.number for step in seen] == list(range(1, len(seen) + 1))
        assert len(seen) == chosen.optimization.steps


def test_what_cannot_be_seen_together_is_painted_all_the_same(scenes, backbone, settings, passes, draw_picture):
    wide = Scene(to_tensor(draw_picture((64, 40))), scenes[0].style)
    chosen = settings(steps=3)

    def fail(step):
        raise UserError("the loss is not finite")

    def nothing(step):
        pass

    reports = [nothing, nothing, fail, nothing]
    found = paint_together([scenes[0], wide, scenes[2], scenes[1]], backbone, [chosen] * 4, reports)
    assert [isinstance(each, UserError) for each in found] == [False, False, True, False]
    assert passes == [3, 1, 2, 1, 2, 1]
    assert found[1].image.shape == (1, 3, 40, 64)


def test_canvas_that_is_done_leaves_the_others(scenes, backbone, settings, passes):
    short, long = settings(steps=2), settings(steps=5)
    found = paint_together(scenes, backbone, [short, long, long], [lambda step: None] * 3)
    assert passes == [3, 3, 2, 2, 2]
    assert all(each.image.shape == (1, 3, 40, 48) for each in found)
