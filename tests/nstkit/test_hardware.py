"""What the hardware is asked for, and what is chosen where it has it or not."""

import json
import random

import numpy as np
import pytest
import torch

from nstkit import hardware
from nstkit.checkpoint import read_torch_file

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """A function that pretends to be on a machine with or without CUDA and MPS."""

    def pretend(*, cuda=False, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest_device_there(machine, cuda, mps, expected):
    machine(cuda=cuda, mps=mps)
    assert hardware.choose_device("auto").type == expected
    assert hardware.choose_device("cpu").type == "cpu"


def test_device_that_is_not_there_is_refused_with_those_that_are(machine, user_error):
    machine(mps=True)
    with user_error("--device cuda", "Available: mps, cpu."):
        hardware.choose_device("cuda")


def test_gpu_is_chosen_by_number(machine, monkeypatch, user_error):
    machine(cuda=True)
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    device = hardware.choose_device("cuda:1")
    assert (device, chosen) == (torch.device("cuda:1"), [1])
    assert hardware.device_name("cuda:1", device) == "cuda:1"
    assert hardware.device_name("auto", device) == "cuda"
    with user_error("--device cuda:2", "cuda:0 to cuda:1"):
        hardware.choose_device("cuda:2")
    monkeypatch.setenv("LOCAL_RANK", "3")  # a task of Slurm's, of whose GPUs two are seen
    assert hardware.choose_device("cuda") == torch.device("cuda:1")


@pytest.mark.parametrize(("given", "available", "expected"), [(None, 2, 2), ("8", 2, 8), (None, 8, 8), (None, 32, 8)])
def test_threads_are_no_more_than_the_cores_unless_the_user_says_so(given, available, expected, monkeypatch):
    threads = [8]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr(hardware, "cores", lambda: available)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert hardware.use_device("cpu") == CPU
    assert threads[-1] == expected


@pytest.mark.numerics
@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_computes_in_the_precision(precision, dtype):
    layer = torch.nn.Linear(4, 4)
    with hardware.autocast(CPU, precision):
        assert layer(torch.rand(2, 4)).dtype == dtype
    assert layer(torch.rand(2, 4)).dtype == torch.float32


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_memory_format_is_read_from_the_weights(memory_format):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 4)).to(memory_format=memory_format)
    assert hardware.memory_format_of(network.parameters()) == memory_format


@pytest.mark.parametrize(("own_s", "expected"), [(0.4, None), (0.3, None), (0.2, "50%"), (0.02, "5%")])
def test_busy_machine_is_told_by_the_time_that_the_threads_get(own_s, expected, monkeypatch):
    wall, own = [0.0], [0.0]

    def product(a):
        wall[0], own[0] = wall[0] + 0.2, own[0] + own_s
        return a

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(hardware.time, "perf_counter", lambda: wall[0])
    monkeypatch.setattr(hardware.time, "process_time", lambda: own[0])
    monkeypatch.setattr(torch, "ones", lambda *_: type("Matrix", (), {"__matmul__": lambda a, b: product(a)})())
    share = hardware.time_share()
    assert share == pytest.approx(own_s / 0.4)
    warning = hardware.busy_warning(share)
    assert (warning is None) == (expected is None)
    assert expected is None or f"this process has {expected} of its threads' time" in str(warning)


def test_share_of_this_machine_is_a_share():
    assert 0 < hardware.time_share() < 1.2


def _draw():
    return random.random(), np.random.random(), torch.rand(1).item()


def test_seed_governs_all_three_generators():
    hardware.seed_everything(3)
    first = _draw()
    hardware.seed_everything(3)
    assert _draw() == first
    hardware.seed_everything(4)
    assert not set(_draw()) & set(first)


def test_environment_is_plain_enough_for_json_and_checkpoints(tmp_path):
    environment = hardware.describe_environment(CPU)
    assert json.loads(json.dumps(environment)) == environment
    assert environment["torch"] == torch.__version__
    assert environment["device"].startswith("cpu, ")
    assert environment["cores"] >= 1
    torch.save(environment, tmp_path / "a.pt")
    assert read_torch_file(tmp_path / "a.pt") == environment
