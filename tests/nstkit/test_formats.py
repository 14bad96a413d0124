"""Which number format and memory format is chosen, how little it takes to find out, and what is remembered of it."""

import json
import math

import pytest
import torch
from torch import nn

from nstkit import formats
from nstkit.config import RunSettings
from nstkit.formats import MARGIN, Choice, Format, Work, choose_format, decide, list_formats, measure
from nstkit.hardware import autocast

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))
FP32, BF16 = Format("fp32", "channels_last"), Format("bf16", "channels_last")
FP32_CONTIGUOUS, BF16_CONTIGUOUS = Format("fp32", "contiguous"), Format("bf16", "contiguous")
EVERY = [FP32, BF16, FP32_CONTIGUOUS, BF16_CONTIGUOUS]
NATIVE = {FP32: 1.0, BF16: 0.5, FP32_CONTIGUOUS: 1.1, BF16_CONTIGUOUS: 0.6}  # an AMD EPYC's speeds, about
EMULATED = {FP32: 1.0, BF16: 1.8, FP32_CONTIGUOUS: 0.8, BF16_CONTIGUOUS: 1.7}  # an Intel Xeon's without AMX


# What is left to choose from


def test_auto_is_every_format_on_a_cpu_float32_first():
    assert list_formats("auto", "auto", CPU) == EVERY
    assert list_formats("auto", "contiguous", CPU) == [FP32_CONTIGUOUS, BF16_CONTIGUOUS]
    assert list_formats("bf16", "auto", CPU) == [BF16, BF16_CONTIGUOUS]
    assert list_formats("fp16", "contiguous", CPU) == [Format("fp16", "contiguous")]


@pytest.mark.parametrize(("is_native", "expected"), [(True, BF16), (False, FP32)])
def test_on_cuda_it_is_bf16_only_where_it_is_not_emulated(monkeypatch, is_native, expected):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or is_native
    )
    assert list_formats("auto", "auto", CUDA) == [expected]
    assert list_formats("fp16", "auto", CUDA) == [Format("fp16", "channels_last")]


def test_elsewhere_it_is_float32():
    assert list_formats("auto", "auto", MPS) == [FP32_CONTIGUOUS]
    assert list_formats("bf16", "channels_last", MPS) == [BF16]


def test_what_is_chosen_goes_into_the_settings():
    changed = RunSettings().changed(**Choice(BF16_CONTIGUOUS).settings)
    assert (changed.precision, changed.memory_format) == ("bf16", "contiguous")
    assert BF16.layout == torch.channels_last


# Which one it is


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (NATIVE, "bf16 channels_last: 2.0 x fp32"),
        (EMULATED, "fp32 contiguous: bf16 is 0.5 x"),
        ({FP32: 1.0, BF16: 1 / (MARGIN - 0.01)}, "fp32 channels_last: bf16 is 1.1 x"),
        ({FP32: 1.0, BF16: 1 / (MARGIN + 0.01)}, "bf16 channels_last: 1.2 x fp32"),
        ({FP32: 1.0, FP32_CONTIGUOUS: 0.5, BF16: 0.45}, "fp32 contiguous: bf16 is 1.1 x"),
        ({FP32: 1.0, FP32_CONTIGUOUS: 1.1}, "fp32 channels_last: bf16 is far slower"),
        ({}, "fp32 channels_last"),
    ],
)
def test_bf16_is_taken_where_it_is_clearly_faster_than_the_best_of_float32(seconds, expected):
    assert str(decide(EVERY, seconds)) == expected


def test_of_memory_formats_alone_it_is_the_faster_one_without_a_margin():
    fp16, contiguous = Format("fp16", "channels_last"), Format("fp16", "contiguous")
    assert str(decide([fp16, contiguous], {fp16: 1.0, contiguous: 0.9})) == "fp16 contiguous: 1.1 x channels_last"
    assert str(decide([fp16, contiguous], {fp16: 1.0})) == "fp16 channels_last"


# How it is measured


