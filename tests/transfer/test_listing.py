"""What `--list-presets`, `--list-judges` and `--list-backbones` print."""

from train_backbone import __main__ as training
from transfer.__main__ import main


def test_presets_are_listed_by_both_commands(call_command, capsys):
    assert call_command(main, "--list-presets") == 0
    assert "  gatys2016 " in capsys.readouterr().out
    assert call_command(training.main, "--list-presets") == 0
    assert "  altaha2023 " in capsys.readouterr().out


def test_backbones_are_listed_by_pattern(trained_run, call_command, capsys):
    runs_dir = trained_run.parents[1]
    assert call_command(main, "--list-backbones", "VGG11*", "--runs-dir", runs_dir) == 0
    names = capsys.readouterr().out.split()
    assert {"vgg11", "vgg11_bn", "vgg11.tv_in1k", "torchvision:vgg11"} <= set(names)
    assert all("vgg11" in name for name in names)
    assert call_command(main, "--list-backbones", "*tiny", "--runs-dir", runs_dir) == 0
    assert str(trained_run) in capsys.readouterr().out.split()
