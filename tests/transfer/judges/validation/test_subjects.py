import pytest
import torch

from nstkit.errors import UserError
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_style
from transfer.judges.config import JudgesConfig
from transfer.judges.validation import subjects
from transfer.judges.validation.subjects import choose_pairs, draw_mosaic, read_subjects, sample_styles


def test_pairs_use_every_picture_before_any_again():
    pairs = choose_pairs(("a", "b"), ("x", "y", "z"), 6)
    assert len(set(pairs)) == 6
    assert {content for content, _ in pairs[:3]} == {"a", "b"}
    assert {style for _, style in pairs[:3]} == {"x", "y", "z"}
    assert choose_pairs(("a", "b"), ("x", "y", "z"), 2) == pairs[:2]
    assert choose_pairs(("a", "b"), ("x", "y", "z"), 2, (("b", "x"),)) == [("b", "x"), pairs[0]]
    assert len(choose_pairs(("a",), ("x", "y"), 9)) == 2


def test_users_pictures_with_others_from_the_samples(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(subjects, "sample_style", lambda size_px, seed: sample_style(96, seed))  # drawn in no time
    result = tmp_path / "boat_waves.jpg"
    result.write_bytes((pictures / "style" / "dots.jpg").read_bytes())
    boat, waves = pictures / "content" / "boat.png", pictures / "style" / "waves.jpg"
    config = JudgesConfig.of(validate=True, content=(boat,), style=(waves,), published=tmp_path, size=96)
    (subject,) = read_subjects(config)
    assert subject.name == "boat-waves"
    assert subject.content.shape == (1, 3, 77, 96)
    assert subject.published.shape == (1, 3, 96, 96)
    assert max(subject.other_content.shape) == max(subject.other_style.shape) == 96
    assert not subject.other_style.allclose(subject.style[..., :1, :1])
    with pytest.raises(UserError, match="no result of these pictures"):
        read_subjects(JudgesConfig.of(validate=True, published=tmp_path, size=96))


def test_a_result_of_the_same_content_in_another_style_is_found(pictures, tmp_path, monkeypatch, draw_picture):
    monkeypatch.setattr(subjects, "sample_style", lambda size_px, seed: sample_style(96, seed))  # drawn in no time
    results = {}
    for seed, name in enumerate(("boat_dots", "boat_waves", "house_dots")):
        draw_picture((96, 80), seed).save(tmp_path / f"{name}.png")
        results[name] = to_tensor(draw_picture((96, 80), seed))
    folders = {"content": (pictures / "content",), "style": (pictures / "style",)}
    found = read_subjects(JudgesConfig.of(validate=True, published=tmp_path, size=96, **folders))
    others = {subject.name: subject.other_published for subject in found}
    assert torch.equal(others["boat-dots"], results["boat_waves"])
    assert torch.equal(others["boat-waves"], results["boat_dots"])
    assert others["house-dots"] is None
    assert torch.equal(others["house-waves"], results["house_dots"])


def test_mosaic_has_many_textures_in_few_colours():
    picture = draw_mosaic(0)
    assert picture.size == (480, 480)
    common = sorted(picture.getcolors(480**2), reverse=True)[:6]
    assert sum(count for count, _ in common) > 0.6 * 480**2


def test_one_of_the_drawn_paintings_has_other_colours(monkeypatch):
    monkeypatch.setattr(subjects, "sample_style", lambda size_px, seed: sample_style(96, seed))
    styles = sample_styles(96)
    assert set(styles) == {"strokes0", "strokes1", "mosaic0", "mosaic1"}
    assert torch.equal(styles["strokes0"], to_tensor(sample_style(96, 0)))
    assert torch.equal(styles["strokes1"], to_tensor(sample_style(96, 1))[:, [2, 0, 1]])
