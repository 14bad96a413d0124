"""What a training came to is read from its folder."""

import pytest

from nstkit.runs import Run
from transfer.claims.measured import final_top1
from transfer.config import TransferConfig


@pytest.fixture
def metrics(tmp_path):
    """The metrics of a finished run."""
    with Run(tmp_path, TransferConfig(), {}) as run:
        for step in range(3):
            run.log(step, {"val/top1": 0.25})
        run.compare_by({"command": "train_backbone"}, {"extractor/top1": 0.625}, 3)
    return tmp_path / "metrics.jsonl"


def test_top1_of_a_finished_training_is_found(metrics):
    assert final_top1(metrics) == 0.625


def test_training_that_is_not_finished_has_none(metrics, tmp_path):
    assert final_top1(tmp_path / "gone.jsonl") is None
    text = metrics.read_text()
    for end in (len(text) // 2, len(text) - 3):
        metrics.write_text(text[:end])
        assert final_top1(metrics) is None
