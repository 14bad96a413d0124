"""`python -m transfer.claims` from end to end: the table, the figures, and going on where it was stopped."""

import csv
from typing import get_args

import pytest

from transfer.claims.__main__ import main
from transfer.claims.config import ClaimName
from transfer.claims.table import CLAIMS, said_of
from transfer.jobs import easel
from transfer.painting.loop import paint

WORDS = ("--claim", "variation", "content-layer", "--size", "64", "--steps", "2", "--device", "cpu", "--quiet")
WORDS += ("--precision", "fp32", "--judge", "none", "--run-name", "x")


@pytest.fixture(scope="module")
def run_claims(checkpoint, pictures, tmp_path_factory, call_command):
    """Measure two claims; return the run's folder."""
    runs_dir = tmp_path_factory.mktemp("claims")
    given = ("--vgg19", checkpoint, "--content", pictures / "content", "--style", pictures / "style")

    def run():
        assert call_command(main, *WORDS, *given, "--runs-dir", runs_dir) == 0
        return runs_dir / "claims" / "x"

    run()
    return run


@pytest.mark.filterwarnings("ignore:no canvas was better than the first")  # of a tiny network, in two steps
def test_table_says_what_was_measured_and_what_could_not_be(run_claims, read_events, monkeypatch):
    painted = []
    monkeypatch.setattr(easel, "paint", lambda *given, **more: painted.append(given) or paint(*given, **more))
    folder = run_claims()
    assert len(painted) == 1  # what failed; nothing else is painted twice
    with open(folder / "claims.csv", newline="") as file:
        smooths, layers = csv.DictReader(file)
    assert smooths["claim"] == "Total variation smooths: it takes away edges that are artefacts."
    assert smooths["source"].startswith("elmitwally2022")
    assert smooths["measured"].startswith("tiny, edges with over without: ")
    assert smooths["measured"].endswith("n = 2")  # the first content in the first style, the second in the second
    assert smooths["agrees"] in ("yes", "no", "mixed")
    assert layers["agrees"] == "not measured"
    assert "relu2_2" in layers["measured"]
    table = (folder / "claims.md").read_text()
    assert table.splitlines()[0] == "| claim | source | measured | agrees |"
    assert smooths["measured"] in table
    events = read_events(folder)
    assert events.Tensors("claims/text_summary")[-1].tensor_proto.string_val[0].decode() == table
    assert {"claim/variation/pictures", "claim/variation/edges"} <= set(events.Tags()["images"])
    assert events.Scalars("claim/variation/edges_ratio")[-1].value > 0
    assert {path.name for path in (folder / "figures").iterdir()} == {"variation-pictures.png", "variation-edges.png"}


def test_every_claim_has_a_name_a_sentence_and_a_source():
    assert tuple(CLAIMS) == get_args(ClaimName)
    for function in CLAIMS.values():
        claim, source = said_of(function)
        assert claim.endswith(".")
        assert source.split()[0].rstrip(".,:") in {
            *("altaha2023", "balaji2021", "basheer2021", "elmitwally2022", "gatys2016", "gupta2019"),
        }


def test_help_answers(call_command, capsys):
    assert call_command(main, "--help") == 0
    assert "style-layers" in capsys.readouterr().out
