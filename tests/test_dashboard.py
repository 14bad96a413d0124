"""A real TensorBoard over one training and one painting: what its server says, and what its page shows."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
import torch
from PIL import Image

from nstkit.runs import MEASURE_KEYS, SETTING_KEYS, Run
from train_backbone.config import TrainConfig
from transfer.config import TransferConfig

TEACHER, PAINTING = "train_backbone/teacher", "transfer/painting"
START_S, CLOSE_S, BROWSER_S = 60, 10, 90
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
BROWSER_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--window-size=1600,1000", "--virtual-time-budget=15000"),
)


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    """One run of each command with its row of the table, made without training or painting."""
    runs_dir = tmp_path_factory.mktemp("dashboard") / "runs"
    picture = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    with Run(runs_dir / TEACHER, TrainConfig(), {}) as run:
        for step in (10, 20):
            run.log(step, {"train/loss": 1 / step, "val/top1": step / 40})
        run.show_picture("image/batch", picture)
        settings = {"command": "train_backbone", "backbone": "teacher", "arch": "vgg11", "width": 0.25, "seed": 3}
        run.compare_by(settings, {"extractor/top1": 0.625}, 20)
    with Run(runs_dir / PAINTING, TransferConfig(), {}) as run:
        for step in (1, 2, 3):
            run.log(step, {"loss/total": 1 / step, "loss/style/relu1_1": 1 / step})
            run.show_picture("image/canvas", picture, step)
        settings = {"command": "transfer", "backbone": "teacher", "arch": "vgg11", "content": "boat", "style": "waves"}
        run.compare_by(settings, {"extractor/top1": 0.625, "judge/colour": 0.125, "judge/content": 0.75}, 3)
    return runs_dir


@contextlib.contextmanager
def process(command, **options):
    """Run a program in a session of its own, and end all of it in any case."""
    started = subprocess.Popen(command, start_new_session=True, text=True, **options)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)
        try:
            started.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait(CLOSE_S)


def is_loaded(ask):
    """Return whether the server, which answers at once, has read the files to their ends."""
    tags = ask("data/plugin/scalars/tags")
    has_both = "extractor/top1" in tags.get(TEACHER, {}) and "judge/content" in tags.get(PAINTING, {})
    return has_both and "hparamInfos" in ask("data/plugin/hparams/experiment", {"experimentName": ""})


@pytest.fixture(scope="module")
def ask(runs_dir, tmp_path_factory):
    """Ask the server for a path, with a body to post or none; return its JSON or its bytes. `ask.url` is the page's."""
    log = tmp_path_factory.mktemp("tensorboard") / "log"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs_dir), "--port", "0"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # not through a proxy of the environment

    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(ask.url + path, data, {"Content-Type": "application/json"})
        with opener.open(request, timeout=20) as answer:
            content = answer.read()
            return json.loads(content) if answer.headers.get_content_type() == "application/json" else content

    deadline = time.monotonic() + START_S
    with log.open("w") as output, process([*command, "--host", "localhost"], stdout=output, stderr=output) as server:
        while not (found := re.search(r"http://localhost:\d+/", log.read_text())):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        ask.url = found[0]
        while not is_loaded(ask):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield ask


def test_both_runs_stand_in_one_table_with_all_columns(ask):
    experiment = ask("data/plugin/hparams/experiment", {"experimentName": ""})
    assert {info["name"] for info in experiment["hparamInfos"]} == set(SETTING_KEYS)
    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == list(MEASURE_KEYS)

    statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    query = {"experimentName": "", "allowedStatuses": statuses, "colParams": [], "startIndex": 0, "sliceSize": 100}
    answer = ask("data/plugin/hparams/session_groups", query)
    groups = {group["name"]: group for group in answer["sessionGroups"]}
    assert set(groups) == {TEACHER, PAINTING}
    measures = {
        name: {value["name"]["tag"]: value["value"] for value in group["metricValues"]}
        for name, group in groups.items()
    }
    assert measures[TEACHER] == {"extractor/top1": 0.625}
    assert measures[PAINTING] == {"extractor/top1": 0.625, "judge/colour": 0.125, "judge/content": 0.75}
    words = {name: group["hparams"] for name, group in groups.items()}
    assert (words[TEACHER]["command"], words[TEACHER]["content"]) == ("train_backbone", "none")
    assert (words[PAINTING]["command"], words[PAINTING]["content"]) == ("transfer", "boat")
    assert words[TEACHER]["backbone"] == words[PAINTING]["backbone"] == "teacher"
    assert (words[TEACHER]["width"], words[TEACHER]["seed"]) == (0.25, 3)


def test_curves_and_pictures_are_served_by_tag_and_run(ask):
    scalars = {run: set(tags) for run, tags in ask("data/plugin/scalars/tags").items()}
    assert scalars == {
        TEACHER: {"train/loss", "val/top1", "extractor/top1"},
        PAINTING: {"loss/total", "loss/style/relu1_1", "extractor/top1", "judge/colour", "judge/content"},
    }
    images = {run: set(tags) for run, tags in ask("data/plugin/images/tags").items()}
    assert images == {TEACHER: {"image/batch"}, PAINTING: {"image/canvas"}}
    canvases = ask(f"data/plugin/images/images?run={PAINTING}&tag=image/canvas&sample=0")
    assert [canvas["step"] for canvas in canvases] == [1, 2, 3]
    with Image.open(io.BytesIO(ask(f"data/plugin/images/individualImage?{canvases[-1]['query']}"))) as picture:
        assert picture.size == (32, 24)
    curve = ask(f"data/plugin/scalars/scalars?run={PAINTING}&tag=loss/total")
    assert [(step, value) for _, step, value in curve] == [(1, 1), (2, 0.5), (3, pytest.approx(1 / 3))]


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")
def test_page_shows_runs_tags_and_values(ask, tmp_path):
    picture = tmp_path / "page.png"
    command = [BROWSER, *BROWSER_FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
    command += ["--dump-dom", ask.url + "#timeseries"]
    with process(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as browser:
        page, _ = browser.communicate(timeout=BROWSER_S)
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page[page.index("<body") :], flags=re.DOTALL)
    words = [word for line in re.sub(r"<[^>]+>", "\n", body).splitlines() if (word := line.strip())]
    # In the list of runs, and with the value of both in the first card, which is the extractor's.
    for run in (TEACHER, PAINTING):
        assert words.count(run) >= 2
        place = words.index(run, words.index("/top1"))
        assert "0.625" in words[place : place + 4]
    assert {"extractor", "judge", "loss", "train", "/canvas", "/batch"} <= set(words)
    assert "No dashboards are active for the current data set." not in words
    assert picture.stat().st_size > 20_000