class Machine:
    """A processor whose clock the steps of a network advance."""

    def __init__(self, speeds, fixed_s=0.0, first_s=0.0, refused=(), disturbed=()):
        self.now_s, self.calls = 0.0, []
        self._speeds, self._fixed_s, self._first_s = speeds, fixed_s, first_s
        self._refused, self._disturbed = refused, disturbed

    def work(self, sizes=(1, 4, 16, 64)):
        return Work("testing", nn.Linear(2, 2), sizes, self._prepare)

    def _prepare(self, form, size):
        def step():
            if size in self._refused:
                raise RuntimeError("the picture is too small")
            is_first = (form, size) not in self.calls
            self.calls.append((form, size))
            self.now_s += self._fixed_s + self._speeds[form] * 0.01 * size + self._first_s * is_first
            self.now_s += 1.0 * (len(self.calls) in self._disturbed)

        return step


@pytest.fixture
def machine(monkeypatch):
    """A function that replaces this processor by another."""

    def replace(*args, **kwargs):
        found = Machine(*args, **kwargs)
        monkeypatch.setattr(formats.time, "thread_time", lambda: found.now_s)
        return found

    return replace


def test_seconds_are_those_of_a_step_once_the_kernels_are_made(machine):
    found = machine(NATIVE, first_s=0.02)
    assert measure(EVERY, found.work((1, 2))) == pytest.approx({form: 0.02 * NATIVE[form] for form in EVERY})


@pytest.mark.parametrize("scale", [0.001, 0.01, 0.1, 1.0, 3.0])
@pytest.mark.parametrize("speeds", [NATIVE, EMULATED])
def test_it_takes_less_than_half_a_second_and_finds_the_fast_one(machine, scale, speeds):
    found = machine({form: scale * value for form, value in speeds.items()}, fixed_s=0.001, first_s=0.01)
    choice = decide(EVERY, measure(EVERY, found.work()))
    assert choice.format.precision == decide(EVERY, speeds).format.precision
    assert found.now_s < 0.5


def test_large_network_is_timed_in_two_formats_once(machine):
    found = machine({form: 20 * value for form, value in NATIVE.items()})
    assert decide(EVERY, measure(EVERY, found.work())).format == BF16
    assert found.calls == [(FP32, 1), (BF16, 1)]


def test_sizes_that_the_network_refuses_are_left_out(machine):
    found = machine(NATIVE, refused=(1, 4))
    assert decide(EVERY, measure(EVERY, found.work())).format == BF16
    assert {size for _, size in found.calls} == {16}
    assert measure(EVERY, machine(NATIVE, refused=(1, 4, 16, 64)).work()) == {}


def test_step_that_was_disturbed_does_not_count(machine):
    found = machine(NATIVE, disturbed=(6, 8))
    assert decide(EVERY, measure(EVERY, found.work((4,)))).format == BF16


@pytest.mark.numerics
def test_real_network_is_measured_in_every_format():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)).requires_grad_(False)

    def prepare(form, side):
        network.to(memory_format=form.layout)
        image = torch.rand(1, 3, side, side, requires_grad=True)

        def step():
            with autocast(CPU, form.precision):
                return torch.autograd.grad(network(image).float().sum(), image)

        return step

    seconds = measure(EVERY, Work("testing", network, (16, 32), prepare))
    assert {FP32, FP32_CONTIGUOUS} <= set(seconds) <= set(EVERY)
    assert all(0 < value < math.inf for value in seconds.values())


