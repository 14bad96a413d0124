"""The estimate of a painting grows as paintings do, and only what surely does not fit is refused."""

from dataclasses import replace

import pytest
import torch

import nstkit
from nstkit.errors import UserError
from nstkit.memory import BASE_BYTES
from transfer.painting import estimate, loop
from transfer.painting.estimate import check_least_of, fit_memory, painting_bytes, tiles_line
from transfer.painting.least_memory import bytes_a_pair
from transfer.painting.loop import paint
from transfer.painting.scene import Scene
from transfer.painting.settings import MARGIN_PX, PaintSettings
from transfer.painting.tiles import Tiling

GIB = 2**30


@pytest.fixture(scope="module")
def carried():
    """The network that the package carries."""
    return nstkit.load_backbone("carried")


@pytest.fixture(scope="module")
def settings():
    """Resolved ones of one scale, on a canvas without a margin."""
    return PaintSettings.of(precision="fp32", scales=1, canvas="pixels").resolved()


def needed(backbone, settings, *size, style=None):
    """Return what tensors take, of a content picture of this size."""
    total = painting_bytes(size, [style or size], backbone, settings, torch.device("cpu"))
    assert total is not None
    return total - BASE_BYTES


def test_it_grows_with_the_area(carried, settings):
    small = needed(carried, settings, 256, 256)
    assert needed(carried, settings, 16_000, 16_000) / small == pytest.approx(62.5**2, rel=0.05)


def test_all_that_takes_memory_is_seen(carried, settings):
    usual = needed(carried, settings, 256, 256)
    longer = needed(carried, settings.changed(history=90), 256, 256)
    assert longer - usual == pytest.approx(1.2 * 60 * 2 * 12 * 256**2, rel=0.01)
    assert needed(carried, settings.changed(history=90, steps=20), 256, 256) < usual  # it never has more than steps
    half = needed(carried, settings.changed(precision="bf16"), 256, 256)
    assert usual - half > 0.1 * (usual - 1.2 * 30 * 2 * 12 * 256**2)


def test_a_margin_is_kept_by_lbfgs(carried, settings):
    longer = settings.changed(history=90)
    without = needed(carried, longer, 256, 256) - needed(carried, settings, 256, 256)
    longer, settings = (each.changed(canvas="fourier") for each in (longer, settings))
    with_margin = needed(carried, longer, 256, 256) - needed(carried, settings, 256, 256)
    assert with_margin / without == pytest.approx((1 + MARGIN_PX / 256) ** 2, rel=0.01)


@pytest.mark.parametrize(
    "changes", [{"gauge": "canonical"}, {"smoothing": "softmax", "octaves": 2, "loss": "gatys"}, {"init": "x.png"},
                {"jitter": 3, "optimizer": "adam", "average": 0.9}, {"equalize": "gradient", "line_search": "wolfe"},
                {"canvas": "fourier", "optimizer": "sgd", "init": "noise", "normalize_gradients": True},
                {"statistic": "sliced-wasserstein", "color": "luminance"},
                {"statistic": "mean-std", "color": "histogram"},
                {"statistic": "nearest-neighbours", "color": "covariance"}]
)  # fmt: skip
def test_every_way_to_paint_can_be_estimated(carried, settings, changes):
    assert needed(carried, settings.changed(**changes), 64, 96, style=(96, 64)) > 0


def test_sizes_and_count_of_the_styles_are_seen(carried, settings):
    cpu = torch.device("cpu")
    one, large, three = (
        painting_bytes((64, 96), sizes, carried, settings, cpu)
        for sizes in ([(64, 96)], [(256, 384)], [(256, 384)] * 3)
    )
    assert one < large < three


@pytest.mark.parametrize("name", ["vgg11_bn@random", "convnext_atto@random"])
def test_other_networks_can_be_estimated_and_stay_as_they_are(name, settings):
    backbone = nstkit.load_backbone(name)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    assert needed(backbone, settings, 96, 128) > 0
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    features = backbone.features(torch.rand(1, 3, 96, 128), backbone.style_taps)
    assert all(torch.isfinite(maps).all() for maps in features.values())


CPU = torch.device("cpu")


@pytest.fixture
def free(monkeypatch):
    """Set the free memory [GiB]."""
    return lambda gib: monkeypatch.setattr(estimate, "free_memory_bytes", lambda *_: round(gib * GIB))


@pytest.fixture
def quick(monkeypatch):
    """Estimates at once: 25 GiB for the whole; in tiles 1 GiB, 2 KiB a pixel of a tile, and what L-BFGS remembers."""

    def estimated(content, styles, backbone, settings, device, tiling=None):
        if tiling is None:
            return 25 * GIB
        pairs = 1.2 * settings.optimization.history * bytes_a_pair(content, settings.optimization)
        return round(GIB + 2 * 2**10 * (tiling.core_px + 2 * tiling.reach_px) ** 2 + pairs)

    monkeypatch.setattr(estimate, "painting_bytes", estimated)
    monkeypatch.setattr(estimate, "measure_tiling", lambda *_: Tiling(128, 80, 16))


