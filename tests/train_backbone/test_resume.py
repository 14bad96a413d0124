"""`--resume`: a run that was cut short goes on to the very weights of one that was not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nstkit.checkpoint import read_checkpoint
from train_backbone import finish, loop, report
from train_backbone.__main__ import main

REPOSITORY = Path(__file__).parents[2]
EPOCHS = 3
STEPS_AN_EPOCH = 10
PATIENCE_S = 120  # a subprocess that hangs

# Each line is a call of the command, in a process that sends itself a signal in the middle of a step. The processes are
# forked, so that torch is imported once. Formats are chosen by measuring; here it is the last.
DRIVER = """
import json, os, sys, torch
from nstkit.errors import run_command
from nstkit.formats import Choice
from train_backbone import finish, loop, report, session
from train_backbone.__main__ import main

whole_update = loop.update

def update(training, clip):
    if training.step + 1 == signal_at:
        os.kill(os.getpid(), number)
    return whole_update(training, clip)

loop.update = update
session.choose_format = lambda formats, work: Choice(formats[-1])
loop.STEPS_A_RECORD = 4
for signal_at, number, words in map(json.loads, sys.stdin):
    child = os.fork()
    if child == 0:
        sys.argv = ["command", *words]
        run_command(main)
        sys.exit()
    _, status = os.waitpid(child, 0)
    print("ended with", os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def driver():
    """The process of `DRIVER`. It begins with the module and imports torch while the other tests run."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-c", DRIVER]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, text=True, **pipes) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def finished_runs():
    """The uninterrupted runs of this module, by their words."""
    return {}


@pytest.fixture
def uninterrupted(train, finished_runs, tmp_path_factory):
    """Return the folder of a run that nothing interrupted."""

    def run(*words):
        if words not in finished_runs:
            runs_dir = tmp_path_factory.mktemp("whole")
            code, (folder,) = train(*words, runs_dir=runs_dir, memory_format=torch.contiguous_format)
            assert code == 0
            finished_runs[words] = folder
        return finished_runs[words]

    return run


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_times(lines):
    return [{name: value for name, value in line.items() if not name.startswith("time")} for line in lines]


def assert_same_weights(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


def assert_same_run(folder, whole, read_events):
    """Compare all that two runs have written, except for times and names, to the bit."""
    checkpoints = [sorted(path.relative_to(run) for path in run.rglob("*.pt")) for run in (folder, whole)]
    assert checkpoints[0] == checkpoints[1]
    for name in checkpoints[0]:
        found, expected = read_checkpoint(folder / name), read_checkpoint(whole / name)
        assert found["quality"] == expected["quality"]
        assert found["history"] == expected["history"]
        assert_same_weights(found["model"], expected["model"])
    found, expected = (read_checkpoint(run / "last.pt")["training"] for run in (folder, whole))
    assert_same_weights(found["model"], expected["model"])
    for number, state in expected["optimizer"]["state"].items():
        assert_same_weights(found["optimizer"]["state"][number], state)
    for name in ("schedule", "watchdog", "history", "step", "epoch", "batch", "best_top1", "deaths", "rate_factor"):
        assert found[name] == expected[name]

    assert without_times(read_lines(folder))[:-1] == without_times(read_lines(whole))[:-1]
    assert read_lines(folder)[-1]["measures"] == read_lines(whole)[-1]["measures"]
    events = [read_events(run) for run in (folder, whole)]
    tags = [sorted(reader.Tags()["scalars"]) for reader in events]
    assert tags[0] == tags[1]
    for tag in tags[0]:
        curves = [[(x.step, x.value) for x in reader.Scalars(tag)] for reader in events]
        steps = [step for step, _ in curves[0]]
        assert steps == sorted(set(steps)), tag
        if not tag.startswith("time/"):
            assert curves[0] == curves[1], tag


RECIPES = {
    "plateau": ("--schedule", "plateau", "--keep-epochs", 0, 2),
    "cosine": ("--schedule", "cosine", "--ema", 0, "--norm", "none", "--accumulate", 2),
    "onecycle": ("--schedule", "onecycle", "--cutmix", 1, "--erasing", 0.5, "--trivial-augment", "--progressive", 24),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_run_that_is_cut_inside_an_epoch_ends_as_the_uninterrupted_one_bit_for_bit(
    recipe, train, uninterrupted, read_events
):
    whole = uninterrupted(*RECIPES[recipe])
    words = (*RECIPES[recipe], "--resume", "auto", "--run-name", "run", "--save-every", 0)
    code, (folder,) = train(*words, cut_at=2 * STEPS_AN_EPOCH + 6, memory_format=torch.contiguous_format)
    assert code == 130
    saved = read_checkpoint(folder / "last.pt")["training"]
    assert (saved["step"], saved["epoch"], saved["batch"]) == (2 * STEPS_AN_EPOCH + 4, 2, 4)
    code, folders = train(*words, memory_format=torch.channels_last)
    assert code == 0
    assert folders == [folder]
    assert_same_run(folder, whole, read_events)
    assert [x.step for x in read_events(folder).Scalars("train/loss")] == [4, 8, 10, 14, 18, 20, 24, 28, 30]


def test_records_behind_the_last_save_are_made_anew(train, uninterrupted, read_events):
    """Saved after every epoch only: a record of the third one is written already when it is cut."""
    words = ("--resume", "auto", "--run-name", "run")
    code, (folder,) = train(*words, cut_at=2 * STEPS_AN_EPOCH + 6, memory_format=torch.contiguous_format)
    assert code == 130
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == 2 * STEPS_AN_EPOCH
    assert read_lines(folder)[-1]["step"] == 2 * STEPS_AN_EPOCH + 4
    assert train(*words, memory_format=torch.channels_last) == (0, [folder])
    assert_same_run(folder, uninterrupted(), read_events)


@pytest.mark.parametrize(("ask_at", "saved_at"), [(12, 14), (30, 30)])  # within an epoch, at the very end
def test_run_that_is_asked_to_end_saves_at_the_next_record(ask_at, saved_at, train, uninterrupted, read_events):
    words = ("--resume", "auto", "--run-name", "run")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    code, (folder,) = train(*words, ask_at=ask_at, memory_format=torch.contiguous_format)
    assert code == 130
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == saved_at
    assert train(*words) == (0, [folder])
    assert_same_run(folder, uninterrupted(), read_events)


def test_run_that_died_and_survived_goes_on_bit_for_bit(train, tmp_path, read_events, monkeypatch):
    """Cut in the epoch that is done again; no step is there twice, neither in metrics.jsonl nor in TensorBoard."""
    whole_update = loop.update

    def update(training, clip):
        norm = whole_update(training, clip)
        if training.step == STEPS_AN_EPOCH + 6 and training.deaths == 0:
            with torch.no_grad():
                training.model.classifier.weight.fill_(float("nan"))
        return norm

    monkeypatch.setattr(loop, "update", update)
    words = ("--resume", "auto", "--run-name", "run", "--save-every", 0)
    code, (whole,) = train(*words, runs_dir=tmp_path / "whole", memory_format=torch.contiguous_format)
    assert code == 0
    assert [line["step"] for line in read_lines(whole) if "train/loss" in line] == [4, 8, 10, 14, 18, 20, 24, 28, 30]
    history = read_checkpoint(whole / "last.pt")["training"]["history"]
    assert [epoch["rate_factor"] for epoch in history] == pytest.approx([1, 0.3, 0.3])
    texts = read_events(whole).Tensors("watchdog/text_summary")
    assert [text.step for text in texts] == [STEPS_AN_EPOCH]
    assert b"the loss is nan at step 18" in texts[0].tensor_proto.string_val[0]

    for cut_at in (STEPS_AN_EPOCH + 6, 2 * STEPS_AN_EPOCH + 6):  # before the death, after it
        code, (folder,) = train(*words, cut_at=cut_at, memory_format=torch.contiguous_format)
        assert code == 130
    assert train(*words) == (0, [folder])
    assert_same_run(folder, whole, read_events)


# Trained by another process


def test_run_that_another_process_trains_is_refused_before_any_work(
    trained_run, tiny_training, hold, call_command, capsys
):
    def call(*words):
        run = ("--runs-dir", trained_run.parents[1], "--run-name", trained_run.name)
        code = call_command(main, *tiny_training, *run, *words)
        return code, capsys.readouterr().err

    before = {path: path.read_bytes() for path in trained_run.rglob("*") if path.is_file()}
    with hold(trained_run / ".lock") as other:
        line = f"error: {trained_run}: process {other.pid} on "
        for words in (("--resume", trained_run), ("--resume", trained_run, "--profile")):
            code, error = call(*words, "--data-dir", "nowhere")
            assert (code, error[: len(line)], error.count("\n")) == (2, line, 1)
            assert "Wait for its end, or choose another --run-name." in error
        assert call("--resume", trained_run, "--print-config") == (0, "")  # which only reads
    assert {path: path.read_bytes() for path in trained_run.rglob("*") if path.is_file()} == before


# Number format and memory format

MEASURED = ("--precision", "auto", "--no-quality")


def test_two_runs_of_a_seed_are_equal_and_measured_once(
    fastest, tiny_training, tmp_path, call_command, read_events, monkeypatch
):
    monkeypatch.setattr(finish, "draw", lambda *_: {})
    works = fastest("bf16", "channels_last")
    words = (*tiny_training, *MEASURED, "--epochs", 1, "--runs-dir", tmp_path)
    folders = [tmp_path / "train_backbone" / name for name in ("a", "b")]
    for folder in folders:
        assert call_command(main, *words, "--run-name", folder.name) == 0
    assert_same_run(*folders, read_events)
    assert works == ["training at 32 px"]


def test_resumed_run_keeps_its_format_whatever_is_fast_now(
    fastest, tiny_training, tmp_path, call_command, capsys, monkeypatch
):
    monkeypatch.setattr(finish, "draw", lambda *_: {})
    words = (*tiny_training, *MEASURED, "--runs-dir", tmp_path, "--run-name", "a")
    folder = tmp_path / "train_backbone" / "a"
    fastest("bf16", "channels_last")
    assert call_command(main, *words, "--epochs", 1) == 0
    assert "format:  bf16 channels_last: 2.0 x fp32" in capsys.readouterr().out.splitlines()
    works = fastest("fp32", "contiguous")
    resume = (*words, "--resume", folder, "--epochs")
    for epochs, precision in ((2, "auto"), (3, "fp32")):  # what is asked for may be another one
        assert call_command(main, *resume, epochs, "--precision", precision) == 0
        expected = "bf16" if precision == "auto" else "fp32"
        assert f"format:  {expected} channels_last" in capsys.readouterr().out.splitlines()
        config = json.loads((folder / "config.json").read_text())
        assert (config["precision"], config["memory_format"]) == (expected, "channels_last")
    assert works == []
    before = (folder / "config.json").read_bytes()
    assert call_command(main, *resume, 4, "--memory-format", "contiguous") == 2
    assert "that run computes in --memory-format channels_last. Leave the flag out." in capsys.readouterr().err
    assert (folder / "config.json").read_bytes() == before
    assert call_command(main, *words[:-2], "--max-steps", 1) == 0  # a new one
    assert "format:  fp32 contiguous: bf16 is 0.5 x" in capsys.readouterr().out.splitlines()


# Killed early


@pytest.mark.parametrize("left", ["config.json", ".ckpt.pt.abcd1234.nstkit-part", "as it is"])
def test_run_that_was_killed_before_its_first_save_is_begun_again_in_its_folder(
    left, train, uninterrupted, read_events
):
    words = ("--resume", "auto", "--run-name", "run", "--epochs", 1)
    whole = uninterrupted("--epochs", 1)
    code, (folder,) = train(*words, cut_at=6, memory_format=torch.contiguous_format)
    assert code == 130
    assert not (folder / "last.pt").exists()
    assert len(read_lines(folder)) == 1
    if left != "as it is":
        for path in folder.iterdir():
            if path.name != left:
                path.unlink()
        (folder / left).touch()
        assert [path.name for path in folder.iterdir()] == [left]
    code, folders = train(*words, memory_format=torch.contiguous_format)
    assert (code, folders) == (0, [folder])
    assert_same_run(folder, whole, read_events)
    assert not list(folder.rglob(".*"))


def test_auto_without_a_name_takes_up_a_run_that_has_not_saved_yet(train):
    assert train("--run-name", "a", cut_at=6, memory_format=torch.contiguous_format)[0] == 130
    code, folders = train("--resume", "auto")
    assert code == 0
    assert [folder.name for folder in folders] == ["a"]
    assert read_lines(folders[0])[-1]["step"] == EPOCHS * STEPS_AN_EPOCH


# Which run


def test_auto_with_a_name_takes_that_run_or_a_new_one(train):
    assert train("--resume", "auto", "--run-name", "a", cut_at=STEPS_AN_EPOCH + 2)[0] == 130
    code, folders = train("--resume", "auto", "--run-name", "b", "--epochs", 1)
    assert code == 0
    assert [folder.name for folder in folders] == ["a", "b"]
    assert "measures" not in read_lines(folders[0])[-1]


def test_kill_between_a_validation_and_its_save_doubles_nothing(train, uninterrupted, monkeypatch, read_events):
    words = ("--run-name", "run", "--resume", "auto", "--save-every", "0")
    whole = uninterrupted(*words)
    save = report.Reporter.save_last

    def die(reporter):
        if reporter._session.training.batch == 0:
            raise KeyboardInterrupt
        save(reporter)

    with monkeypatch.context() as patch:
        patch.setattr(report.Reporter, "save_last", die)
        code, (folder,) = train(*words, memory_format=torch.contiguous_format)
    assert code == 130
    assert "val/top1" in read_lines(folder)[-1]
    assert train(*words) == (0, [folder])
    assert without_times(read_lines(folder)) == without_times(read_lines(whole))
    steps = [scalar.step for scalar in read_events(folder).Scalars("val/top1")]
    assert steps == [STEPS_AN_EPOCH * epoch for epoch in range(1, EPOCHS + 1)]


def test_same_command_once_more_after_the_end_ends_well_and_changes_nothing(train, capsys):
    code, (folder,) = train("--resume", "auto", "--run-name", "a", "--epochs", 1)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    capsys.readouterr()
    assert train("--resume", "auto", "--run-name", "a", "--epochs", 1) == (0, [folder])
    assert capsys.readouterr().out == f"finished already: {folder}\n"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    code, folders = train("--resume", "auto", "--run-name", "a", "--epochs", 2)  # another run, whose name is taken
    assert (code, folders) == (2, [folder])


# Real processes and real signals


def test_killed_and_terminated_processes_go_on_bit_for_bit(
    driver, train, tiny_training, uninterrupted, tmp_path, read_events
):
    words = ("--save-every", 0, "--resume", "auto", "--run-name", "run")
    folder = tmp_path / "runs" / "train_backbone" / "run"
    standard = ("--epochs", EPOCHS, "--no-quality", "--runs-dir", folder.parents[1])
    whole_words = list(map(str, (*tiny_training, *standard, *words)))
    calls = [json.dumps([step, number, whole_words]) for step, number in ((16, signal.SIGKILL), (26, signal.SIGTERM))]
    out, errors = driver.communicate("\n".join(calls), timeout=PATIENCE_S)
    ends = [line for line in out.splitlines() if line.startswith("ended with")]
    assert ends == [f"ended with {-signal.SIGKILL}", "ended with 130"]
    assert "resumed at step 14, in epoch 2" in out
    assert errors.splitlines() == [
        "stopping as soon as all is saved; once more stops at once",
        "interrupted; what was finished is saved",
    ]
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == 28
    assert train(*words) == (0, [folder])
    assert_same_run(folder, uninterrupted(), read_events)