# What is remembered


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The folder of the cache, which is not there yet."""
    monkeypatch.setattr(formats, "CACHE", tmp_path / "cache" / "formats")
    return formats.CACHE


@pytest.fixture
def measured(monkeypatch, cache):
    """The calls of `measure`, whose outcome `answer` may change."""
    calls = []

    def answer(formats, work):
        calls.append(work.name)
        return calls.outcome

    calls = type("Calls", (list,), {"outcome": NATIVE})()
    monkeypatch.setattr(formats, "measure", answer)
    return calls


def work_of(name="testing", network=None):
    return Work(name, network or nn.Linear(2, 2), (1,), lambda form, size: lambda: None)


def test_choice_is_remembered_though_it_would_be_another_now(measured, cache):
    first = choose_format(EVERY, work_of())
    measured.outcome = EMULATED
    assert choose_format(EVERY, work_of()) == first == decide(EVERY, NATIVE)
    assert len(measured) == 1
    (path,) = cache.iterdir()
    saved = json.loads(path.read_text())
    assert saved["torch"] == torch.__version__
    assert saved["threads"] == torch.get_num_threads()
    assert saved["seconds"]["bf16 channels_last"] == 0.5


CHANGES = {
    "processor": lambda patch: patch.setattr(formats, "cpu_name", lambda: "another"),
    "torch": lambda patch: patch.setattr(torch, "__version__", "9.9.9"),
    "threads": lambda patch: patch.setattr(torch, "get_num_threads", lambda: 77),
    "oneDNN": lambda patch: patch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41"),
    "torch's kernels": lambda patch: patch.setenv("ATEN_CPU_CAPABILITY", "other"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_on_another_machine_it_is_measured_again(change, measured, monkeypatch):
    choose_format(EVERY, work_of())
    measured.outcome = EMULATED
    with monkeypatch.context() as patch:
        patch.setattr(torch, "set_num_threads", lambda count: None)
        CHANGES[change](patch)
        assert choose_format(EVERY, work_of()) == decide(EVERY, EMULATED)
    assert choose_format(EVERY, work_of()) == decide(EVERY, NATIVE)
    assert len(measured) == 2


def test_other_networks_work_and_formats_are_measured_for_themselves(measured):
    choose_format(EVERY, work_of())
    choose_format(EVERY, work_of("something else"))
    choose_format(EVERY, work_of(network=nn.Linear(2, 3)))
    choose_format(EVERY[:2], work_of())
    assert len(measured) == 4
    assert choose_format([BF16], work_of("no choice")) == Choice(BF16)
    assert len(measured) == 4


BROKEN = {
    "empty": b"",
    "cut": b'{"seconds": {"fp32 channels_last": 1.',
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "seconds are a number": b'{"seconds": 3}',
    "seconds are words": b'{"seconds": {"fp32 channels_last": "fast"}}',
    "no seconds": b'{"seconds": {}}',
    "not a number": b'{"seconds": {"fp32 channels_last": NaN}}',
    "negative": b'{"seconds": {"fp32 channels_last": -1, "bf16 channels_last": 1}}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_file_is_measured_again_and_mended(content, measured, cache):
    choose_format(EVERY, work_of())
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(content)
    assert choose_format(EVERY, work_of()) == decide(EVERY, NATIVE)
    assert len(measured) == 2
    assert path.read_bytes() == whole


@pytest.mark.parametrize("place", ["below a file", "a folder in its place", "no home"])
def test_where_nothing_can_be_written_each_process_measures(place, measured, cache, tmp_path, monkeypatch):
    if place == "below a file":
        (tmp_path / "cache").write_text("")
    elif place == "no home":
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(formats, "CACHE", type(cache)("~/.cache/nstkit/formats"))
    else:
        choose_format(EVERY, work_of())
        (path,) = cache.iterdir()
        path.unlink()
        path.mkdir()
    before = len(measured)
    assert choose_format(EVERY, work_of()) == choose_format(EVERY, work_of()) == decide(EVERY, NATIVE)
    assert len(measured) == before + 2
    assert not (tmp_path / "~").exists()
    assert not list(tmp_path.rglob(".*.part"))


def test_of_two_processes_that_measure_at_one_time_both_take_the_first_ones(cache, monkeypatch):
    def measure_meanwhile(candidates, work):
        with monkeypatch.context() as patch:
            patch.setattr(formats, "measure", lambda *_: EMULATED)
            choose_format(EVERY, work_of())  # the other process
        return NATIVE

    monkeypatch.setattr(formats, "measure", measure_meanwhile)
    assert choose_format(EVERY, work_of()) == decide(EVERY, EMULATED)
    monkeypatch.setattr(formats, "measure", lambda *_: 1 / 0)
    assert choose_format(EVERY, work_of()) == decide(EVERY, EMULATED)


def test_network_that_takes_no_picture_is_not_remembered(measured, cache):
    measured.outcome = {}
    assert choose_format(EVERY, work_of()) == Choice(FP32)
    assert not cache.exists()


def test_measuring_leaves_no_trace(cache, monkeypatch):
    seen = []

    def look(candidates, work):
        seen.append((torch.get_num_threads(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        torch.rand(5)
        return NATIVE

    monkeypatch.setattr(formats, "measure", look)
    work, state, threads = work_of(), torch.get_rng_state(), torch.get_num_threads()
    with torch.inference_mode():
        choose_format(EVERY, work)
    assert seen == [(1, True, False)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
