"""The settings of a training: what is filled in, what is refused."""

from pathlib import Path

import pytest

from nstkit.config import parse, settings_of
from nstkit.errors import UserError
from train_backbone.config import ProgressSettings, TrainConfig, TrialSettings


@pytest.mark.parametrize(
    ("given", "lr"),
    [
        ({}, 1e-3),
        ({"norm": "none"}, 1e-4),
        ({"norm": "none", "width": 0.25}, 4e-4),
        ({"batch_size": 512}, 2e-3),
        ({"norm": "none", "batch_size": 32}, 5e-5),
        ({"norm": "none", "lr": 0.3, "batch_size": 512}, 0.3),
        ({"arch": "resnet18", "norm": "none"}, 1e-3),  # not a network of ours: it has its own norms
    ],
)
def test_learning_rate_follows_norm_width_and_batch(given, lr):
    assert TrainConfig.of(**given).resolved(100).recipe.lr == pytest.approx(lr)


def test_steps_are_those_of_the_epochs_or_fewer():
    assert TrainConfig.of(epochs=7).resolved(100).recipe.max_steps == 700
    assert TrainConfig.of(epochs=7, max_steps=50).resolved(100).recipe.max_steps == 50
    assert TrainConfig.of(epochs=7, max_steps=5000).resolved(100).recipe.max_steps == 700


@pytest.mark.parametrize(("epochs", "patience"), [(3, 2), (100, 6), (300, 20)])
def test_patience_grows_with_the_run(epochs, patience):
    assert TrainConfig.of(epochs=epochs).resolved(10).recipe.patience == patience
    assert TrainConfig.of(epochs=epochs, patience=0).resolved(10).recipe.patience == 0


def test_average_is_never_longer_than_the_run():
    for epochs, horizon in ((1, 10), (100, 200), (10_000, 2000)):
        assert 1 / (1 - TrainConfig.of(epochs=epochs).resolved(100).recipe.ema) == pytest.approx(horizon)
    assert TrainConfig.of(ema=0.0).resolved(100).recipe.ema == 0
    assert TrainConfig.of(ema=0.5).resolved(100).recipe.ema == 0.5


@pytest.mark.parametrize(("arch", "init"), [("vgg13", "kaiming"), ("resnet18", "default"), ("a.b:c", "default")])
def test_initial_weights_are_ours_for_vgg_and_else_the_librarys(arch, init):
    assert TrainConfig.of(arch=arch).resolved(10).network.init == init
    assert TrainConfig.of(arch=arch, init="xavier").resolved(10).network.init == "xavier"


def test_nothing_is_left_open_and_resolving_twice_changes_nothing():
    config = TrainConfig().resolved(100)
    open_ones = {name for name, value in settings_of(config).items() if value is None}
    # The first is known once the data are read.
    assert open_ones == {"image_size", "preset", "early_stop", "final_fit", "resume", "run_name"}
    assert config.resolved(100) == config


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 0.0}, "--width 0.0 (at least 0.01)"),
        ({"epochs": 0}, "--epochs 0 (at least 1)"),
        ({"max_steps": 0}, "--max-steps 0 (at least 1)"),
        ({"batch_size": 1}, "--batch-size 1 (at least 2)"),
        ({"image_size": 16}, "--image-size 16 (at least 32)"),
        ({"patience": -1}, "--patience -1 (at least 0)"),
        ({"ema": 1.0}, "--ema 1.0 (at least 0, below 1)"),
        ({"label_smoothing": -0.1}, "--label-smoothing -0.1 (at least 0, below 1)"),
        ({"lr": 0.0}, "--lr 0.0 (above 0)"),
        ({"lr": -1.0}, "--lr -1.0 (above 0)"),
        ({"clip": -1.0}, "--clip -1.0 (at least 0)"),
        ({"weight_decay": -1.0}, "--weight-decay -1.0 (at least 0)"),
        ({"warmup_epochs": -1.0}, "--warmup-epochs -1.0 (at least 0)"),
        ({"mixup": -0.1}, "--mixup -0.1 (at least 0)"),
        ({"cutmix": -0.1}, "--cutmix -0.1 (at least 0)"),
        ({"save_every": -1.0}, "--save-every -1.0 (at least 0)"),
        ({"retries": -1}, "--retries -1 (at least 0)"),
        ({"split_seed": -1}, "--split-seed -1 (at least 0)"),
        ({"early_stop": 0}, "--early-stop 0 (at least 1)"),
        ({"erasing": 1.1}, "--erasing 1.1 (0 to 1)"),
        ({"label_noise": -0.5}, "--label-noise -0.5 (0 to 1)"),
        ({"label_smoothing": 1.0}, "--label-smoothing 1.0 (at least 0, below 1)"),
        ({"train_fraction": 0.0}, "--train-fraction 0.0 (above 0, at most 1)"),
        ({"train_fraction": 1.5}, "--train-fraction 1.5 (above 0, at most 1)"),
        ({"keep_epochs": (1, -2)}, "--keep-epochs 1 -2 (at least 0)"),
        ({"noise": 1.5}, "--noise 1.5 (0 to 1)"),
        ({"adversarial": -1.0}, "--adversarial -1.0 (at least 0)"),
        ({"seeds": (1, 2, 1)}, "--seeds 1 2 1 (each seed once)"),
        ({"progressive": (20, 7)}, "--progressive 20 7 (at least 8)"),
        ({"accumulate": 0}, "--accumulate 0 (at least 1)"),
        ({"accumulate": 3}, "--accumulate 3 (a divisor of --batch-size)"),
    ],
)
def test_what_cannot_be_trained_is_refused(wrong, message):
    with pytest.raises(UserError) as error:
        TrainConfig.of(**wrong)
    assert str(error.value) == f"not allowed: {message}."


