"""The kit's question as one picture, drawn from the rows of all runs."""

import json

import numpy as np
from PIL import Image

from nstkit.figures.question import FOLDER, TAG, Point, points_of, read_rows, show_question


def write(runs_dir, name, backbone, **measures):
    folder = runs_dir / name
    folder.mkdir(parents=True)
    tags = {"probe": "extractor/probe", "style": "judge/style"}
    row = {"settings": {"backbone": backbone}, "measures": {tags[key]: value for key, value in measures.items()}}
    (folder / "metrics.jsonl").write_text(f'{{"step": 1, "loss/total": 2}}\n{json.dumps({"step": 2, **row})}\n')


def test_points_join_what_was_measured_with_what_was_painted(tmp_path, read_events):
    write(tmp_path, "quality/a", "vgg19", probe=0.5)
    write(tmp_path, "transfer/a", "vgg19", style=0.75)
    write(tmp_path, "transfer/b", "vgg19", style=0.25)
    write(tmp_path, "transfer/c", "own", style=0.5, probe=0.25)  # the median of two pairs
    (tmp_path / "transfer" / "c" / "results.csv").write_text("content,judge/style\na,0.25\nb,0.75\n")
    write(tmp_path, "transfer/d", "unknown", style=0.125)
    write(tmp_path, "train_backbone/e", "painted nothing", probe=0.9)
    (tmp_path / "transfer" / "killed").mkdir()
    (tmp_path / "transfer" / "killed" / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    (tmp_path / "transfer" / "empty").mkdir()
    (tmp_path / "transfer" / "empty" / "metrics.jsonl").touch()
    points = points_of(read_rows(tmp_path))
    assert [(point.name, point.quality, sorted(point.styles)) for point in points] == [
        ("own", 0.25, [0.25, 0.75]),
        ("unknown", None, [0.125]),
        ("vgg19", 0.5, [0.25, 0.75]),
    ]
    show_question(tmp_path)
    with Image.open(tmp_path / FOLDER / "quality_against_style.png") as picture:
        assert np.asarray(picture).std() > 5
    (shown,) = read_events(tmp_path / FOLDER).Images(TAG)
    assert shown.step == 5


def test_one_network_is_no_answer(tmp_path):
    write(tmp_path, "transfer/a", "own", style=0.5, probe=0.25)
    write(tmp_path, "transfer/b", "unknown", style=0.5)
    show_question(tmp_path)
    assert not (tmp_path / FOLDER).exists()
    assert points_of([]) == []
    assert points_of([{"settings": {"backbone": "x"}, "measures": {"judge/style": 1.0}}]) == [Point("x", None, (1.0,))]
