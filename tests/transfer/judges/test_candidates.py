import torch
import torch.nn.functional as F

from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_style
from transfer.judges.candidates import BEST_FRAUD, altered_contents, judged_pair, known_goods, style_frauds
from transfer.judges.picture import is_same


def picture(seed: int, height: int = 72, width: int = 96) -> torch.Tensor:
    """Soft blobs in colour."""
    blobs = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


def test_frauds_are_pictures_and_always_the_same():
    frauds, again = (style_frauds(picture(0), picture(1, 64, 80)) for _ in range(2))
    assert len(frauds) == 11
    for name, fraud in frauds.items():
        assert 0 <= fraud.min() < fraud.max() <= 1, name
        assert fraud.shape[-2:] in ((72, 96), (64, 80)), name
        assert torch.equal(fraud, again[name]), name
    assert len({fraud.sum().item() for fraud in frauds.values()}) == len(frauds)


def test_the_drawn_painting_is_no_fraud_of_itself():
    own = to_tensor(sample_style(64))
    assert "other painting" in style_frauds(picture(0), picture(1))
    assert "other painting" not in style_frauds(picture(0), own)


def test_altered_contents_keep_every_pixel():
    for name, altered in altered_contents(picture(0, 64, 80)).items():
        assert torch.allclose(altered.flatten(2).sort().values, picture(0, 64, 80).flatten(2).sort().values), name
        assert not is_same(altered, picture(0)), name


def test_good_pictures_are_of_the_style_s_own_colours_and_not_the_style():
    style = picture(1, 64, 80)
    goods = known_goods(picture(0), style)
    assert set(goods) == {"crop", "quilt"}
    assert goods["quilt"].shape[-2:] == (72, 96)
    for name, good in goods.items():
        assert style.min() - 0.05 <= good.min() < good.max() <= style.max() + 0.05, name
        assert not is_same(good, style), name


def test_good_pictures_of_narrow_ones_have_smaller_patches():
    assert known_goods(picture(0, 12, 300), picture(1, 50, 50))["quilt"].shape[-2:] == (12, 300)


def test_pair_is_told_from_others_and_holds_its_best_fraud():
    pair, again = judged_pair(picture(0), picture(1)), judged_pair(picture(0), picture(1))
    keys = {pair.key, judged_pair(picture(1), picture(0)).key, judged_pair(picture(0), picture(2)).key}
    assert len(keys) == 3
    assert again.key == pair.key
    assert BEST_FRAUD in pair.frauds
    assert pair.nbytes > 16 * picture(0).nbytes
