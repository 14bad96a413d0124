"""A test of the judges from end to end, with judges that need no network."""

import contextlib
import csv
import io
import json
import math

import pytest
import torch

from nstkit.backbones.prepare import load_backbone
from nstkit.runs import Run
from nstkit.sample import sample_style
from transfer.judges.artefacts import ARTEFACTS, GUARDS
from transfer.judges.colour import COLOUR
from transfer.judges.config import JudgesConfig
from transfer.judges.picture import fit
from transfer.judges.validation import painter, subjects
from transfer.judges.validation.run import partial_judges, validate


class FewJudges:
    """Judges that take little time."""

    measures = (COLOUR, ARTEFACTS, *GUARDS)

    def judge(self, picture, content, style):
        content = fit(content, picture)
        values = {measure.name: measure.function(picture, content, style) for measure in (COLOUR, *GUARDS)}
        return {**values, ARTEFACTS.name: ARTEFACTS.function(values)}


@pytest.fixture(scope="module")
def validated(tmp_path_factory, checkpoint):
    """The folder of a finished run with one pair, and what it put on screen."""
    folder, screen = tmp_path_factory.mktemp("runs") / "one", io.StringIO()
    config = JudgesConfig.of(validate=True, size=96, pairs=1, steps=1, quiet=True)
    tiny = load_backbone(str(checkpoint))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(screen), Run(folder, config, {}) as run:
        patch.setattr(painter, "load_backbone", lambda spec, padding: tiny)
        patch.setattr(subjects, "sample_style", lambda size_px, seed: sample_style(96, seed))  # drawn in no time
        table = validate(run, FewJudges(), config, torch.device("cpu"))
    assert list(table) == [measure.name for measure in FewJudges.measures]
    return folder, screen.getvalue()


def test_validation_writes_all_that_is_promised(validated, read_events):
    folder, screen = validated
    assert "48 cases of 1 pairs, 13 painted, 1 found" in screen
    assert all(measure.name in screen for measure in FewJudges.measures)
    names = {path.name for path in folder.iterdir() if not path.name.startswith("events")}
    tables = {"validity.json", "validity.csv", "validity.png", "values.csv", "cases.png"}
    assert names == {"config.json", "metrics.jsonl", "images"} | tables
    validity = json.loads((folder / "validity.json").read_text())
    assert list(validity["judges"]) == [measure.name for measure in FewJudges.measures]
    assert validity["judges"]["judge/colour"]["frauds"]["noise"][0] < 0.5
    assert validity["judges"]["judge/colour"]["is_trusted"] is None  # of a single pair
    assert list(validity["judges"]["judge/colour"]["sensitivity"])[:1] == ["evaluations 2 over 1"]
    assert validity["judges"]["judge/colour"]["repainted"] > 0
    assert validity["judges"]["judge/colour"]["between"] is None  # of a single painter
    assert (validity["about"]["painter"], validity["about"]["cases"]) == (["carried"], 48)
    events = read_events(folder)
    assert {"image/cases", "image/validity"} <= set(events.Tags()["images"])
    assert events.Scalars("validity/colour")[0].value == pytest.approx(validity["judges"]["judge/colour"]["auc"], 1e-3)


def test_values_hold_every_case_and_say_what_was_not_asked(validated):
    folder, _ = validated
    rows = list(csv.DictReader(io.StringIO((folder / "values.csv").read_text())))
    assert len(rows) == 48
    assert {"washed", "random_network", "painting"} <= {row["kind"] for row in rows}
    assert {"dose/quilt", "dose/evaluations", "dose/weight", "repainting/shift"} <= {row["series"] for row in rows}
    checkered = next(row for row in rows if row["kind"] == "checkered")
    assert float(checkered["judge/artefacts/checkerboard"]) > 1
    assert math.isnan(float(checkered["judge/artefacts/ghost"]))


def test_judges_that_are_the_painter_are_named():
    config = JudgesConfig.of(
        validate=True, judge=("vgg11@random", "vgg11@random:1"), painter=("vgg11@random:1", "carried")
    )
    assert partial_judges(config) == {"vgg11-random1": {"vgg11-random1"}, "carried": set()}
