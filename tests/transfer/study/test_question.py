"""A study with a question, by the command: arms, what is registered, pilot and smoke run. The painter is a stand-in."""

import csv
import json
from collections import Counter
from functools import partial

import numpy as np
import pytest
from PIL import Image

from nstkit.checkpoint import read_checkpoint, write_checkpoint
from nstkit.errors import UserError
from transfer.study import estimate, grid, plan, report
from transfer.study.__main__ import main
from transfer.study.cells import about
from transfer.study.config import QuestionSettings
from transfer.study.networks import list_networks

CONTENT = {3.0: 0.8, 10.0: 0.7, 30.0: 0.5}  # by style weight


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    """Draw a few times where a study draws a thousand times."""
    monkeypatch.setattr(report, "analyse", partial(report.analyse, replicates=20))


@pytest.fixture
def networks(checkpoint, tmp_path):
    """Checkpoints of 3 trainings at two epochs, and of another network, all of one tiny network."""
    content = read_checkpoint(checkpoint)
    for seed in range(3):
        for epoch, probe in ((0, 0.1), (20, 0.5 + 0.01 * seed)):
            path = tmp_path / "runs" / "train_backbone" / f"a-seed{seed}" / "epochs" / f"epoch-{epoch:03d}.pt"
            of_training = {"config": {**content["config"], "seed": seed}, "epoch": epoch}
            write_checkpoint(path, {**content, **of_training, "quality": {"extractor/probe": probe}})
    write_checkpoint(tmp_path / "other.pt", {**content, "quality": {"extractor/probe": 0.3}})
    return tmp_path


@pytest.fixture
def painted(monkeypatch, networks):
    """The cells that a stand-in for the painter was given; networks of epoch 20 paint better by 0.1."""
    cells = []

    class Painter:
        def __init__(self, config, device):
            self.folder = config.run.runs_dir / "study" / str(config.run.run_name)

        def __call__(self, cell):
            assert (self.folder / "registration.json").is_file()  # before the first picture
            cells.append(cell)
            row, random = about(cell), np.random.default_rng(len(cells))
            weight = row["style_weight"]
            style = 0.1 * cell.spec.text.endswith("epoch-020.pt") - 0.1 * CONTENT[weight] + random.normal(0, 0.005)
            numbers = {
                "time_s": 0.1,
                "loss/style": 0.1,
                "cost": 1.0,
                "judge/style": style,
                "judge/content": CONTENT[weight],
            }
            return {**row, **numbers}, Image.new("RGB", (24, 16), "teal")

    monkeypatch.setattr(grid, "Painter", Painter)
    return cells


@pytest.fixture
def words(pictures, networks, painted, monkeypatch):
    """A study of two arms, 2 pairs and 3 weights, from a TOML file with tables."""
    monkeypatch.chdir(networks)
    (networks / "study.toml").write_text(
        'pairing = "matched"\nsize = [64]\nstyle_weight = [3, 10, 30]\n'
        '[arm]\ntrained = "runs/train_backbone/a-seed*/epochs/*.pt"\nother = ["other.pt"]\n'
        '[question]\nlevel = 0.6\n[variant]\nspectrum = ""\n'
    )
    folders = ("--content", pictures / "content", "--style", pictures / "style")
    run = ("--runs-dir", networks / "runs", "--run-name", "it", "--device", "cpu", "--precision", "fp32", "--quiet")
    return ("--config", "study.toml", *folders, *run)


