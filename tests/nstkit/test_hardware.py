"""What the hardware is asked for, and what is chosen where it has it or not."""

import io
import json
import random

import numpy as np
import pytest
import torch

from nstkit import hardware
from nstkit.checkpoint import read_torch_file
from nstkit.config import RunSettings

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


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


def test_machine_is_what_the_settings_resolve_to(machine, user_error, monkeypatch):
    machine()
    monkeypatch.setattr(hardware, "open", lambda path: io.StringIO("flags : amx_bf16\n"), raising=False)
    assert hardware.choose_machine(RunSettings()) == hardware.Machine(CPU, "bf16")
    found = hardware.choose_machine(RunSettings(device="cpu", precision="fp32"))
    assert found.settings == {"device": "cpu", "precision": "fp32"}
    assert RunSettings().changed(**found.settings) == RunSettings(device="cpu", precision="fp32")
    with user_error("--device mps", "Available: cpu."):
        hardware.choose_machine(RunSettings(device="mps"))


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_precision_asked_for_is_taken(name):
    assert hardware.choose_precision(name, CPU) == name


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("model name : x\nflags\t\t: fpu avx512f avx512_bf16 sse\n", "bf16"),
        ("flags\t\t: fpu amx_bf16\n", "bf16"),
        ("Features\t: fp asimd bf16 sve\n", "bf16"),  # ARM
        ("flags\t\t: fpu avx512f avx2\n", "fp32"),
        ("flags\t\t: fpu\nbugs : bf16\n", "fp32"),
        ("", "fp32"),
    ],
)
def test_auto_precision_on_a_cpu_asks_for_the_instructions(monkeypatch, cpuinfo, expected):
    monkeypatch.setattr(hardware, "open", lambda path: io.StringIO(cpuinfo), raising=False)
    assert hardware.choose_precision("auto", CPU) == expected


def test_auto_precision_without_cpuinfo_is_fp32(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(hardware, "open", missing, raising=False)
    assert hardware.choose_precision("auto", CPU) == "fp32"
    assert hardware.choose_precision("auto", MPS) == "fp32"


@pytest.mark.parametrize(("is_native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_on_cuda_is_bf16_only_where_it_is_not_emulated(monkeypatch, is_native, expected):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or is_native
    )
    assert hardware.choose_precision("auto", CUDA) == expected


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_computes_in_the_precision(precision, dtype):
    layer = torch.nn.Linear(4, 4)
    with hardware.autocast(CPU, precision):
        assert layer(torch.rand(2, 4)).dtype == dtype
    assert layer(torch.rand(2, 4)).dtype == torch.float32


@pytest.mark.parametrize("faster", [torch.contiguous_format, torch.channels_last])
def test_memory_format_on_a_cpu_is_the_one_that_is_faster_at_its_best(monkeypatch, faster):
    clock = [0.0]
    calls = []
    monkeypatch.setattr(hardware.time, "perf_counter", lambda: clock[0])

    def step(memory_format):
        calls.append(memory_format)
        is_disturbed = calls.count(memory_format) != 3  # the first call is slow, and other programs may be running
        clock[0] += 100 if memory_format == faster and is_disturbed else 1 if memory_format == faster else 2

    assert hardware.choose_memory_format(step, CPU) == faster
    assert calls.count(torch.contiguous_format) == calls.count(torch.channels_last) == 1 + hardware.PROBE_ROUNDS


@pytest.mark.parametrize(("device", "expected"), [(CUDA, torch.channels_last), (MPS, torch.contiguous_format)])
def test_memory_format_elsewhere_is_not_measured(device, expected):
    assert hardware.choose_memory_format(lambda memory_format: 1 / 0, device) == expected


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
