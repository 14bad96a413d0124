import pytest
import torch

from nstkit.backbones.spec import parse_backbone
from nstkit.errors import UserError
from transfer.judges import networks
from transfer.judges.networks import HUB_FILES, is_partial, is_same_network, judging_specs, local_specs
from transfer.judges.panel import load_panel


def test_only_what_lies_there(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
    assert local_specs() == {}
    (tmp_path / "checkpoints").mkdir()
    file = tmp_path / "checkpoints" / HUB_FILES["squeezenet1_1"]
    file.touch()
    specs = local_specs()
    assert list(specs) == ["squeezenet1_1"]
    assert specs["squeezenet1_1"].path == file


def test_same_network_by_name_and_file(tmp_path, checkpoint):
    copy = tmp_path / "copy.pt"
    copy.write_bytes(checkpoint.read_bytes())
    specs = [parse_backbone(str(text)) for text in (checkpoint, checkpoint.parent, copy)]
    assert all(is_same_network(a, b) for a in specs for b in specs)
    vgg, file = parse_backbone("vgg19"), parse_backbone(f"vgg19@{copy}")
    assert is_same_network(vgg, file)
    assert not is_same_network(vgg, parse_backbone("vgg19@random"))
    assert not is_same_network(vgg, parse_backbone("vgg16"))
    assert not is_same_network(parse_backbone("carried"), specs[0])
    assert not is_same_network(parse_backbone("carried"), vgg)


@pytest.mark.parametrize(
    ("judge", "painter", "expected"),
    [
        ("vgg19", "vgg19", True),
        ("vgg19", "vgg16_bn", True),
        ("squeezenet1_1", "squeezenet1_0", True),
        ("vgg19", "vgg19@random", False),
        ("vgg19", "squeezenet1_1", False),
        ("vgg19", "carried", False),
        ("carried", "carried", True),
    ],
)
def test_trained_networks_of_one_family_are_partial(judge, painter, expected):
    assert is_partial(parse_backbone(judge), parse_backbone(painter)) is expected


def test_the_word_fixed_is_no_network_and_the_panel_s_own_is_not_named_again():
    assert judging_specs(["fixed"]) == {}
    assert list(judging_specs(["fixed", "carried"])) == ["carried"]
    with pytest.raises(UserError, match=r"^--judge carried-judge: it judges every picture already"):
        judging_specs(["carried-judge"])


def test_networks_are_those_named_or_those_that_lie_there(monkeypatch):
    named = judging_specs(["vgg11@random:1", "carried"])
    assert {label: spec.text for label, spec in named.items()} == {
        "vgg11-random1": "vgg11@random:1",
        "carried": "carried",
    }
    there = {"mine": parse_backbone("vgg11@random")}
    monkeypatch.setattr(networks, "local_specs", lambda: there)
    assert judging_specs() == there


@pytest.mark.parametrize("text", ["vgg91", "gone.pt", "vgg19@gone.pth", "vgg19@imagenet"])
def test_mistake_in_a_judge_blames_its_flag(text):
    with pytest.raises(UserError, match=f"^--judge {text}: "):
        load_panel([text], device=torch.device("cpu"))
