"""The card tells how the network was trained and measured, and each piece of code in it loads the folder."""

import json
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn

from nstkit.backbones.build import build_network
from nstkit.backbones.initialise import kaiming_init
from nstkit.backbones.vgg import VGG
from nstkit.config import parse, settings_of
from nstkit.datasets.names import OurDataset
from nstkit.export import export
from nstkit.model_card import DATA


@pytest.fixture
def content(make_content, small_vgg):
    return make_content(small_vgg())


def _card(content, folder):
    export(content, folder, half=False)
    return (folder / "README.md").read_text()


def _command_in(card):
    (line,) = re.findall(r"^    python -m train_backbone (.*)$", card, re.MULTILINE)
    return shlex.split(line)


def test_model_card_tells_measures_and_normalisation(tmp_path, content):
    card = _card(content, tmp_path)
    assert "| extractor/top1 | 0.5000 |" in card
    assert "50.00% top-1 on the test set" in card
    assert "(0.4000, 0.5000, 0.6000)" in card


def test_command_of_the_card_gives_the_settings_again(tmp_path, content):
    from train_backbone.config import TrainConfig

    given = TrainConfig.of(
        arch="vgg11",
        width=0.0625,
        dataset="patterns",
        epochs=3,
        quality=False,
        progressive=(20, 24),
        runs_dir=Path("x"),
    ).resolved(50)
    content |= {"config": settings_of(given), "defaults": settings_of(TrainConfig())}
    words = _command_in(_card(content, tmp_path))
    assert words[:4] == ["--arch", "vgg11", "--width", "0.0625"]
    assert "--no-quality" in words
    assert not {"--norm", "--batch-size", "--device", "--runs-dir", "--data-dir", "--preset"} & set(words)
    again = settings_of(parse(TrainConfig, "train_backbone", words).resolved(50))
    assert {name: value for name, value in again.items() if name != "runs_dir"} == {
        name: value for name, value in settings_of(given).items() if name != "runs_dir"
    }


def test_command_of_a_checkpoint_without_defaults_names_every_setting(tmp_path, content):
    from train_backbone.config import TrainConfig

    words = _command_in(_card(content, tmp_path))
    assert words[words.index("--norm") + 1] == "batch"
    assert words[words.index("--label-smoothing") + 1] == "0.1"
    assert parse(TrainConfig, "train_backbone", words).recipe.epochs == 2


def test_pictures_of_ones_own_are_a_placeholder(tmp_path, content):
    content["config"] |= {"dataset": "folder", "final_fit": "/home/someone/runs/first"}
    card = _card(content, tmp_path)
    assert _command_in(card)[-2:] == ["--data-dir", "YOUR_PICTURES"]
    assert "Their licence is not recorded here" in card
    assert "`--final-fit` of that run" in card
    assert "someone" not in card


@pytest.mark.parametrize(
    ("dataset", "words"),
    [("cifar100", "no licence of their own"), ("caltech101", "CC BY 4.0"), ("patterns", "(MIT). No outside data")],
)
def test_card_tells_the_licence_of_the_data(tmp_path, content, dataset, words):
    content["config"]["dataset"] = dataset
    card = _card(content, tmp_path)
    assert words in card
    assert "No licence was chosen for these weights" in card


def test_card_has_a_note_on_every_data_set():
    assert set(DATA) == set(get_args(OurDataset))


def test_card_shows_the_curve_with_its_best_and_last_epoch(tmp_path, content):
    top1 = [0.1, 0.2, 0.5, *(0.3,) * 97]
    content["history"] = [{"epoch": k, "val/top1": value} for k, value in enumerate(top1, start=1)]
    rows = re.findall(r"^\| (\d+) \| ([0-9.]+)( \(best\))? \|$", _card(content, tmp_path), re.MULTILINE)
    assert ("3", "0.5000", " (best)") in rows
    assert [row[0] for row in rows if row[2]] == ["3"]
    assert rows[0][0] == "1"
    assert rows[-1] == ("100", "0.3000", "")
    assert 10 < len(rows) < 16


@pytest.mark.parametrize("history", [None, [], [{"epoch": 1, "train/loss": 2.0}]])
def test_card_without_a_curve_leaves_it_out(tmp_path, content, history):
    content |= {} if history is None else {"history": history}
    assert "| epoch |" not in _card(content, tmp_path)


# What others load


MEAN, STD = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)


def _run_the_code_of(folder, monkeypatch):
    """Run each piece of Python in the card, in its folder; return their names together."""
    monkeypatch.chdir(folder)
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_"):  # 120 million times for nothing
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    for number, block in enumerate(blocks):
        found = {}
        exec(block, found)
        names |= {f"{number} {name}": value for name, value in found.items()}
    return {name.partition(" ")[2]: value for name, value in names.items()}, names


