"""The Gram matrix: against numpy, and what it forgets."""

import numpy as np
import pytest
import torch

from transfer.painting.losses.statistics.gram import gram_matrix

pytestmark = pytest.mark.numerics


def random_maps(seed, shape=(1, 5, 6, 7), dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def test_gram_of_two_channels_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    assert gram_matrix(features).tolist() == [[[2.5, 5.5], [5.5, 12.5]]]


def test_gram_is_the_mean_of_the_products_of_channels():
    features = random_maps(0, (2, 3, 4, 5))
    expected = np.einsum("bchw,bdhw->bcd", features.numpy(), features.numpy()) / 20
    np.testing.assert_allclose(gram_matrix(features).numpy(), expected, rtol=1e-12)


def test_gram_is_symmetric_and_positive_semidefinite():
    gram = gram_matrix(random_maps(1, (1, 8, 2, 3)))[0]  # 8 channels at 6 positions: singular
    torch.testing.assert_close(gram, gram.T, rtol=0, atol=0)
    eigenvalues = torch.linalg.eigvalsh(gram)
    assert eigenvalues.min() > -1e-12 * eigenvalues.max()
    assert (eigenvalues > 1e-9 * eigenvalues.max()).sum() == 6


def test_gram_forgets_where_things_are():
    features = random_maps(2)
    order = torch.randperm(42, generator=torch.Generator().manual_seed(3))
    permuted = features.flatten(2)[:, :, order].view_as(features)
    torch.testing.assert_close(gram_matrix(permuted), gram_matrix(features))
    assert not torch.allclose(gram_matrix(features.flip(1)), gram_matrix(features))


@pytest.mark.parametrize(("dtype", "naive_error"), [(torch.bfloat16, 1e-3), (torch.float16, float("inf"))])
def test_gram_of_half_precision_is_summed_in_float32(dtype, naive_error):
    features = (5 + random_maps(4, (1, 4, 64, 64))).to(dtype)
    gram, reference = gram_matrix(features), gram_matrix(features.double())
    flat = features.flatten(2)
    naive = flat @ flat.transpose(1, 2) / 4096  # rounded to 8 bits, and more than float16 can hold
    assert ((naive - reference).abs() / reference).max() >= naive_error
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram.double(), reference, rtol=1e-5, atol=0)
