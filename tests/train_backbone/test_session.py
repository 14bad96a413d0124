"""From settings to a training that is ready: which pictures, which network, which folder."""

import contextlib

import pytest
import torch

from nstkit.config import parse
from nstkit.errors import UserError
from nstkit.ranks import Ranks
from train_backbone.config import TrainConfig
from train_backbone.session import first_pictures, held_folder, open_session, read_data


@pytest.fixture
def config_of(tiny_training, tmp_path):
    """Read settings from words of a command line."""

    def read(*words):
        return parse(TrainConfig, "train_backbone", [*tiny_training, "--runs-dir", str(tmp_path), *map(str, words)])

    return read


def test_session_is_at_the_start_and_writes_nothing(config_of, cpu, tmp_path):
    session = open_session(config_of(), cpu, Ranks(), tmp_path / "a")
    assert (session.training.step, session.folder, session.is_resumed) == (0, tmp_path / "a", False)
    assert (session.config.recipe.max_steps, session.config.data.image_size) == (20, 32)
    assert (session.device, str(session.choice)) == (cpu, "fp32 channels_last")
    assert session.given.recipe.max_steps is None
    assert session.feed.config is session.config
    assert session.environment["torch"] == torch.__version__
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["--print-config", "--dry-run", "--overfit-batch"])
def test_what_writes_nothing_holds_no_folder_and_may_have_a_taken_name(word, config_of, tmp_path):
    (tmp_path / "train_backbone" / "a").mkdir(parents=True)
    (tmp_path / "train_backbone" / "a" / "config.json").touch()
    with pytest.warns(UserWarning, match="not used") if word == "--overfit-batch" else contextlib.nullcontext():
        config = config_of("--run-name", "a", word)
    with held_folder(config, Ranks()) as place:
        assert place == (None, False)
        assert [path.name for path in tmp_path.rglob("*")] == ["train_backbone", "a", "config.json"]


def test_folder_of_a_new_run_is_found_before_the_work(config_of, tmp_path):
    with held_folder(config_of("--run-name", "a"), Ranks()) as place:
        assert place == (tmp_path / "train_backbone" / "a", False)
        (tmp_path / "train_backbone" / "a" / "config.json").touch()
    taken = pytest.raises(UserError, match=r"--run-name a: .* Choose another name")
    with taken, held_folder(config_of("--run-name", "a"), Ranks()):
        pytest.fail("a taken name was taken again")


def test_batch_larger_than_the_data_is_the_data(config_of, cpu):
    session = open_session(config_of("--batch-size", 10**9), cpu, Ranks())
    assert session.feed.batch_size == 87
    assert session.config.recipe.lr == pytest.approx(1e-3 * (87 / 128) ** 0.5)


def test_pictures_of_an_early_stage_are_no_larger(config_of, cpu):
    with pytest.raises(UserError, match=r"--progressive 33 64 \(at most the 32 px of the pictures\)"):
        open_session(config_of("--progressive", 24, 32, 33, 64), cpu, Ranks())


def test_same_seed_same_initial_weights_whatever_was_drawn_before(config_of, cpu):
    def weights(*words):
        model = open_session(config_of(*words), cpu, Ranks()).training.model
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    first = weights()
    torch.rand(5)
    assert torch.equal(weights(), first)
    assert not torch.equal(weights("--seed", 1), first)
    assert not torch.equal(weights("--init", "lsuv"), first)


def test_pictures_are_thinned_out_and_mislabelled_as_asked(config_of):
    whole = read_data(config_of())
    assert len(whole.train) == 87
    fewer = read_data(config_of("--train-fraction", 0.5))
    assert 42 <= len(fewer.train) <= 45
    assert (fewer.mean, fewer.std, len(fewer.val), len(fewer.test)) == (whole.mean, whole.std, len(whole.val), 24)
    noisy = read_data(config_of("--label-noise", 1.0))
    assert torch.equal(noisy.train.images, whole.train.images)
    assert 0.2 < (noisy.train.labels == whole.train.labels).float().mean() < 0.5
    assert torch.equal(noisy.val.labels, whole.val.labels)
    assert torch.equal(noisy.test.labels, whole.test.labels)


def test_final_fit_has_the_validation_pictures_too(config_of, tmp_path):
    data = read_data(config_of().changed(final_fit=tmp_path))
    whole = read_data(config_of())
    assert len(data.train) == len(whole.train) + len(whole.val)
    assert (data.mean, data.std) == (whole.mean, whole.std)


def test_first_pictures_are_of_all_classes_and_normalised(config_of):
    images, labels = first_pictures(read_data(config_of()))
    assert images.shape == (87, 3, 32, 32)
    assert torch.bincount(labels).min() > 20
    torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(images.transpose(0, 1).flatten(1).std(1), torch.ones(3), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("words", "ranks"), [(("--accumulate", 4), Ranks(0, 4)), ((), Ranks(0, 3)), (("--batch-size", 100), Ranks(0, 2))]
)
def test_batch_that_cannot_be_divided_is_refused(words, ranks, config_of, cpu, monkeypatch):
    monkeypatch.setattr(Ranks, "from_writer", lambda self, value: value)  # nobody else is there
    monkeypatch.setattr(Ranks, "writer_first", lambda self: contextlib.nullcontext())
    with pytest.raises(UserError, match=r"pictures cannot be divided over .*choose a --batch-size that can"):
        open_session(config_of(*words), cpu, ranks)


def test_what_is_too_large_is_refused_before_pictures_are_drawn(cpu, monkeypatch):
    monkeypatch.setattr("train_backbone.session.read_data", lambda *_: pytest.fail("it draws 12,000 pictures"))
    config = TrainConfig.of(dataset="patterns", image_size=2000, batch_size=10**6)
    with pytest.raises(
        UserError, match=r"^Training vgg19 on batches of 12,000 pictures of 2000 px takes at least .* GiB"
    ):
        open_session(config, cpu, Ranks())


def test_what_fits_in_bfloat16_alone_is_not_refused_before_the_format_is_chosen(config_of, cpu, monkeypatch):
    looks = []
    monkeypatch.setattr("train_backbone.session.check_training", lambda *words, **more: looks.append((words[4], more)))
    session = open_session(config_of("--precision", "auto"), cpu, Ranks())
    assert looks == [("bf16", {"warn": False})] * 2 + [(session.precision, {})]
