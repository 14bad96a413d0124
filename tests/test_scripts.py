from importlib.metadata import entry_points

import pytest


@pytest.mark.parametrize("name", ["nst-transfer", "nst-train", "nst-judge"])
def test_each_command_is_a_program_too(name, monkeypatch, capsys):
    (script,) = entry_points(group="console_scripts", name=name)
    monkeypatch.setattr("sys.argv", [name, "--help"])
    script.load()()
    assert "usage: python -m " in capsys.readouterr().out
