"""Masks: which colours are regions, how they are paired, and what is said about the rest."""

import numpy as np
import pytest
from PIL import Image

from nstkit.errors import UserError
from transfer.painting.masks import colour_name, pair_masks, parse_colour, split_colours

RED, GREEN, BLUE, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)


def stripes(*colours, size=(24, 12)):
    """Return a mask of upright stripes of equal width."""
    mask = np.zeros((size[1], size[0], 3), np.uint8)
    for number, colour in enumerate(colours):
        mask[:, number * size[0] // len(colours) :] = colour
    return Image.fromarray(mask)


def test_each_colour_is_a_number_the_largest_first():
    colours, labels = split_colours(stripes(RED, BLUE, BLUE), "--content-mask")
    assert colours == [BLUE, RED]
    assert labels.shape == (12, 24)
    assert labels[5].tolist() == [1] * 8 + [0] * 16


def test_smooth_edges_and_the_noise_of_a_jpeg_make_no_regions(tmp_path):
    sharp = stripes(RED, BLACK, WHITE, size=(96, 64))
    sharp.save(tmp_path / "mask.jpg", quality=60)
    smooth = sharp.resize((200, 130), Image.Resampling.BICUBIC)
    for mask in (Image.open(tmp_path / "mask.jpg"), smooth):
        colours, labels = split_colours(mask, "--content-mask")
        assert len(colours) == 3
        third = mask.width // 3
        assert all(len(set(labels[:, place].tolist())) == 1 for place in (third // 2, third + third // 2, -5))


def test_small_square_is_a_region_and_a_thin_line_is_not():
    mask = np.zeros((40, 40, 3), np.uint8)
    mask[5:8, 5:8] = RED
    mask[:, 30] = GREEN
    assert split_colours(Image.fromarray(mask), "--content-mask")[0] == [BLACK, RED]


def test_photograph_is_no_mask(draw_picture):
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    grey = Image.linear_gradient("L").convert("RGB")
    for picture in (Image.fromarray(noise), grey, draw_picture((60, 40))):
        with pytest.raises(UserError, match=r"--style-mask: \d+ colours and \d+% shades between them\. A mask has one"):
            split_colours(picture, "--style-mask")


def test_regions_are_paired_by_colour_wherever_they_lie():
    masks = pair_masks(stripes(RED, RED, BLUE), [stripes(BLUE, (250, 8, 8), size=(8, 8))])
    assert masks.names == ("#ff0000", "#0000ff")
    assert masks.content[0].tolist() == [0] * 16 + [1] * 8
    assert masks.styles[0][0].tolist() == [1] * 4 + [0] * 4
    assert masks.weights == (1.0, 1.0)


def test_colours_without_a_partner_are_said_and_left_out():
    with pytest.warns(UserWarning, match="-mask: #") as caught:
        masks = pair_masks(stripes(RED, BLACK), [stripes(RED, GREEN)])
    assert [str(each.message) for each in caught] == [
        "--content-mask: #000000 is not in --style-mask and stays as in the photograph",
        "--style-mask: #00ff00 is not in --content-mask and not used",
    ]
    assert masks.names == ("#ff0000",)
    assert masks.content[0].tolist() == [0] * 12 + [-1] * 12
    assert masks.styles[0][0].tolist() == [0] * 12 + [-1] * 12


def test_black_is_a_region_where_both_have_it():
    assert pair_masks(stripes(BLACK, WHITE), [stripes(WHITE, BLACK)]).names == ("#000000", "#ffffff")


def test_mask_of_the_content_alone_leaves_black():
    masks = pair_masks(stripes(BLACK, RED, BLUE), [])
    assert set(masks.names) == {"#ff0000", "#0000ff"}
    assert set(masks.content[0].tolist()) == {-1, 0, 1}
    assert (masks.content[0, :8] == -1).all()
    assert masks.styles == ()


def test_mask_of_the_style_alone_takes_all_that_is_not_black():
    masks = pair_masks(None, [stripes(BLACK, RED, BLUE)])
    assert (masks.names, masks.content) == (("",), None)
    assert masks.styles[0][0].tolist() == [-1] * 8 + [0] * 16


def test_each_style_of_a_blend_has_its_own_regions():
    red, blue = Image.new("RGB", (1, 1), RED), Image.new("RGB", (1, 1), BLUE)
    masks = pair_masks(stripes(RED, RED, BLUE), [red, blue])
    assert masks.names == ("#ff0000", "#0000ff")
    assert [labels.tolist() for labels in masks.styles] == [[[0]], [[1]]]


def test_nothing_in_common_and_nothing_but_black_are_refused():
    with pytest.raises(UserError, match=r"--content-mask \(#ff0000\) and --style-mask \(#0000ff\) have no colour in"):
        pair_masks(stripes(RED), [stripes(BLUE)])
    for arguments, flag in (((stripes(BLACK), []), "--content-mask"), ((None, [stripes(BLACK)]), "--style-mask")):
        with pytest.raises(UserError, match=f"{flag}: all of it is black"):
            pair_masks(*arguments)
    assert pair_masks(None, []) is None


def test_weights_go_to_the_regions_of_their_colours():
    assert pair_masks(stripes(RED, RED, BLUE), [], {"blue": 3.0, "#ff0000": 0.5}).weights == (0.5, 3.0)
    for name in ("green", "nonsense"):
        with pytest.raises(UserError, match=f"--region-weights {name}: no region has .* Allowed: #ff0000, #0000ff"):
            pair_masks(stripes(RED, RED, BLUE), [], {name: 1.0})
    with pytest.raises(UserError, match="Allowed: none, without --content-mask"):
        pair_masks(None, [stripes(RED)], {"red": 2.0})


def test_names_of_colours():
    assert (colour_name(RED), parse_colour("red"), parse_colour("#0000FF")) == ("#ff0000", RED, BLUE)
    assert parse_colour("sky.png") is None
