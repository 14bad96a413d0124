import torch

from nstkit.backbones.spec import CARRIED, CARRIED_JUDGE, JUDGE_LABEL
from transfer.judges.fixed import fixed_judges

CPU = torch.device("cpu")


def test_fixed_judges_are_loaded_once():
    assert [judge.label for judge in fixed_judges(CPU)] == ["gabor", JUDGE_LABEL]
    assert fixed_judges(CPU) is fixed_judges(CPU)


def test_carried_judge_is_small_trained_and_another_architecture_than_the_carried_painter():
    network = fixed_judges(CPU)[1].eye
    assert (network.facts["arch"], network.facts["width"], network.facts["dataset"]) == ("vgg11", 0.25, "cifar100")
    assert network.quality["extractor/top1"] > 0.5
    weights = [folder / "model.safetensors" for folder in (CARRIED_JUDGE, CARRIED)]
    assert weights[0].stat().st_size < 1_500_000
    assert weights[0].read_bytes() != weights[1].read_bytes()
