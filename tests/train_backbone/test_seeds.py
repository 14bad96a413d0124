"""`--seeds`: one training each, continued like any other, and one row of their mean and deviation."""

import csv
import statistics

import pytest

from nstkit.checkpoint import read_checkpoint
from train_backbone import __main__ as command
from train_backbone.__main__ import main


@pytest.fixture
def words(bare, tmp_path):
    """Words of a command line of three trainings of two steps."""
    return (*bare, "--max-steps", 2, "--seeds", 3, 1, 4, "--runs-dir", tmp_path)


def test_each_seed_is_a_run_and_one_row_has_mean_and_deviation(words, tmp_path, call_command, capsys, monkeypatch):
    assert call_command(main, *words, "--run-name", "few") == 0
    parent = tmp_path / "train_backbone"
    contents = [read_checkpoint(parent / f"few-seed{seed}" / "ckpt.pt") for seed in (3, 1, 4)]
    assert [content["config"]["seed"] for content in contents] == [3, 1, 4]
    assert all(content["config"]["seeds"] == [] for content in contents)
    top1 = [content["quality"]["extractor/top1"] for content in contents]
    with open(parent / "few-seeds.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["seeds"]) == ("few", "3 1 4")
    assert float(row["extractor/top1"]) == pytest.approx(statistics.fmean(top1))
    assert float(row["extractor/top1 sd"]) == pytest.approx(statistics.stdev(top1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith(f"test top1 {statistics.fmean(top1):.2%} on average, deviation ")
    assert lines[-2].endswith(", 3 seeds")
    assert lines[-1] == f"seeds:   {parent / 'few-seeds.csv'}"

    # Again: nothing is trained, and the row is made from what is there.
    (parent / "few-seeds.csv").unlink()
    monkeypatch.setattr(command, "train_and_report", lambda session: pytest.fail("trained again"))
    assert call_command(main, *words, "--run-name", "few", "--resume", "auto") == 0
    assert capsys.readouterr().out.count("finished already: ") == 3
    with open(parent / "few-seeds.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [row]


def test_name_that_is_taken_is_refused_before_the_first_training(words, tmp_path, call_command, capsys):
    (tmp_path / "train_backbone" / "few-seed4").mkdir(parents=True)
    (tmp_path / "train_backbone" / "few-seed4" / "notes.txt").write_text("mine")
    assert call_command(main, *words, "--run-name", "few") == 2
    assert "few-seed4 is there already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "train_backbone").iterdir()] == ["few-seed4"]


def test_print_config_is_one_training_and_says_the_seeds(words, tmp_path, call_command, capsys):
    assert call_command(main, *words, "--print-config") == 0
    assert '"seeds": [\n    3,\n    1,\n    4\n  ]' in capsys.readouterr().out
