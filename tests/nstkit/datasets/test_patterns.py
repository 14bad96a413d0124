"""The embedded data set: reproducible, balanced, and told only by shape and texture together."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from nstkit.datasets.patterns import (
    CLASSES,
    SHAPES,
    TEXTURES,
    draw_knobs,
    draw_patterns,
    paint,
    shape_cover,
    texture_cover,
)

CHANCE = 1 / len(CLASSES)


@pytest.fixture(scope="module")
def small_set():
    return draw_patterns(1800, 32, seed=0)


@pytest.mark.parametrize("size_px", [16, 17, 32, 96, 400])
def test_shapes_and_types(size_px):
    pictures, labels = draw_patterns(13, size_px, seed=0)
    assert pictures.shape == (13, 3, size_px, size_px)
    assert pictures.dtype == np.uint8
    assert labels.dtype == np.int64
    assert labels.tolist() == [*range(12), 0]
    assert np.all(pictures.std(axis=(1, 2, 3)) > 5)


def test_classes_are_every_shape_with_every_texture():
    assert len(set(CLASSES)) == 12
    assert CLASSES[0] == "disk-stripes"
    assert {tuple(name.split("-")) for name in CLASSES} == {
        (shape, texture) for shape in SHAPES for texture in TEXTURES
    }


def test_same_seed_same_bytes_and_another_seed_another_set():
    first, again, other = (draw_patterns(24, 32, seed)[0] for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes()
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_picture_does_not_depend_on_count(small_set):
    # 1800 pictures take many batches, 131 end inside the second one.
    for count in (1, 131):
        pictures, labels = draw_patterns(count, 32, seed=0)
        assert np.array_equal(pictures, small_set[0][:count])
        assert np.array_equal(labels, small_set[1][:count])


def test_every_picture_is_different(small_set):
    assert len({picture.tobytes() for picture in small_set[0]}) == len(small_set[0])


def test_classes_are_balanced(small_set):
    assert np.bincount(small_set[1]).tolist() == [150] * 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 32, 0), "count is 0; allowed is 1"),
        ((1, 15, 0), "size_px is 15; allowed is 16"),
        ((1, 32, -1), "seed is -1; allowed is 0"),
    ],
)
def test_bad_input_names_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_patterns(*arguments)


def _mean_color(pictures):
    return pictures.mean(axis=(2, 3)) / 255


def _color_histogram(pictures):
    codes = (pictures // 64 * np.array([16, 4, 1])[:, None, None]).sum(axis=1).reshape(len(pictures), -1)
    return np.stack([np.bincount(row, minlength=64) for row in codes]) / codes.shape[1]


@pytest.mark.parametrize("feature", [_mean_color, _color_histogram])
def test_color_does_not_tell_the_class(feature, small_set):
    pictures, labels = small_set
    x = feature(pictures)
    score = LogisticRegression(max_iter=300).fit(x[:1200], labels[:1200]).score(x[1200:], labels[1200:])
    # Four standard deviations of a guess on 600 pictures.
    assert score < CHANCE + 4 * np.sqrt(CHANCE * (1 - CHANCE) / 600)


@pytest.mark.parametrize(
    ("shape", "corner_share"), [("disk", 1.0), ("square", 1.253), ("triangle", 1.556), ("cross", 1.226)]
)
def test_shape_has_its_outline_and_the_area_of_the_disk(shape, corner_share):
    size_px = 400
    place = np.array([[0.5, 0.5, 0.2, 0.1]], dtype=np.float32)
    radius = size_px * (0.25 + 0.09 * 0.2)
    cover = shape_cover(np.array([SHAPES.index(shape)]), place, size_px)[0]
    assert cover.sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    ticks = np.arange(size_px) - (size_px - 1) / 2
    farthest = np.hypot(ticks, ticks[:, None])[cover > 0.5].max() / radius
    assert farthest == pytest.approx(corner_share, rel=0.02)


def test_shape_is_moved_turned_and_scaled():
    place = np.random.default_rng(0).random((64, 4)).astype(np.float32)
    cover = shape_cover(np.full(64, SHAPES.index("square")), place, 64)
    ticks = np.arange(64)
    center_x = (cover * ticks).sum(axis=(1, 2)) / cover.sum(axis=(1, 2))
    assert center_x.max() - center_x.min() > 64 * 0.15
    assert cover.sum(axis=(1, 2)).max() > 1.5 * cover.sum(axis=(1, 2)).min()


@pytest.mark.parametrize(("size_px", "longest"), [(16, 4.0), (32, 6.4), (128, 25.6)])
def test_texture_period_is_visible_and_grows_with_the_picture(size_px, longest):
    knobs = np.zeros((2, 5), dtype=np.float32)
    knobs[1, 0] = 1
    rows = texture_cover(np.full(2, TEXTURES.index("stripes")), knobs, size_px)[:, 0]
    spectrum = np.abs(np.fft.rfft(rows - rows.mean(axis=1, keepdims=True), n=16 * size_px))
    period = 16 * size_px / spectrum.argmax(axis=1)
    assert period == pytest.approx([max(4, size_px / 8), longest], rel=0.05)


@pytest.mark.parametrize(("texture", "share"), [("stripes", 0.5), ("checks", 0.5), ("dots", 0.375)])
def test_texture_has_its_share_of_the_first_color(texture, share):
    knobs = np.random.default_rng(0).random((50, 5)).astype(np.float32)
    knobs[:, 4] = 0.5
    cover = texture_cover(np.full(50, TEXTURES.index(texture)), knobs, 128)
    assert cover.mean() == pytest.approx(share, abs=0.01)
    assert cover.min() == 0
    assert cover.max() == 1


def _paint_all(size_px=64, is_plain=True):
    """Return the twelve classes with the same knobs otherwise, (shape, texture, 3, S, S), for 8 scenes."""
    knobs = draw_knobs(range(8), size_px, seed=5)
    knobs.noise[:] = 0
    knobs.ground[:, 1] = 0 if is_plain else 1
    by_class = [paint(knobs, np.full(8, label)) for label in range(len(CLASSES))]
    return knobs, np.stack(by_class, axis=1).reshape(8, len(SHAPES), len(TEXTURES), 3, size_px, size_px).astype(int)


def test_texture_changes_only_inside_the_shape_on_a_plain_ground():
    knobs, pictures = _paint_all()
    for index in range(len(SHAPES)):
        inside = shape_cover(np.full(8, index), knobs.place, 64)
        for other in (1, 2):
            change = np.abs(pictures[:, index, other] - pictures[:, index, 0]).max(axis=1)
            assert np.all(change[inside == 0] == 0)
            share = ((change > 40) & (inside == 1)).sum(axis=(1, 2)) / (inside == 1).sum(axis=(1, 2))
            assert np.all(share > 0.2)


def test_shape_changes_only_the_outline():
    knobs, pictures = _paint_all(is_plain=False)
    covers = np.stack([shape_cover(np.full(8, index), knobs.place, 64) for index in range(len(SHAPES))])
    for other in range(1, len(SHAPES)):
        change = np.abs(pictures[:, other] - pictures[:, 0]).max(axis=(1, 2))
        is_same = covers[other] == covers[0]
        assert np.all(change[is_same] == 0)
        assert np.all((change > 40).sum(axis=(1, 2)) > 0.01 * 64**2)


def test_ground_never_repeats_the_texture_of_the_shape():
    knobs = draw_knobs(range(64), 32, seed=5)
    knobs.noise[:] = 0
    knobs.ground[:, 1] = 1
    # The same texture in the same place and colours would make the shape invisible.
    knobs.textures[:, 0] = knobs.textures[:, 1]
    knobs.colors[:, 0] = knobs.colors[:, 1]
    for texture in range(len(TEXTURES)):
        disk, cross = (paint(knobs, np.full(64, 3 * shape + texture)).astype(int) for shape in (0, 3))
        assert np.all(np.abs(disk - cross).max(axis=(1, 2, 3)) > 20)


def _straightness(pictures, border):
    """Return the coherence of the structure tensor, (N,): 1 where all edges run one way, 0 where they run every way."""
    grey = pictures.mean(axis=1)[:, border:-border, border:-border]
    down, right = np.gradient(grey, axis=(1, 2))
    energy = (down**2 + right**2).sum(axis=(1, 2))
    return np.hypot((right**2 - down**2).sum(axis=(1, 2)), 2 * (right * down).sum(axis=(1, 2))) / energy


def test_stripes_run_one_way_and_are_visible_at_32_px(small_set):
    pictures, labels = small_set
    # The middle 8 px lie inside most shapes.
    straightness = _straightness(pictures.astype(float), border=12)
    is_striped = labels % len(TEXTURES) == TEXTURES.index("stripes")
    assert np.median(straightness[is_striped]) > 0.6
    assert np.median(straightness[~is_striped]) < 0.4