def read_rows(folder):
    with open(folder / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_study_is_registered_painted_and_answered(words, networks, painted, call_command, capsys):
    assert call_command(main, *words) == 0
    folder = networks / "runs" / "study" / "it"
    rows = read_rows(folder)
    assert Counter((row["arm"], row["train_seed"], row["epoch"]) for row in rows) == {
        **{("trained", str(seed), epoch): 6 for seed in range(3) for epoch in ("0.0", "20.0")},
        ("other", "", ""): 6,
    }
    assert {row["extractor/probe"] for row in rows if row["train_seed"] == "2"} == {"0.1", "0.52"}
    registered = json.loads((folder / "registration.json").read_text())["registered"]
    assert (registered["level"], registered["style_weights"]) == (0.6, [3.0, 10.0, 30.0])
    assert len(registered["networks"]) == 7
    out = capsys.readouterr().out
    assert "\nYes: at judge/content 0.6 from a random to the best network judge/style changes by +0.1" in out
    assert "n = 3 training seeds" in (folder / "report.html").read_text()
    assert "needs:   about 0 min for 42 cells, 0 MiB on disk, " in out

    # Again it goes on, and paints nothing; asked otherwise it does not.
    count = len(painted)
    assert call_command(main, *words) == 0
    before = (folder / "results.csv").read_bytes()
    assert call_command(main, *words, "--margin", 0.5) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "registration.json: margin registered otherwise on 20" in error
    assert len(painted) == count
    assert (folder / "results.csv").read_bytes() == before


def test_smoke_run_is_all_of_it_in_small(words, networks, painted, call_command):
    assert call_command(main, *words, "--smoke") == 0
    folder = networks / "runs" / "study" / "it-smoke"
    rows = read_rows(folder)
    assert Counter(row["arm"] for row in rows) == {"trained": 24, "other": 6}
    assert {row["train_seed"] for row in rows if row["arm"] == "trained"} == {"0", "1"}
    assert {(cell.size_px, cell.painting.optimization.steps) for cell in painted} == {(96, 5)}
    assert "Nothing here is a result" in (folder / "report.html").read_text()
    assert not (networks / "runs" / "study" / "it").exists()


def test_pilot_says_how_many_seeds_an_answer_takes(words, networks, painted, call_command, capsys):
    assert call_command(main, *words, "--pilot") == 0
    folder = networks / "runs" / "study" / "it-pilot"
    assert {row["backbone"] for row in read_rows(folder)} == {
        f"a-seed{seed}-epoch-{epoch}" for seed in range(3) for epoch in ("000", "020")
    }
    found = json.loads((folder / "pilot.json").read_text())
    assert (found["level"], found["networks_reached"], found["pairs_reached"], found["seeds"]) == (0.6, 1.0, 1.0, 3)
    assert 0 < found["sd_slopes_low"] < found["sd_slopes"] < found["sd_slopes_high"] < 0.1
    assert 0 < found["sd_networks"] < 0.01
    assert 2 <= found["seeds_needed"] <= 6
    assert [row["power"] for row in found["power"]] == sorted(row["power"] for row in found["power"])
    assert f"an effect of 0.03 takes {found['seeds_needed']} seeds to be found" in capsys.readouterr().out
    assert "A pilot: it plans the study" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("trained: nowhere/*.pt", "--arm trained: nothing is called nowhere/*.pt"),
        ("trained:", "--arm trained: it has no networks"),
        ("other.pt", "--arm other.pt: it has no name"),
        ("trained: other.pt other.pt", "--arm: two networks are called other in the table"),
    ],
)
def test_arm_that_cannot_be_is_one_line(arm, message, networks, call_command, capsys, monkeypatch):
    monkeypatch.chdir(networks)
    assert call_command(main, "--arm", arm, "--run-name", "x") == 2
    assert message in capsys.readouterr().err
    assert not (networks / "runs" / "study").exists()


def test_measures_of_quality_runs_win(networks):
    log = networks / "quality" / "one" / "metrics.jsonl"
    log.parent.mkdir(parents=True)
    first = {"step": 0, "extractor/probe/relu3_1": 0.7}
    lines = (first, {"settings": {"backbone": "other"}, "measures": {"extractor/probe": 0.9}})
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    question = QuestionSettings(arm=(f"o: {networks / 'other.pt'}",), quality_runs=(networks / "quality",))
    (network,) = list_networks(question, ())
    assert network.quality == {"extractor/probe": 0.9, "extractor/probe/relu3_1": 0.7}
    assert network.columns("extractor/probe/relu3_1")["extractor/probe/relu3_1"] == 0.7
    with pytest.raises(UserError, match=r"no run of nstkit\.quality there"):
        list_networks(QuestionSettings(quality_runs=(networks,)), ())


def test_few_of_an_arm_are_its_ends(networks):
    question = QuestionSettings(arm=(f"t: {networks}/runs/train_backbone/a-seed*/epochs/*.pt",))
    few = plan.few_of_first_arm(list_networks(question, ()), 2)
    assert [(network.train_seed, network.epoch) for network in few] == [(0, 0.0), (0, 20.0), (1, 0.0), (1, 20.0)]


def test_estimate_is_the_time_of_the_evaluations_and_of_each_pair(pictures, networks, monkeypatch):
    from transfer.study.cells import list_cells
    from transfer.study.config import StudyConfig

    folders = {"content": (pictures / "content",), "style": (pictures / "style",)}
    painter = {"size": (64,), "steps": 50, "style_weight": (3.0, 10.0)}
    config = StudyConfig.of(backbone=(str(networks / "other.pt"),), **painter, **folders)
    cells = list(list_cells(config))
    seconds = iter([5.0, 1.0, 3.0])  # the first also loads and looks at the pair: 4 s; an evaluation takes 0.5 s
    monkeypatch.setattr(estimate, "timed", lambda *_: (next(seconds), Image.new("RGB", (64, 48))))
    found = estimate.estimate(cells, lambda cell: ({}, Image.new("RGB", (1, 1))))
    assert len(cells) == 8
    assert found.time_s == pytest.approx(8 * (1 + 48 * 0.5) + 4 * 4)
    assert found.disk_bytes > 8 * 4096
    assert "about 2 min for 8 cells with 2 workers, " in found.describe(2)
