"""What the tests of both commands share: tiny pictures, a command called as from the shell, one tiny trained run."""

import contextlib
import dataclasses
import os
import subprocess
import sys
from dataclasses import dataclass

import hypothesis
import numpy as np
import pytest
import torch
from PIL import Image

from nstkit import formats, remembered
from nstkit.datasets.files import LabelledFiles
from nstkit.datasets.patterns import draw_patterns
from nstkit.errors import run_command

hypothesis.settings.register_profile("untimed", deadline=None)  # machines differ, and nothing is timed in a test
hypothesis.settings.load_profile("untimed")
# Commands that tests start import torch and torchvision, which takes 12 s where the compiled modules are not kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):  # they share the cores
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())  # and so do the commands that they start

TINY_CLASSES = ("checks", "dots", "stripes")
TINY_TRAINING = (
    *("--arch", "vgg11", "--width", "0.0625", "--dataset", "folder", "--image-size", "32", "--device", "cpu"),
    *("--precision", "fp32", "--batch-size", "8", "--epochs", "2", "--quiet"),
)


@pytest.fixture(autouse=True, scope="session")
def unmeasured(tmp_path_factory):
    """No test measures which format is fast, but those about that: `auto` is the first one, in float32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "CACHE", tmp_path_factory.mktemp("formats"))
        patch.setattr(formats, "measure", lambda formats, work: {})
        patch.setattr(remembered, "CACHE", tmp_path_factory.mktemp("quality"))  # nor remembers what others measured
        yield


@pytest.fixture
def fastest(monkeypatch, tmp_path):
    """A function that makes a format twice as fast as every other, with nothing remembered so far.

    It returns the names of the works that are measured.
    """

    def make(precision, memory_format):
        works = []

        def measure(candidates, work):
            works.append(work.name)
            return {form: 1.0 if form == (precision, memory_format) else 2.0 for form in candidates}

        monkeypatch.setattr(formats, "CACHE", tmp_path / f"{precision} {memory_format}")
        monkeypatch.setattr(formats, "measure", measure)
        return works

    return make


@pytest.fixture(scope="session")
def call_command():
    """Call a command's `main` with words of a command line; return the exit code."""

    def call(main, *words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["command", *map(str, words)])
            try:
                run_command(main)
            except SystemExit as end:
                return end.code
        return 0

    return call


HOLD = "import sys; from pathlib import Path; from nstkit.locks import locked\n"
HOLD += "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


@pytest.fixture(scope="session")
def hold():
    """Let another process hold the lock of a file, until its standard input is closed."""

    @contextlib.contextmanager
    def run(path):
        words = [sys.executable, "-c", HOLD, path]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"held\n"
            yield process

    return run


@pytest.fixture(scope="session")
def draw_picture():
    """Return a Pillow picture of `size` = (width, height), smooth and coloured, another for each seed."""

    def draw(size, seed=0):
        width, height = size
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)

    return draw


@pytest.fixture(scope="session")
def class_folders(tmp_path_factory):
    """Three classes of textures, 32 training and 8 test pictures each; 87 pictures are left to train on."""
    root = tmp_path_factory.mktemp("classes")
    images, labels = draw_patterns(480, 32, seed=0)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        part = "train" if number % 5 else "test"
        folder = root / part / TINY_CLASSES[label % 3]
        folder.mkdir(parents=True, exist_ok=True)
        if len(list(folder.iterdir())) < (32 if part == "train" else 8):
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def tiny_training(class_folders):
    """The words of a command line of train_backbone that take two seconds; --runs-dir is left to the caller."""
    return (*TINY_TRAINING, "--data-dir", str(class_folders))


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, tiny_training, call_command):
    """The folder of a finished tiny run of train_backbone."""
    from train_backbone.__main__ import main

    runs_dir = tmp_path_factory.mktemp("trained") / "runs"
    assert call_command(main, *tiny_training, "--runs-dir", runs_dir, "--run-name", "tiny") == 0
    return runs_dir / "train_backbone" / "tiny"


@pytest.fixture(scope="session")
def on_disk():
    """Write the pictures of a data set into a folder; return the data set that reads them whenever it needs them."""

    def write(data, root):
        def leave(part, name):
            (root / name).mkdir(parents=True)
            for number, image in zip(part.names, part.images, strict=True):
                Image.fromarray(image.numpy()).save(root / name / f"{number}.png")
            names = np.strings.add(part.names, np.array(".png", part.names.dtype))
            return LabelledFiles(root / name, names, part.labels, part.size_px)

        parts = {name: leave(getattr(data, name), name) for name in ("train", "val", "test")}
        return dataclasses.replace(data, **parts)

    return write


@pytest.fixture
def cpu():
    """The device of every test here."""
    return torch.device("cpu")


@dataclass(frozen=True)
class Row:
    """A run's row of TensorBoard's table."""

    columns: tuple[str, ...]
    measures: tuple[str, ...]
    settings: dict[str, str | float]
    values: dict[str, float]


@pytest.fixture(scope="session")
def read_events():
    """Read a run folder with TensorBoard's own reader, without thinning out."""

    def read(folder):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        sizes = dict.fromkeys(("scalars", "images", "tensors", "histograms", "compressedHistograms", "audio"), 0)
        return EventAccumulator(str(folder), size_guidance=sizes).Reload()

    return read


@pytest.fixture(scope="session")
def read_row(read_events):
    """Read the row that a run folder has in TensorBoard's table."""

    def read(folder):
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

        events = read_events(folder)
        data = [HParamsPluginData.FromString(x) for x in events.PluginTagToContent("hparams").values()]
        (experiment,) = (part.experiment for part in data if part.HasField("experiment"))
        (session,) = (part.session_start_info for part in data if part.HasField("session_start_info"))
        settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in sorted(session.hparams.items())}
        columns = tuple(info.name for info in experiment.hparam_infos)
        measures = tuple(info.name.tag for info in experiment.metric_infos)
        scalars = set(events.Tags()["scalars"])
        values = {tag: events.Scalars(tag)[-1].value for tag in measures if tag in scalars}
        return Row(columns, measures, settings, values)

    return read