def test_ends_of_the_ranges_are_allowed():
    TrainConfig.of(clip=0.0, erasing=1.0, label_noise=1.0, train_fraction=1.0, ema=0.0, label_smoothing=0.0, retries=0)
    TrainConfig.of(batch_size=12, accumulate=4, progressive=(8, 16), keep_epochs=(0, 5), early_stop=1, patience=0)


def test_all_mistakes_stand_in_one_line():
    with pytest.raises(UserError, match=r"--epochs 0 .*--lr -2.*--weight-decay -1.*--ema 2"):
        TrainConfig.of(epochs=0, ema=2.0, weight_decay=-1.0, lr=-2.0)
    with pytest.raises(UserError, match=r"--width 0\.0 .*--label-noise 2.*--epochs 0 .*--erasing 2.*--retries -1"):
        TrainConfig.of(retries=-1, erasing=2.0, epochs=0, accumulate=3, label_noise=2.0, width=0.0)


def test_command_line_gives_the_settings():
    words = "--arch vgg13 --norm none --dataset folder --schedule onecycle --lr 3e-3 --resume auto"
    config = parse(TrainConfig, "train_backbone", words.split())
    assert (config.network.arch, config.network.norm, config.data.dataset) == ("vgg13", "none", "folder")
    assert (config.recipe.schedule, config.recipe.lr, config.recipe.max_steps) == ("onecycle", 0.003, None)
    assert config.progress.resume == "auto"
    words = "--progressive 20 24 --keep-epochs 0 3 --no-quality --ema 0 --final-fit runs/a --dry-run"
    config = parse(TrainConfig, "train_backbone", words.split())
    assert (config.augmentation.progressive, config.recipe.ema) == ((20, 24), 0.0)
    assert config.progress == ProgressSettings(keep_epochs=(0.0, 3.0), final_fit=Path("runs/a"), quality=False)
    assert config.trial == TrialSettings(dry_run=True)


def test_learning_rate_is_that_of_the_batch_there_is():
    config = TrainConfig.of(batch_size=10**6)
    assert config.resolved(1, batch_size=512).recipe.lr == pytest.approx(2e-3)
    assert config.resolved(1).recipe.batch_size == 10**6


def test_epochs_to_keep_that_there_will_not_be_are_refused():
    with pytest.raises(UserError, match=r"not allowed: --keep-epochs 0 99 \(0 to 20, the --epochs\)\."):
        TrainConfig.of(epochs=20, keep_epochs=[0, 99])
    with pytest.raises(UserError, match=r"not allowed: --keep-epochs 0\.1 1\.5 \(0 to 1, the --epochs\)\."):
        TrainConfig.of(epochs=1, keep_epochs=[0.1, 1.5])
    TrainConfig.of(epochs=20, keep_epochs=[0, 0.1, 20])
    TrainConfig.of(epochs=20, keep_epochs=[99], final_fit="a")  # whose epochs they are


@pytest.mark.parametrize(
    "of_one", [{"dry_run": True}, {"overfit_batch": True}, {"profile": True}, {"resume": "runs/a"}]
)
def test_several_seeds_are_several_trainings(of_one):
    with pytest.raises(UserError, match=r"--seeds with --.*, which is of one training"):
        TrainConfig.of(seeds=[0, 1], **of_one)
    TrainConfig.of(seeds=[0, 1], resume="auto")


def test_trials_are_taken_one_at_a_time():
    with pytest.raises(UserError, match="--dry-run and --profile each end the command"):
        TrainConfig.of(profile=True, dry_run=True)
