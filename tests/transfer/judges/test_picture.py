import pytest
import torch
import torch.nn.functional as F

from nstkit.pictures.tensors import shrink
from transfer.judges.picture import (
    BOUND_PX,
    against_both,
    against_content,
    against_style,
    check_picture,
    check_pictures,
    fit,
    is_same,
)


def smooth(seed: int, height: int, width: int) -> torch.Tensor:
    """Soft blobs in colour that look the same at every size."""
    blobs = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


def difference(picture, other):
    """A comparison that is told from any other."""
    return (picture.mean() - other.mean()).item()


def difference_of_three(picture, content, style):
    return (picture - content).abs().mean().item() + 3 * style.mean().item()


def test_refusals_name_the_picture():
    good = smooth(0, 64, 64)
    check_picture(good, "picture", 64)
    with pytest.raises(ValueError, match=r"picture: 64 x 64 px, but this judge needs at least 65 px"):
        check_picture(good, "picture", 65)
    with pytest.raises(ValueError, match=r"style: 64 x 20 px") as error:
        check_pictures(32, picture=good, style=good[..., :20, :])
    assert "\n" not in str(error.value)
    for wrong in (good[0], torch.cat([good, good]), good[:, :1]):
        with pytest.raises(ValueError, match=r"content: shape .* needs one RGB picture"):
            check_pictures(32, content=wrong)


def test_fit_stretches_what_has_another_size_and_nothing_else():
    picture, like = smooth(0, 60, 80), smooth(1, 30, 70)
    assert torch.equal(fit(picture, like), F.interpolate(picture, (30, 70), mode="bilinear", antialias=True))
    assert fit(picture, smooth(1, 60, 80)) is picture


@pytest.mark.parametrize("size", [(36, 48), (200, 150)])
def test_same_at_another_size(size):
    picture = smooth(0, 72, 96)
    assert is_same(picture, F.interpolate(picture, size, mode="bilinear", antialias=True))
    assert not is_same(picture, smooth(1, *size))


def test_each_judge_compares_with_its_own_picture():
    picture, content, style = smooth(0, 60, 80), smooth(1, 60, 80), smooth(2, 70, 64)
    assert against_style(difference)(picture, content, style) == difference(picture, style)
    assert against_content(difference)(picture, content, style) == difference(picture, content)
    assert against_both(difference_of_three)(picture, content, style) == difference_of_three(picture, content, style)


def test_content_of_another_size_is_resized_to_the_picture():
    picture, style, resized = smooth(0, 60, 80), smooth(2, 60, 80), []
    against_content(lambda image, content: resized.append(content) or 0.0)(picture, smooth(0, 120, 160), style)
    against_both(lambda image, content, style: resized.append(content) or 0.0)(picture, smooth(0, 30, 40), style)
    for content in resized:
        assert content.shape == picture.shape
        assert (content - picture).abs().mean() < 0.02


def test_large_pictures_are_judged_at_the_bound():
    picture, content, style = smooth(0, 100, 2 * BOUND_PX), smooth(1, 100, 2 * BOUND_PX), smooth(2, 600, 400)
    small, small_style = shrink(picture, BOUND_PX), shrink(style, BOUND_PX)
    assert small.shape[-2:] == (50, BOUND_PX)
    assert against_style(difference, BOUND_PX)(picture, content, style) == difference(small, small_style)
    assert against_content(difference, BOUND_PX)(picture, content, style) == difference(
        small, shrink(content, BOUND_PX)
    )
    assert against_style(difference)(picture, content, style) == difference(picture, style)
