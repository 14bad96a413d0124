"""The run folder, read back with TensorBoard's own reader: curves, pictures, and one table for all commands."""

import errno
import io
import json
import math
import os

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from nstkit.errors import UserError
from nstkit.quality.config import QualityConfig
from nstkit.runs import (
    EVENT_PICTURE_PX,
    MEASURE_KEYS,
    NUMERIC_SETTING_KEYS,
    SETTING_KEYS,
    Run,
    cut_back,
    open_run,
    table_row,
    tensorboard_command,
)

TRAINED = {"command": "train_backbone", "backbone": "run", "arch": "vgg19", "width": 0.25, "lr": 1e-3, "seed": 0}
PAINTED = {"command": "transfer", "backbone": "run", "content": "a", "style": "b", "style_weight": 10.0, "seed": 3}


def _open(folder, **more):
    return Run(folder, QualityConfig(), {"device": "cpu"}, **more)


def _events(folder):
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()


def _curve(folder, tag):
    return [(event.step, event.value) for event in _events(folder).Scalars(tag)]


def _lines(folder):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def _pixels(event):
    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


def _hparams(folder):
    """Return (columns of settings with their types, columns of measures, this run's settings)."""
    metadata = _events(folder).summary_metadata

    def read(name):
        return HParamsPluginData.FromString(metadata[f"_hparams_/{name}"].plugin_data.content)

    experiment, start = read("experiment").experiment, read("session_start_info").session_start_info
    settings = {
        name: value.number_value if value.WhichOneof("kind") == "number_value" else value.string_value
        for name, value in start.hparams.items()
    }
    return (
        {info.name: info.type for info in experiment.hparam_infos},
        [info.name.tag for info in experiment.metric_infos],
        settings,
    )


def test_config_holds_settings_given_and_environment(tmp_path):
    with Run(tmp_path / "run", QualityConfig.of(seed=3, quiet=True), {"device": "cpu"}, given={"seed": None}):
        pass
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["seed"] == 3
    assert saved["runs_dir"] == "runs"
    assert saved["given"] == {"seed": None}
    assert saved["environment"] == {"device": "cpu"}
    assert "quiet" not in saved


def test_open_run_says_how_to_watch_it_then_where_it_is_and_remembers_what_was_given(tmp_path, cpu, capsys):
    given = QualityConfig.of(runs_dir=tmp_path / "runs", run_name="a")
    with open_run(given.changed(device="cpu"), cpu, "quality", "slug", given=given, name="a-b") as run:
        assert run.folder == tmp_path / "runs" / "quality" / "a-b"
        first = capsys.readouterr().out
        run.log(1, {"x": 1.0})
    assert first == f"watch:   {tensorboard_command(tmp_path / 'runs')}\n"
    assert capsys.readouterr().out == f"results: {run.folder}\n"
    saved = json.loads((run.folder / "config.json").read_text())
    assert (saved["device"], saved["given"]["device"], saved["given"]["run_name"]) == ("cpu", "auto", "a")
    assert saved["environment"]["torch"] == torch.__version__
    with (
        pytest.raises(UserError, match=r"--run-name a-b: .* is there already"),
        open_run(given, cpu, "quality", "slug", given=given, name="a-b"),
    ):
        pytest.fail("a taken name was taken again")


def test_every_step_is_a_line_and_a_point(tmp_path):
    with _open(tmp_path) as run:
        for step in range(3):
            run.log(step, {"train/loss": 1 / (1 + step), "opt/lr": 0.1})
    assert [{key: line[key] for key in ("step", "train/loss", "opt/lr")} for line in _lines(tmp_path)] == [
        {"step": step, "train/loss": 1 / (1 + step), "opt/lr": 0.1} for step in range(3)
    ]
    assert all(line["time"] > 1.7e9 for line in _lines(tmp_path))
    assert _curve(tmp_path, "train/loss") == [(0, 1), (1, 0.5), (2, pytest.approx(1 / 3))]
    assert _curve(tmp_path, "opt/lr")[2] == (2, pytest.approx(0.1))


