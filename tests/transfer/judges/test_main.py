"""`python -m transfer.judges` from the command line, with judges that need no network."""

import json

import pytest

from nstkit.command_line import read_words
from transfer.judges import panel
from transfer.judges.__main__ import main
from transfer.judges.config import JudgesConfig
from transfer.judges.validation import run

QUICK = ("--device", "cpu", "--precision", "fp32", "--quiet")


@pytest.fixture(autouse=True)
def judges_without_network(monkeypatch, cpu):
    alone = panel.Panel(cpu, absent=("vgg19",))
    monkeypatch.setattr(panel, "load_panel", lambda specs, device: alone)
    return alone


def test_finished_pictures_are_judged(pictures, call_command, capsys):
    boat, waves = pictures / "content" / "boat.png", pictures / "style" / "waves.jpg"
    assert call_command(main, boat, "--content", boat, "--style", waves, *QUICK) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "note: vgg19 painted, so it does not judge"
    assert lines[1].endswith("(the content)            boat.png")
    assert any(line.startswith("judge/colour!") for line in lines)


def test_judges_are_validated_in_a_run_of_their_own(
    judges_without_network, tmp_path, call_command, capsys, monkeypatch, cpu
):
    calls = []
    monkeypatch.setattr(run, "validate", lambda *arguments: calls.append(arguments))
    words = (*QUICK, "--validate", "--size", "96", "--runs-dir", tmp_path, "--run-name", "one")
    assert call_command(main, *words) == 0
    ((opened, judges, config, device),) = calls
    assert opened.folder == tmp_path / "judges" / "one"
    assert judges is judges_without_network
    assert (config.validation.size, config.run.device, device) == (96, "cpu", cpu)
    assert capsys.readouterr().out.count(f"results: {opened.folder}") == 1
    settings = json.loads((opened.folder / "config.json").read_text())
    assert (settings["given"]["size"], settings["validate"]) == (96, True)


def test_settings_are_printed(call_command, capsys):
    assert call_command(main, "--print-config", "--pairs", 3, *QUICK) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 3


def test_mistakes_are_named_in_one_line(pictures, call_command, capsys):
    boat = pictures / "content" / "boat.png"
    for words, expected in {
        (): "nothing to do",
        (boat,): "give both",
        (boat, "--validate"): "one after the other",
        ("--validate", "--size", 10): "--size 10",
        ("missing.png", "--content", boat, "--style", boat): "no such picture",
    }.items():
        assert call_command(main, *words, *QUICK) == 2
        error = capsys.readouterr().err
        assert expected in error
        assert len(error.splitlines()) == 1


@pytest.mark.parametrize("words", ["a.png b.png --content c.png", "--content c.png --quiet a.png b.png"])
def test_pictures_may_stand_without_a_flag(words):
    values = read_words(JudgesConfig, words.split())
    assert (values["picture"], values["content"]) == (["a.png", "b.png"], ["c.png"])


def test_judges_are_listed_with_their_verdicts(call_command, capsys):
    assert call_command(main, "--list-judges") == 0
    lines = capsys.readouterr().out.splitlines()
    (verdict,) = [line.split() for line in lines if " judge/style " in line]
    assert verdict[:3] == ["style", "judge/style", "trusted"]
    assert 0.8 <= float(verdict[3]) <= 1