@pytest.mark.parametrize(
    ("gib", "tile", "history"),  # 30 pairs of 4000 x 3000 px take 9.7 GiB
    [(28, None, 30), (23, 2048, 30), (18, 1024, 30), (13, 512, 30), (9, 512, 19), (4, 512, 5), (3.4, 256, 5)],
)
def test_tiles_get_smaller_then_the_history_shorter_then_tiles_smaller_again(
    gib, tile, history, carried, settings, free, quick
):
    free(gib)
    found = fit_memory((3000, 4000), [(3000, 4000)], carried, settings, CPU).optimization
    assert (found.tile, found.history) == (tile, history)


def test_what_does_not_even_fit_in_tiles_is_refused_and_what_may_just_fit_warned_of(carried, settings, free, quick):
    free(3)
    with pytest.warns(UserWarning, match="in tiles takes about 2.8 GiB of memory, and 3 GiB are free.*may just fit"):
        assert fit_memory((3000, 4000), [(3000, 4000)], carried, settings, CPU).optimization.tile == 128
    free(2)
    with pytest.raises(UserError, match=r"Painting 4000 px with carried in tiles takes about .* --size \d+ would fit"):
        fit_memory((3000, 4000), [(3000, 4000)], carried, settings, CPU)


def test_tiles_take_less_than_the_whole(carried, settings):
    tiling = Tiling(256, 80, 16)
    sizes = ((1500, 2000), [(1500, 2000)])
    whole, large, small = (
        painting_bytes(*sizes, carried, settings.changed(history=3), CPU, cut)
        for cut in (None, replace(tiling, core_px=1024), tiling)
    )
    assert small < large < 0.7 * whole


@pytest.mark.parametrize(("gib", "what"), [(5, "refused"), (9, "warned")])
def test_what_cannot_be_cut_is_refused_and_what_hardly_fits_warned_of(carried, settings, free, monkeypatch, gib, what):
    free(gib)
    monkeypatch.setattr(estimate, "painting_bytes", lambda *_: 9 * GIB)
    settings, sizes = settings.changed(statistic="histogram"), ((2000, 3000), [(2000, 3000)])
    if what == "refused":
        with pytest.raises(UserError, match=r"Painting 3000 px with carried .* no sum over places of the picture"):
            fit_memory(*sizes, carried, settings, CPU)
        return
    with pytest.warns(UserWarning, match="It may just fit"):
        fit_memory(*sizes, carried, settings, CPU)


def test_tiles_that_are_asked_for_stay_and_are_refused_where_they_cannot_be(carried, settings):
    sizes = ((300, 400), [(300, 400)])
    assert fit_memory(*sizes, carried, settings.changed(tile=64), CPU).optimization.tile == 64
    with pytest.raises(UserError, match=r"--tile 64: carried does not paint in tiles: .* Leave it out"):
        fit_memory(*sizes, carried, settings.changed(tile=64, statistic="histogram"), CPU)


def test_what_needs_far_more_is_refused_at_once(carried, settings, free, monkeypatch):
    free(1)
    monkeypatch.setattr(estimate, "painting_bytes", lambda *_: pytest.fail("it looks closer"))
    with pytest.raises(UserError, match=r"^Painting 4000 px with carried takes at least .* memory, and 1 GiB are"):
        check_least_of(carried, (3000, 4000), [(3000, 4000)], settings, CPU)
    check_least_of(carried, (300, 400), [(300, 400)], settings, CPU)


def test_the_line_says_how_many_tiles_there_are(settings):
    assert tiles_line((300, 400), [], settings) is None
    line = tiles_line((300, 400), [], settings.changed(tile=128, history=7))
    assert line == "400 x 300 px in 12 tiles of up to 128 px and a history of 7"


def test_memory_that_ends_within_a_pyramid_is_one_line_with_the_size_that_went_well(carried, monkeypatch):
    build = loop.build_canvas

    def fail_when_large(kind, start, *others):
        if start.shape[3] > 100:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: ...")
        return build(kind, start, *others)

    monkeypatch.setattr(loop, "build_canvas", fail_when_large)
    picture, finished = torch.rand(1, 3, 160, 192), []
    settings = PaintSettings.of(precision="fp32", scales=2, steps=2).resolved()
    with pytest.raises(UserError, match=r"to paint 192 x 160 px. Use --size 96, up to which it went well"):
        paint(Scene(picture, picture), carried, settings)
    result = paint(Scene(picture, picture), carried, settings, at_scale=finished.append, keeps_unfinished=True)
    assert "to paint 192 x 160 px" in result.unfinished
    assert result.image.shape == (1, 3, 80, 96)
    assert torch.equal(result.image, finished[0])
    assert result.scalars["loss/total"] > 0
    with pytest.raises(UserError, match=r"to paint 192 x 160 px. Use a smaller --size"):
        paint(Scene(picture, picture), carried, replace(settings, optimization=settings.optimization.changed(scales=1)))
