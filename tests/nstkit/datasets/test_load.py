"""Data sets by their names, each with a size of its own."""

import subprocess
import sys

import torch

from nstkit.datasets.load import load_dataset
from nstkit.datasets.patterns import PATTERNS_COUNTS


def test_it_does_not_wait_for_torch():
    script = "import sys, nstkit.datasets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_patterns_as_a_data_set(tmp_path, monkeypatch):
    monkeypatch.setitem(PATTERNS_COUNTS, "train", 36)
    monkeypatch.setitem(PATTERNS_COUNTS, "val", 12)
    monkeypatch.setitem(PATTERNS_COUNTS, "test", 24)
    data = load_dataset("patterns", tmp_path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [36, 12, 24]
    assert torch.bincount(data.test.labels).tolist() == [2] * 12
    assert data.train.images.shape == (36, 32, 32, 3)
    assert data.train.images.is_contiguous()
    pictures = {image.numpy().tobytes() for part in (data.train, data.val, data.test) for image in part.images}
    assert len(pictures) == 36 + 12 + 24
    assert load_dataset("patterns", tmp_path, 16).size_px == 16
    assert list(tmp_path.iterdir()) == []


def test_folders_are_read_at_64_px_unless_told_otherwise(tmp_path, fill):
    data = load_dataset("folder", fill(tmp_path))
    assert data.size_px == 64
    assert load_dataset("folder", tmp_path, 32).size_px == 32