def _is_close(found, expected):
    assert expected.std() > 1e-3
    return (found - expected).norm() <= 1e-3 * expected.norm()


@torch.no_grad()
@pytest.mark.parametrize("half", [False, True])
def test_code_of_the_card_loads_vgg_in_all_three(tmp_path, monkeypatch, make_content, small_vgg, half):
    network = small_vgg(width=1.0, norm="batch")
    export(make_content(network), tmp_path, half=half)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    normalised, expected = (image - MEAN) / STD, {}
    maps = normalised
    for index, layer in enumerate(network.features):
        maps = layer(maps)
        expected |= {name: maps for name, place in network.taps.items() if place == index}
    last, each = _run_the_code_of(tmp_path, monkeypatch)

    found = last["backbone"].features(image, expected)
    assert all(_is_close(found[name], expected[name]) for name in expected)
    torchvisions, timms = each["1 extractor"], each["2 extractor"]
    maps, plain = normalised, VGG("vgg11", norm="none").taps
    for index, layer in enumerate(torchvisions):
        maps = layer(maps)
        assert all(
            _is_close(maps, expected[name]) for name, place in plain.items() if place == index and "conv" not in name
        )
    stages = ("relu1_1", "relu2_1", "relu3_2", "relu4_2", "relu5_2", "pool5")
    for maps, name in zip(timms(normalised), stages, strict=True):
        assert _is_close(maps, expected[name]), name
    assert _is_close(last["network"].forward_features(normalised), expected["pool5"])
    assert last["network"].num_classes == 0
    assert list(last["settings"]["mean"]) == [0.4, 0.5, 0.6]
    assert last["settings"]["input_size"] == [3, 32, 32]


@torch.no_grad()
def test_code_of_the_card_loads_the_papers_head_too(tmp_path, monkeypatch, make_content):
    torch.manual_seed(0)
    monkeypatch.setattr("nstkit.backbones.vgg._paper_head", _small_head)
    network = VGG("vgg11", norm="batch", classes=3, head="fc4096").eval()
    kaiming_init(network)
    card = _card(make_content(network), tmp_path)
    assert "load_state_dict(weights)" in card
    assert 'timm.create_model("local-dir:.", pretrained=True).eval()' in card
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["pretrained_cfg"]["classifier"] == "head.fc"
    assert config["nstkit"]["arch"]["head"] == "fc4096"


def _small_head(channels, width, classes):
    return nn.Sequential(nn.Linear(channels * 49, classes))  # the real one has 120 million weights


@torch.no_grad()
def test_code_of_the_card_loads_timms_network_with_its_head(tmp_path, monkeypatch, make_content):
    network = _timm_network(small=False)
    export(make_content(network, taps={"style": [], "content": []}), tmp_path, half=False)
    last, _ = _run_the_code_of(tmp_path, monkeypatch)
    image = torch.rand(2, 3, 64, 64)
    normalised = (image - MEAN) / STD
    assert torch.equal(last["classifier"](normalised), network(normalised))
    assert _is_close(last["extractor"](normalised)[-1], network.forward_features(normalised))
    assert _is_close(last["backbone"].features(image, ["stage4"])["stage4"], network.forward_features(normalised))
    assert list(last["settings"]["std"]) == [0.2, 0.25, 0.3]


@torch.no_grad()
def test_code_of_the_card_loads_timms_network_with_a_small_stem(tmp_path, monkeypatch, make_content):
    network = _timm_network(small=True)
    export(make_content(network), tmp_path, half=False)
    last, _ = _run_the_code_of(tmp_path, monkeypatch)
    image = torch.rand(2, 3, 32, 32)
    normalised = (image - MEAN) / STD
    assert torch.equal(last["classifier"](normalised), network(normalised))
    assert _is_close(last["backbone"].features(image, ["stage4"])["stage4"], network.forward_features(normalised))
    # timm would load it without a word into a network of other strides.
    assert "architecture" not in json.loads((tmp_path / "config.json").read_text())


def _timm_network(small):
    torch.manual_seed(0)
    network = build_network({"arch": "test_resnet", "library": "timm", "classes": 3, "small_stem": small})
    kaiming_init(network)
    network(torch.rand(8, 3, 64, 64))  # statistics that are not those of a network that has seen nothing
    return network.eval()


@pytest.mark.parametrize("width", [0.0625, 1.0])
def test_only_what_timm_has_is_offered_to_it(tmp_path, make_content, small_vgg, width):
    card = _card(make_content(small_vgg(width=width)), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert ("architecture" in config) == (width == 1.0)
    assert ("local-dir" in card) == (width == 1.0)
    assert ("it loads in nstkit only" in card) == (width != 1.0)
