"""Which cells there are, by what they are told apart, and how they are kept."""

import pytest
import torch

from nstkit.errors import UserError
from transfer.study.cells import about, key_of, list_cells, read_grid_pairs
from transfer.study.config import GridSettings, StudyConfig


@pytest.fixture
def study(pictures, checkpoint):
    """Return the settings of a study of two contents, two styles and a tiny network."""

    def make(**given):
        folders = {"content": (pictures / "content",), "style": (pictures / "style",), "backbone": (str(checkpoint),)}
        return StudyConfig.of(**{**folders, "size": (48,), "device": "cpu", "precision": "fp32", **given})

    return make


def test_every_network_pair_size_variant_weight_and_seed_is_a_cell(study, checkpoint):
    config = study(
        backbone=(str(checkpoint), "vgg11@random:3"),
        size=(48, 64),
        variant=("a:", "b: --optimizer adam"),
        style_weight=(3.0, 30.0),
        seeds=(0, 1, 2),
    )
    cells = list(list_cells(config))
    assert len(cells) == 2 * 4 * 2 * 2 * 2 * 3
    assert len({key_of(cell, config.judging) for cell in cells}) == len(cells)
    labels = [about(cell)["backbone"] for cell in cells]
    assert labels == sorted(labels, key=labels.index)  # the cells of one network stand together
    assert {about(cell)["style_weight"] for cell in cells} == {3.0, 30.0}
    assert {(cell.painting.seed, about(cell)["seed"]) for cell in cells} == {(0, 0), (1, 1), (2, 2)}


def test_weight_of_the_variant_stays_where_the_grid_names_none(study):
    (*_, cell) = list_cells(study(variant=("strong: --style-weight 30",)))
    assert cell.painting.losses.style_weight == 30


@pytest.mark.parametrize(
    ("pairing", "expected"),
    [("all", ["boat-dots", "boat-waves", "house-dots", "house-waves"]), ("matched", ["boat-dots", "house-waves"])],
)
def test_pairs_are_all_or_matched(pairing, expected, pictures):
    grid = GridSettings(content=(pictures / "content",), style=(pictures / "style",), pairing=pairing)
    assert [pair.name for pair in read_grid_pairs(grid, 64)] == expected


def test_fewer_styles_than_contents_are_used_again(pictures):
    grid = GridSettings(content=(pictures / "content",), style=(pictures / "style" / "dots.jpg",), pairing="matched")
    assert [pair.name for pair in read_grid_pairs(grid, 64)] == ["boat-dots", "house-dots"]


def test_key_follows_pictures_network_settings_and_judges(study, pictures, checkpoint, tmp_path, draw_picture):
    def key(**given):
        config = study(**given)
        return key_of(next(list_cells(config)), config.judging)

    same = key()
    assert key() == same
    assert key(steps=151) != same
    assert key(seeds=(1,)) != same
    assert key(size=(49,)) != same
    assert key(variant=("default: --padding replicate",)) != same
    assert key(variant=("of another name:",)) == same  # what it is called changes no picture
    assert key(judge=("vgg19",)) != same
    assert key(judge_style=(pictures / "style",)) != same
    assert key(seed=1) == key(seeds=(1,))
    picture = tmp_path / "boat.png"
    draw_picture((60, 48), 9).save(picture)
    assert key(content=(picture,)) != same
    trained_on = tmp_path / "ckpt.pt"
    trained_on.write_bytes(checkpoint.read_bytes())
    before = key(backbone=(str(trained_on),))
    torch.save({**torch.load(checkpoint, weights_only=True), "classes": ["x", "y", "z"]}, trained_on)
    assert key(backbone=(str(trained_on),)) != before


def test_missing_picture_is_found_before_any_painting(study, tmp_path):
    with pytest.raises(UserError, match="no such picture"):
        list(list_cells(study(content=(tmp_path / "gone.png",))))


def test_picture_that_does_not_open_costs_its_own_cells(study, pictures, tmp_path, draw_picture):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    both = (pictures / "content" / "boat.png", tmp_path / "bad.png")
    lost = {}
    assert {cell.pair.content_name for cell in list_cells(study(content=both), lost)} == {"boat"}
    assert list(lost) == ["bad-dots", "bad-waves"]
    assert "bad.png: not a readable picture" in lost["bad-dots"]
    for given in ({"content": both[1:]}, {"content": both, "pairing": "matched"}):
        with pytest.raises(UserError, match="not a readable picture"):
            list(list_cells(study(**given), {}))


def test_start_of_a_variant_may_be_a_file(study, pictures):
    start = pictures / "style" / "dots.jpg"
    cells = list(list_cells(study(variant=("own:", f"file: --init {start}"))))
    assert [cell.pair.start is None for cell in cells[:2]] == [True, False]
    assert cells[0].key != cells[1].key
