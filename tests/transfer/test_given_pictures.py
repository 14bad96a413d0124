"""Styles, blends and masks as Python gives them: of any kind, and as the command reads them from files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.errors import UserError
from transfer import stylize
from transfer.config import PictureSettings
from transfer.given_pictures import blended, scene_of
from transfer.pairs import read_pairs

QUICK = {"device": "cpu", "precision": "fp32", "steps": 3, "size": 48}
HALVES = np.zeros((48, 60, 3), np.uint8)
HALVES[:, :30] = (255, 0, 0)
HALVES[:, 30:] = (0, 0, 255)


def test_blend_takes_words_and_pairs_alike(style, pictures):
    waves = pictures / "style" / "waves.jpg"
    found, shares = blended([f"{waves}=1", (style, 3.0)])
    assert found[0] is style
    assert found[1] == str(waves)
    assert shares == (0.75, 0.25)
    with pytest.raises(UserError, match="the weights sum to 0"):
        blended([(style, 0.0), (style, 0.0)])
    with pytest.raises(UserError, match="the weight is no number from 0"):
        blended([(style, float("nan"))])


def test_scene_is_that_of_the_command(pictures, tmp_path, cpu):
    Image.fromarray(HALVES).save(tmp_path / "mask.png")
    content, styles = (
        pictures / "content" / "boat.png",
        [pictures / "style" / f"{name}.jpg" for name in ("dots", "waves")],
    )
    chosen = PictureSettings(
        content=(content,),
        blend=(f"{styles[0]}=3", str(styles[1])),
        content_mask=(tmp_path / "mask.png",),
        style_mask=(Path("red"), Path("blue")),
        region_weights=("blue=2",),
        size=40,
        style_scale=1.5,
    )
    (pair,) = read_pairs(chosen, "content")
    given = PictureSettings(size=40, style_scale=1.5, region_weights=("blue=2",))
    blend = [(Image.open(styles[0]), 3.0), (styles[1], 1.0)]
    found, expected = scene_of(given, content, None, blend, HALVES, ["red", Path("blue")]), pair.scene(40, cpu)
    for picture, other in zip(found.pictures, expected.pictures, strict=True):
        torch.testing.assert_close(picture, other, rtol=0, atol=0.1)  # files are decoded at the size that is needed
    assert found.shares == expected.shares
    for region, other in zip(found.regions, expected.regions, strict=True):
        assert (region.name, region.weight) == (other.name, other.weight)
        torch.testing.assert_close(region.content, other.content)
        assert [guide.shape for guide in region.styles] == [guide.shape for guide in other.styles]


def test_tensor_of_a_style_is_scaled_from_its_own_size(content, style):
    scene = scene_of(PictureSettings(size=999, style_scale=0.5), content, style)
    assert scene.sizes == ((40, 48), [(18, 26)])


def test_what_is_not_painted_stays_exactly_as_it_is(backbone, content, style):
    mask = torch.zeros(1, 3, 40, 48)
    mask[..., :24] = 1
    for settings in ({"jitter": 3, "optimizer": "adam", "average": 0.5}, {"scales": 2, "color": "luminance"}):
        result = stylize(content, style, backbone=backbone, content_mask=mask, init="noise", **settings, **QUICK)
        torch.testing.assert_close(result[..., 32:], content[..., 32:], rtol=0, atol=1e-3)
        assert (result[..., :20] - content[..., :20]).abs().mean() > 0.03


def test_luminance_keeps_the_colours(backbone, content, style):
    muted = 0.3 + 0.3 * content
    kept, taken = (
        stylize(muted, style, backbone=backbone, color=color, **{**QUICK, "steps": 10})
        for color in ("luminance", "style")
    )
    difference = [
        ((x - x.mean(dim=1, keepdim=True)) - (muted - muted.mean(dim=1, keepdim=True))).abs().mean()
        for x in (kept, taken)
    ]
    assert difference[0] < 0.5 * difference[1]
    assert (kept - muted).abs().mean() > 0.005


@pytest.mark.parametrize("statistic", ["covariance", "nearest-neighbours"])
def test_every_control_goes_with_every_other(statistic, backbone, content, style, draw_picture):
    blend = [(style, 1.0), (draw_picture((30, 40)), 2.0)]
    result = stylize(
        content, None, backbone=backbone, blend=blend, content_mask=HALVES[:40, :48], style_mask=["red", "blue"],
        statistic=statistic, color="covariance", style_scale=1.3, octaves=2, normalize_gradients=True, **QUICK
    )  # fmt: skip
    assert result.shape == content.shape
    assert (result - content).abs().mean() > 1e-3


def test_mistakes_are_user_errors(backbone, content, style):
    wrong = [
        ({"style": style, "blend": ["a.jpg"]}, "style beside blend"),
        ({"style": style, "style_mask": ["red", "blue"]}, "style_mask: 2 masks for 1 styles"),
        ({"style": style, "region_weights": ["red=2"]}, "region_weights without content_mask"),
        ({"style": style, "content_mask": HALVES[:40, :48], "style_mask": "green"}, "have no colour in common"),
        ({"style": None, "blend": []}, "mode transfer: it needs a content and a style picture"),
    ]
    for settings, message in wrong:
        with pytest.raises(UserError, match=message):
            stylize(content, settings.pop("style"), backbone=backbone, **settings, **QUICK)
