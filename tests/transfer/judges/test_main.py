"""`python -m transfer.judges` from the command line, with judges that need no network."""

import json

import pytest

from transfer.judges import panel
from transfer.judges.__main__ import main, with_picture_flag
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


def test_pictures_may_stand_first():
    assert with_picture_flag(["a.png", "b.png", "--content", "c.png"]) == [
        *("--picture", "a.png", "b.png"),
        *("--content", "c.png"),
    ]
    assert with_picture_flag(["--validate"]) == ["--validate"]
