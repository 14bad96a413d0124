"""Settings without an effect are said in one line, and only where they were given."""

import json
import warnings

import pytest

from nstkit.config import parse, settings_of
from nstkit.quality.config import QualityConfig
from train_backbone.config import TrainConfig
from train_backbone.presets import PRESETS
from transfer.config import TransferConfig
from transfer.judges.config import JudgesConfig

UNUSED = [
    (TransferConfig, "--optimizer adam --history 5", "--history 5", "with --optimizer lbfgs"),
    (TransferConfig, "--jitter 4 --line-search wolfe", "--line-search wolfe", "with --optimizer lbfgs"),
    (TransferConfig, "--lr-decay 0.9", "--lr-decay 0.9", "with --optimizer adam, nadam or sgd"),
    (TransferConfig, "--temperature 3", "--temperature 3.0", "with --smoothing softmax"),
    (TransferConfig, "--mode texture --content-weight 3", "--content-weight 3.0", "with --mode transfer or content"),
    (TransferConfig, "--mode texture --content-taps a", "--content-taps a", "with --mode transfer or content"),
    (TransferConfig, "--mode content --style-weight 3", "--style-weight 3.0", "with --mode transfer or texture"),
    (TransferConfig, "--mode content --style-taps a=2 b", "--style-taps a=2 b", "with --mode transfer or texture"),
    (TransferConfig, "--mode texture --judge vgg19", "--judge vgg19", "with --mode transfer"),
    (TransferConfig, "--mode texture --judge-style a", "--judge-style a", "with --mode transfer"),
    (TrainConfig, "--protocol 80-20", "--protocol 80-20", "with --dataset caltech101"),
    (TrainConfig, "--split-seed 3", "--split-seed 3", "with --dataset caltech101"),
    (TrainConfig, "--dataset folder --background keep", "--background keep", "with --dataset caltech101"),
    (TrainConfig, "--stream on", "--stream on", "with --dataset caltech101 or folder"),
    (TrainConfig, "--dataset patterns --data-dir a", "--data-dir a", "with --dataset cifar100, caltech101 or folder"),
    (TrainConfig, "--schedule cosine --patience 3", "--patience 3", "with --schedule plateau"),
    (TrainConfig, "--schedule onecycle --warmup-epochs 3", "--warmup-epochs 3.0", "with --schedule plateau or cosine"),
    (TrainConfig, "--overfit-batch --max-steps 7", "--max-steps 7", "without --overfit-batch"),
    (TrainConfig, "--final-fit a --epochs 7", "--epochs 7", "without --final-fit"),
    (JudgesConfig, "a --content b --style c --pairs 3", "--pairs 3", "with --validate"),
    (QualityConfig, "--dataset patterns --data-dir a", "--data-dir a", "with --dataset cifar100, caltech101 or folder"),
]


@pytest.mark.parametrize(("cls", "words", "setting", "where"), UNUSED)
def test_setting_without_effect_is_said(cls, words, setting, where):
    words = ["--picture", *words.split()] if cls is JudgesConfig else words.split()
    with pytest.warns(UserWarning, match="is not used") as said:
        parse(cls, "x", words)
    assert [str(each.message) for each in said] == [f"{setting} is not used: it has an effect only {where}"]


USED = [
    (TransferConfig, "--optimizer lbfgs --history 5 --line-search wolfe"),
    (TransferConfig, "--optimizer adam --history 30"),  # the default says nothing
    (TransferConfig, "--jitter 4 --lr-decay 0.9"),  # with jitter it is adam
    (TransferConfig, "--smoothing softmax --temperature 3 --smoothing-taps a"),
    (TransferConfig, "--mode texture --style-weight 3 --tv-weight 2"),
    (TransferConfig, "--mode texture --judge none --content-weight 0"),  # off beside what is off
    (TrainConfig, "--dataset caltech101 --protocol 80-20 --split-seed 3 --background keep --stream on --data-dir a"),
    (TrainConfig, "--patience 3 --warmup-epochs 3"),
    (TrainConfig, "--dry-run --max-steps 7"),
    (JudgesConfig, "--validate --pairs 3 --size 128 --painter vgg19"),
]


@pytest.mark.parametrize(("cls", "words"), USED)
def test_setting_with_an_effect_is_not_spoken_of(cls, words):
    parse(cls, "x", words.split())  # a warning would be an error


@pytest.mark.parametrize(("cls", "words", "setting", "where"), UNUSED[:-2])
def test_file_that_a_run_left_is_silent(tmp_path, cls, words, setting, where):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = parse(cls, "x", words.split())
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings_of(config)))
    again = parse(cls, "x", ["--config", str(path), "--seed", "3"])
    assert again.changed(config=None) == config.changed(seed=3)


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_is_silent(preset):
    parse(TrainConfig, "x", ["--preset", preset, "--schedule", "cosine", "--dataset", "patterns"], presets=PRESETS)