def test_lines_reach_the_disk_at_once_and_points_when_flushed(tmp_path):
    with _open(tmp_path) as run:
        run.log(1, {"a": 1.0})
        assert len(_lines(tmp_path)) == 1
        run.flush()
        assert _curve(tmp_path, "a") == [(1, 1)]


def test_an_error_inside_still_closes_the_files(tmp_path):
    def paint():
        with _open(tmp_path) as run:
            run.log(1, {"a": 1.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint()
    assert _lines(tmp_path)[0]["a"] == 1
    assert _curve(tmp_path, "a") == [(1, 1)]


def _fail_in(run):
    with run:
        raise ZeroDivisionError


def test_run_that_fails_before_its_first_step_leaves_no_folder(tmp_path, cpu):
    config = QualityConfig.of(runs_dir=tmp_path / "runs")

    def measure():
        with open_run(config, cpu, "quality", "slug", given=config) as run:
            run.save_picture("a.png", Image.new("RGB", (8, 8)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure()
    assert os.listdir(tmp_path) == []


def test_continued_run_that_fails_keeps_its_checkpoints(tmp_path):
    # Its metrics may be gone or cut back to nothing.
    (tmp_path / "last.pt").write_bytes(b"precious")
    with pytest.raises(ZeroDivisionError):
        _fail_in(_open(tmp_path, resume_step=5))
    assert (tmp_path / "last.pt").read_bytes() == b"precious"


def test_pictures_come_back(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image = torch.from_numpy(values).permute(2, 0, 1)[None].float() / 255
    with _open(tmp_path) as run:
        run.show_picture("image/canvas", image, 4)
        run.show_picture("image/canvas", (1 - image).requires_grad_(), 9)
        path = run.save_picture("a-b.png", image, {"nstkit": "x"})
        run.save_picture("c.png", Image.fromarray(values))
    first, second = _events(tmp_path).Images("image/canvas")
    assert (first.step, second.step) == (4, 9)
    assert np.array_equal(_pixels(first), values)
    # torch cuts the fraction off for TensorBoard.
    assert np.abs(_pixels(second).astype(int) - (255 - values)).max() <= 1
    assert path == tmp_path / "images" / "a-b.png"
    with Image.open(path) as saved, Image.open(tmp_path / "images" / "c.png") as other:
        assert np.array_equal(np.asarray(saved), values)
        assert np.array_equal(np.asarray(other), values)
        assert saved.text["nstkit"] == "x"


def test_a_large_picture_is_shown_small_and_what_lies_outside_is_clamped(tmp_path):
    image = torch.full((1, 3, 300, 2 * EVENT_PICTURE_PX), 1.5)
    with _open(tmp_path) as run:
        run.show_picture("image/content", image)
        run.show_picture("image/small", torch.full((1, 3, 8, 8), 1.5))
    (event,) = _events(tmp_path).Images("image/content")
    assert _pixels(event).shape == (150, EVENT_PICTURE_PX, 3)
    assert _pixels(event).min() == 255
    assert _pixels(_events(tmp_path).Images("image/small")[0]).min() == 255


def test_text_is_shown(tmp_path):
    with _open(tmp_path) as run:
        run.show_text("about", "**bold**")
    (event,) = _events(tmp_path).Tensors("about/text_summary")
    assert event.tensor_proto.string_val[0] == b"**bold**"


def test_row_has_every_column_and_marks_what_is_missing():
    row, measures = table_row({}, {})
    assert list(row) == list(SETTING_KEYS)
    assert list(measures) == list(MEASURE_KEYS)
    for key, value in row.items():
        assert math.isnan(value) if key in NUMERIC_SETTING_KEYS else value == "none"
    assert all(math.isnan(value) for value in measures.values())
    assert set(SETTING_KEYS) >= NUMERIC_SETTING_KEYS


def test_row_keeps_what_is_there_zero_as_well():
    row, measures = table_row({"seed": 0, "style_weight": 0.0, "norm": "none", "epochs": None}, {"judge/style": 0.0})
    assert row["seed"] == 0
    assert row["style_weight"] == 0
    assert row["norm"] == "none"
    assert math.isnan(row["epochs"])
    assert measures["judge/style"] == 0


def test_row_without_a_column_is_our_own_mistake():
    with pytest.raises(AssertionError, match="colour"):
        table_row({"colour": "x"}, {})


def test_rows_of_two_commands_stand_in_one_table(tmp_path):
    with _open(tmp_path / "a") as run:
        run.compare_by(TRAINED, {"extractor/top1": 0.5}, 100)
    with _open(tmp_path / "b") as run:
        run.compare_by(PAINTED, {"extractor/top1": 0.5, "judge/style": 0.25}, 150)
    (types_a, measures_a, settings_a), (types_b, measures_b, settings_b) = (_hparams(tmp_path / name) for name in "ab")
    assert types_a == types_b
    assert list(types_a) == list(SETTING_KEYS)
    assert measures_a == measures_b == list(MEASURE_KEYS)
    # TensorBoard sorts and filters numbers only where every run declares them as such.
    assert {name for name, kind in types_a.items() if kind == 3} == NUMERIC_SETTING_KEYS
    assert settings_a["seed"] == 0
    assert settings_a["content"] == "none"
    assert math.isnan(settings_a["style_weight"])
    assert (settings_b["content"], settings_b["style_weight"], settings_b["seed"]) == ("a", 10, 3)
    assert _curve(tmp_path / "a", "extractor/top1") == [(100, 0.5)]
    assert _curve(tmp_path / "b", "judge/style") == [(150, 0.25)]
    assert _events(tmp_path / "a").Tags()["scalars"] == ["extractor/top1"]  # no empty curves


def test_row_is_one_run_not_a_folder_of_its_own(tmp_path):
    # torch's `add_hparams` makes a second run below the first.
    with _open(tmp_path) as run:
        run.compare_by(TRAINED, {"extractor/top1": 0.5}, 100)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    assert len(list(tmp_path.glob("events.out.*"))) == 1


def test_row_stands_in_the_metrics_without_nan(tmp_path):
    with _open(tmp_path) as run:
        run.compare_by(TRAINED, {"extractor/top1": 0.5}, 100)
    assert _lines(tmp_path) == [{"step": 100, "settings": TRAINED, "measures": {"extractor/top1": 0.5}}]


def test_resumed_run_continues_behind_its_step(tmp_path):
    with _open(tmp_path) as run:
        for step in range(1, 9):
            run.log(step, {"a": float(step)})
            run.show_picture("image/canvas", torch.zeros(1, 3, 8, 8), step)
    with _open(tmp_path, resume_step=5) as run:
        for step in (6, 7):
            run.log(step, {"a": -float(step)})
            run.show_picture("image/canvas", torch.ones(1, 3, 8, 8), step)
    expected = [1, 2, 3, 4, 5, -6, -7]
    assert [line["a"] for line in _lines(tmp_path)] == expected
    assert [value for _, value in _curve(tmp_path, "a")] == expected
    images = _events(tmp_path).Images("image/canvas")
    assert [(event.step, _pixels(event).max()) for event in images] == [
        *((k, 0) for k in range(1, 6)),
        (6, 255),
        (7, 255),
    ]


def test_cut_back_drops_later_lines_and_an_unfinished_last_one(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = ['{"step": 1, "a": 1}', '{"step": 2, "a": NaN}', '{"step": 3, "a": 3}', '{"step": 1, "settings": {}}']
    path.write_text("\n".join([*lines, '{"step": 2, "a": 0.12']))
    cut_back(path, lambda line: line["step"] <= 2)
    assert path.read_text() == "\n".join([lines[0], lines[1], lines[3]]) + "\n"
    assert os.listdir(tmp_path) == ["metrics.jsonl"]


def test_cut_back_of_a_whole_file_changes_nothing(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n')
    cut_back(path, lambda line: line["step"] <= 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    cut_back(tmp_path / "missing.jsonl", lambda line: line["step"] <= 2)
    assert not (tmp_path / "missing.jsonl").exists()


def test_rewound_run_forgets_what_came_behind(tmp_path):
    with _open(tmp_path) as run:
        for step in range(1, 9):
            run.log(step, {"a": float(step)})
            run.show_picture("image/canvas", torch.zeros(1, 3, 8, 8), step)
        run.rewind(5)
        run.show_text("watchdog", "it died", 5)
        run.log(6, {"a": -6.0})
        run.rewind(5)  # it may die twice
        for step in (6, 7):
            run.log(step, {"a": -float(step)})
            run.show_picture("image/canvas", torch.ones(1, 3, 8, 8), step)
    expected = [1, 2, 3, 4, 5, -6, -7]
    assert [line["a"] for line in _lines(tmp_path)] == expected
    assert _curve(tmp_path, "a") == [(abs(value), value) for value in expected]
    images = _events(tmp_path).Images("image/canvas")
    assert [(event.step, _pixels(event).max()) for event in images] == [
        *((k, 0) for k in range(1, 6)),
        (6, 255),
        (7, 255),
    ]
    assert len(_events(tmp_path).Tensors("watchdog/text_summary")) == 1


def test_rewound_to_its_start_a_new_run_that_fails_leaves_no_folder(tmp_path):
    run = _open(tmp_path / "run")
    run.log(3, {"a": 1.0})
    run.rewind(0)
    with pytest.raises(ZeroDivisionError):
        _fail_in(run)
    assert os.listdir(tmp_path / "run") == []


@pytest.mark.parametrize("resume_step", [None, 5])
def test_files_that_a_kill_left_unfinished_are_cleared_away(resume_step, tmp_path):
    for name in (".ckpt.pt.abcd_123.nstkit-part", "epochs/.epoch-001.pt.q1w2e3r4.nstkit-part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "epochs" / "epoch-000.pt").write_bytes(b"whole")
    others = {".mine.part", ".a.download.part", ".b.nstkit-part"}  # of somebody else
    for name in others:
        (tmp_path / name).touch()
    with _open(tmp_path, resume_step=resume_step) as run:
        run.log(6, {"a": 1.0})
    assert {path.name for path in tmp_path.rglob("*part")} == others
    assert (tmp_path / "epochs" / "epoch-000.pt").read_bytes() == b"whole"


def test_what_was_there_stays_when_the_run_fails(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "images").mkdir()
    with pytest.raises(ZeroDivisionError):
        _fail_in(_open(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [".git", "images"]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_full_disk_ends_the_run_with_its_own_error_or_that_of_the_work(error, tmp_path, monkeypatch):
    run = _open(tmp_path)
    run.log(1, {"a": 1.0})

    class Full:
        def __init__(self, file):
            self._file = file

        def write(self, line):
            return self._file.write(line[:7])

    monkeypatch.setattr(run, "_metrics", Full(run._metrics))
    with pytest.raises(OSError, match="No space left"):
        run.log(2, {"a": 1.0})
    monkeypatch.undo()

    def refuse():
        raise OSError(errno.ENOSPC, "full")

    writer = run._writer()
    close = writer.close
    monkeypatch.setattr(writer, "close", refuse)
    if error is None:
        with pytest.raises(OSError, match="full"):
            run.__exit__(None)
    else:
        run.__exit__(error)
    close()
    with _open(tmp_path, resume_step=1):
        pass
    assert [line["step"] for line in _lines(tmp_path)] == [1]


def test_folder_that_cannot_be_written_is_named(tmp_path, user_error):
    (tmp_path / "file").write_bytes(b"")
    with user_error(tmp_path / "file" / "run", "cannot be written"):
        _open(tmp_path / "file" / "run")


def test_tensorboard_command_shows_every_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = "tensorboard --logdir runs --samples_per_plugin images=1000"
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    assert tensorboard_command(tmp_path / "runs") == command
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert tensorboard_command(tmp_path / "runs") == f"uv run {command}"
