"""Several processes: what each takes, and that two of them train the network that one trains."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from nstkit.checkpoint import read_checkpoint
from nstkit.ranks import Ranks, adopt_slurm, is_lost_connection, join_ranks
from train_backbone import finish
from train_backbone.__main__ import main

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 240  # processes that wait for each other

# Rank 1 is killed in the midst of a step.
DRIVER = f"""
import os
from nstkit.errors import run_command
from train_backbone import loop
from train_backbone.__main__ import main

whole_update = loop.update

def update(training, clip):
    if training.step == 7 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), {signal.SIGKILL.value})
    return whole_update(training, clip)

loop.update = update
loop.STEPS_A_RECORD = 5
run_command(main)
"""


@pytest.mark.parametrize("count", [0, 1, 7, 8, 1001])
@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_parts_are_all_of_it_once_and_even(count, processes):
    things = list(range(count))
    parts = [things[Ranks(rank, processes).take(count)] for rank in range(processes)]
    assert [thing for part in parts for thing in part] == things
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_process_is_the_writer_and_waits_for_nobody(cpu, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_ranks(cpu) as ranks:
        assert ranks == Ranks(0, 1)
        assert ranks.is_writer
        assert not Ranks(1, 2).is_writer
        values = torch.tensor([1.0, 2.0])
        assert torch.equal(ranks.mean(values), values)
        box = {"a": 1}
        assert ranks.from_writer(box) is box
        with ranks.writer_first():
            pass
    assert not dist.is_initialized()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"), True),
        (RuntimeError("NCCL communicator was aborted on rank 1."), True),
        (dist.DistNetworkError("the store is gone"), True),
        (RuntimeError("mat1 and mat2 must have the same dtype, but got Double and Float"), False),
        (ValueError("a matter of taste"), False),
    ],
)
def test_lost_connection_is_told_from_our_own_defects(error, expected):
    assert is_lost_connection(error) == expected


def launch(*words):
    """Start two processes with torchrun; return how they ended."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"capture_output": True, "text": True, "timeout": PATIENCE_S}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, **pipes)


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def words(tiny_training, monkeypatch):
    """A recipe without batch norm, whose statistics would be of each process's own pictures."""
    monkeypatch.setattr(finish, "draw", lambda *_: {})
    more = ("--norm", "none", "--lr", "1e-3", "--warmup-epochs", "0", "--cutmix", "1", "--no-quality")
    more += ("--memory-format", "contiguous")  # other processes would measure
    return (*tiny_training, *more)


def test_two_processes_train_the_network_of_one(words, tmp_path, call_command):
    """The two read their pictures from the disk, each its own."""
    words = (*words, "--epochs", 1, "--runs-dir", tmp_path)
    done = launch("-m", "train_backbone", *words, "--run-name", "two", "--stream", "on")
    assert done.returncode == 0, done.stderr
    assert call_command(main, *words, "--run-name", "one") == 0
    one, two = (tmp_path / "train_backbone" / name for name in ("one", "two"))
    assert done.stdout.count("test top1") == 1  # one of them writes
    expected, found = (read_checkpoint(folder / "last.pt") for folder in (one, two))
    assert found["training"]["step"] == 10
    for name, value in expected["model"].items():
        distance = (found["model"][name] - value).norm() / value.norm().clamp_min(1e-6)
        assert distance < 1e-3 or value.norm() < 1e-3, name
    for line, other in zip(read_lines(two)[:-1], read_lines(one)[:-1], strict=True):
        assert line.keys() == other.keys()
        for tag in line:
            if not tag.startswith("time"):
                assert line[tag] == pytest.approx(other[tag], rel=1e-3, abs=1e-3), tag


def test_killed_process_ends_the_run_which_is_then_resumed(words, tmp_path, call_command):
    words = (*words, "--epochs", 1, "--runs-dir", tmp_path, "--run-name", "cut", "--save-every", 0, "--resume", "auto")
    (tmp_path / "driver.py").write_text(DRIVER)
    done = launch(tmp_path / "driver.py", *words)
    assert done.returncode != 0
    folder = tmp_path / "train_backbone" / "cut"
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == 5
    assert call_command(main, *words) == 0
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == 10
    assert [line["step"] for line in read_lines(folder) if "val/top1" in line] == [10]


SLURM = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "40007"}


def words_of_torchrun(monkeypatch, **environment):
    names = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    for name in (*names, *SLURM, "SLURM_STEP_NODELIST"):
        monkeypatch.setenv(name, "")  # so that it is as it was afterwards
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    adopt_slurm()
    return [os.environ.get(name) for name in names]


def test_tasks_of_srun_are_ranks(monkeypatch):
    nodes = {"SLURM_STEP_NODELIST": "gpu[07-09]"}
    assert words_of_torchrun(monkeypatch, **SLURM, **nodes) == ["4", "3", "1", "gpu07", "20007"]
    given = {"MASTER_ADDR": "here", "MASTER_PORT": "5"}
    assert words_of_torchrun(monkeypatch, **SLURM, **nodes, **given) == ["4", "3", "1", "here", "5"]


@pytest.mark.parametrize(
    "environment",
    [{}, {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}],
)
def test_process_alone_stays_alone(environment, monkeypatch):
    assert words_of_torchrun(monkeypatch, **environment) == [None] * 5


def test_torchrun_inside_of_srun_wins(monkeypatch):
    given = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    assert words_of_torchrun(monkeypatch, **SLURM, **given) == ["2", "1", "1", "a", "1"]
