"""The settings of `python -m train_backbone`, the only place where its defaults stand. No torch here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from annotated_types import Interval

from nstkit.annotations import COUNTS, COUNTS_OR_0, LONGEST_PX, SEEDS
from nstkit.backbones.spec import Arch, Head, Init, Norm
from nstkit.config import CommandConfig, RunSettings
from nstkit.datasets.names import Background, DatasetName, Protocol, Stream
from nstkit.errors import UserError
from nstkit.settings import NotAllowed, Settings, as_word, flag_of
from nstkit.settings_file import NAMES_CODE
from nstkit.unused import OnlyWith
from train_backbone.presets import PresetName

Schedule = Literal["plateau", "cosine", "onecycle"]
Flip = Literal["random", "alternating"]

OUR_ARCHS = get_args(Arch)
EXAMPLES = """
  python -m train_backbone                         # VGG19 on CIFAR-100
  python -m train_backbone --preset cpu            # the same in 20 epochs
  python -m train_backbone --dataset patterns --width 0.25 --epochs 5   # quick
  python -m train_backbone --dataset folder --data-dir my_pictures
  torchrun --nproc-per-node 2 -m train_backbone    # on two GPUs
  srun --ntasks 2 --gpus-per-task 1 python -m train_backbone --run-name pair
"""

Share = Annotated[float, Interval(ge=0, le=1)]
Strength = Annotated[float, Interval(ge=0, le=1e3)]
EpochOr0 = Annotated[float, Interval(ge=0, le=1e9)]
SmallSidePx = Annotated[int, Interval(ge=8, le=LONGEST_PX)]
IN_A_RUN = OnlyWith("overfit_batch", (False,))
OF_CALTECH101 = OnlyWith("dataset", ("caltech101",))


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(Settings):
    """The network that is trained, and its weights before the first step."""

    arch: Annotated[str, NAMES_CODE] = "vgg19"
    """Which network: vgg11, vgg13, vgg16 or vgg19, any network of timm by its name, or package.module:function, your
    own code, which is called with num_classes=N."""
    norm: Norm = "batch"
    """Whether a VGG has batch norm behind each convolution or, as in its paper, none."""
    width: Annotated[float, Interval(ge=0.01, le=100)] = 1.0
    """Multiplies the channels of a VGG's layers, which are 64 to 512."""
    head: Head = "gap"
    """What a VGG ends in: global average pooling and one linear layer (gap), or the three linear layers with dropout of
    its paper (fc4096)."""
    init: Init | None = None
    """How the initial weights are drawn. kaiming keeps the scale of the gradient from layer to layer, kaiming-fan-in
    and lsuv that of the signal. default leaves them as the library makes them; from PyTorch's, a deep VGG without batch
    norm does not begin to learn. None means kaiming for a VGG and default for other networks."""


@dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """The pictures that the network learns from."""

    dataset: Annotated[DatasetName, NAMES_CODE] = "cifar100"
    """Which pictures. folder reads DATA_DIR/train/<class>/ or DATA_DIR/<class>/. patterns draws 12 classes by code and
    needs no download. FILE.npz holds arrays, named as by Keras or MedMNIST. package.module:function is your own code,
    which is called with 'train', 'val' and 'test' and returns a data set of torch's for each."""
    data_dir: Annotated[Path, OnlyWith("dataset", ("cifar100", "caltech101", "folder"))] = Path("data")
    """Folder that holds cifar100/ and caltech101/. With `--dataset folder` it is the folder of class folders itself."""
    image_size: Annotated[int | None, Interval(ge=32, le=LONGEST_PX)] = None
    """Side of the square training pictures [px]. None means 32, for folder and own code 64, for caltech101 128, for
    FILE.npz their own."""
    protocol: Annotated[Protocol, OF_CALTECH101] = "30-per-class"
    """How Caltech101 is split: so many training pictures of each class, or 80 % of all."""
    split_seed: Annotated[int, SEEDS, OF_CALTECH101] = 0
    """Which of Caltech101's random splits is used."""
    background: Annotated[Background, OF_CALTECH101] = "drop"
    """Whether Caltech101's folder BACKGROUND_Google is left out or is a class like the others."""
    stream: Annotated[Stream, OnlyWith("dataset", ("caltech101", "folder"))] = "auto"
    """Whether pictures of class folders are read from the disk whenever they are needed (on) or kept in memory (off).
    auto reads them from the disk where memory is too small."""
    train_fraction: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of the training pictures that is used. It is the same share of every class."""
    label_noise: Share = 0.0
    """Share of the training labels that is drawn anew at random. At 1 they say nothing of the pictures."""


@dataclass(frozen=True, kw_only=True)
class RecipeSettings(Settings):
    """How long the network learns, in which steps, at which rate."""

    epochs: Annotated[int, COUNTS, IN_A_RUN, OnlyWith("final_fit", (None,))] = 100
    """How many times all training pictures are shown."""
    max_steps: Annotated[int | None, COUNTS, IN_A_RUN] = None
    """Ends the training after this many optimizer steps, if the epochs take more."""
    batch_size: Annotated[int, Interval(ge=2, le=10**9)] = 128
    """Pictures in a step, over all processes together."""
    accumulate: Annotated[int, COUNTS] = 1
    """Into how many parts the pictures of a step are divided. They are computed one after another, in less memory."""
    lr: Annotated[float | None, Interval(gt=0, le=1e12)] = None
    """Highest learning rate. None means 1e-3 with batch norm and 1e-4 / WIDTH without, times sqrt(BATCH_SIZE / 128),
    where a data set that is smaller than a batch is the batch."""
    weight_decay: Strength = 0.05
    """AdamW's decoupled decay of the weights of convolutions and linear layers. Biases and norms do not decay."""
    schedule: Annotated[Schedule, IN_A_RUN] = "plateau"
    """How the learning rate goes on after its warm-up. plateau multiplies it by 0.3 whenever the smoothed validation
    top-1 stalls. cosine and onecycle lower it step by step."""
    warmup_epochs: Annotated[float, Interval(ge=0, le=1e9), IN_A_RUN, OnlyWith("schedule", ("plateau", "cosine"))] = 2.0
    """Epochs in which the learning rate rises linearly. onecycle has a rise of its own."""
    patience: Annotated[int | None, COUNTS_OR_0, IN_A_RUN, OnlyWith("schedule", ("plateau",))] = None
    """Epochs without progress before plateau lowers the rate. None means EPOCHS / 15, at least 2."""
    early_stop: Annotated[int | None, COUNTS, IN_A_RUN] = None
    """Ends the training after this many epochs without a better validation top-1. None never does."""
    clip: Annotated[float, Interval(ge=0, le=1e9)] = 1.0
    """Highest norm of the gradient; a longer one is scaled down to it. 0 leaves every gradient as it is."""
    ema: Annotated[float | None, Interval(ge=0, lt=1), IN_A_RUN] = None
    """Decay per step of the running average of the weights, which is what is measured and saved. 0 measures and saves
    the weights themselves. None averages over about 2 % of the run."""
    label_smoothing: Annotated[float, Interval(ge=0, lt=1), IN_A_RUN] = 0.1
    """Share of the target that is spread over all classes."""

    def __post_init__(self) -> None:
        """Refuse parts of a batch that would differ in size."""
        super().__post_init__()
        if self.batch_size % self.accumulate:
            raise NotAllowed([f"--accumulate {self.accumulate} (a divisor of --batch-size)"])


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings(Settings):
    """What is done to the training pictures, besides a random shift by up to an eighth of their side."""

    flip: Flip = "random"
    """Whether half of the pictures are mirrored at random, or each picture in every second epoch."""
    mixup: Strength = 0.0
    """Alpha of mixup, which blends pairs of pictures. 0 is off."""
    cutmix: Strength = 0.0
    """Alpha of CutMix, which pastes a box of one picture into another. 0 is off. Beside mixup, each picture gets one of
    the two."""
    erasing: Share = 0.0
    """Share of the pictures in which a random box is erased."""
    trivial_augment: bool = False
    """Change each picture by one random operation of TrivialAugment."""
    progressive: tuple[SmallSidePx, ...] = ()
    """Sides [px] of smaller pictures that share the first half of the run, such as 20 24."""
    noise: Share = 0.0
    """Deviation of Gaussian noise that is added to the pictures last, where black is 0 and white is 1. 0 adds none."""
    adversarial: Annotated[float, Interval(ge=0, le=1e3)] = 0.0
    """Length of the step by which each picture is made harder for the network before it learns from it, where black is
    0 and white is 1. 0 takes none. A step of training then takes about twice as long."""


@dataclass(frozen=True, kw_only=True)
class TrialSettings(Settings):
    """Trials before a training. Each of them ends the command."""

    dry_run: bool = False
    """Print layers, FLOPs, memory and, from a few steps, how long the whole training would take."""
    overfit_batch: bool = False
    """Learn one batch by heart and say whether that succeeds."""
    profile: bool = False
    """Write a trace of 20 steps and print what they spend their time on."""

    def __post_init__(self) -> None:
        """Refuse two trials at once."""
        super().__post_init__()
        asked = [flag_of(name) for name, value in self.flat().items() if value]
        if len(asked) > 1:
            raise UserError(f"{' and '.join(asked)} each end the command. Give one of them.")


@dataclass(frozen=True, kw_only=True)
class ProgressSettings(Settings):
    """How a training is kept alive, saved, continued, repeated and measured."""

    retries: Annotated[int, COUNTS_OR_0, IN_A_RUN] = 3
    """How often a network that died or became NaN is taken back to the end of the last epoch and goes on at 0.3 times
    the rate. With 0 it is left to itself."""
    save_every: Annotated[float, Interval(ge=0, le=1e9), IN_A_RUN] = 300.0
    """Seconds between two saves of last.pt within an epoch. It is also saved after every epoch."""
    resume: str | None = None
    """Folder of the run to continue. auto means the newest unfinished run of the same settings, or else a new one."""
    final_fit: Path | None = None
    """Folder of a finished run of the same recipe. It is repeated on training and validation pictures together, and the
    learning rate drops when it dropped there."""
    keep_epochs: Annotated[tuple[EpochOr0, ...], IN_A_RUN] = ()
    """Epochs, or parts of them, after which a small checkpoint is kept and measured, for studies, such as 0 0.3 1 20. 0
    keeps the initial weights."""
    quality: bool = True
    """At the end, measure probes, ranks and activity of the taps, beside those of a random network."""


@dataclass(frozen=True, kw_only=True)
class TrainRunSettings(RunSettings):
    """How the command is run, where it computes and where its results go."""

    preset: PresetName | None = None
    """Settings that go together; each is described below. Flags and --config win over them."""
    seeds: tuple[Annotated[int, SEEDS], ...] = ()
    """Train once with each of these seeds. NAME-seed0, ... are the runs of `--run-name NAME`; NAME-seeds.csv is their
    mean and deviation. None given = one run with `--seed`."""
    list_presets: bool = False
    """Print the presets and stop."""
    compile: bool = False
    """Compile the network with torch.compile, which takes a minute at first and makes the steps faster."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(CommandConfig):
    """Train a network from scratch. RUNS_DIR/train_backbone/<run>/ckpt.pt is then a backbone for `python -m transfer`.

    The default is VGG19 with batch norm on CIFAR-100, which is downloaded once.
    """

    network: NetworkSettings = NetworkSettings()
    data: DataSettings = DataSettings()
    recipe: RecipeSettings = RecipeSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    progress: ProgressSettings = ProgressSettings()
    trial: TrialSettings = TrialSettings()
    run: TrainRunSettings = TrainRunSettings()

    def __post_init__(self) -> None:
        """Refuse epochs to keep that there will not be, and seeds where there is one training."""
        super().__post_init__()
        epochs, kept = self.recipe.epochs, self.progress.keep_epochs
        if self.progress.final_fit is None and max(kept, default=0) > epochs:  # it takes the epochs of that run
            shown = " ".join(f"{epoch:g}" for epoch in kept)
            raise NotAllowed([f"--keep-epochs {shown} (0 to {epochs}, the --epochs)"])
        if self.run.seeds:
            of_one = [flag_of(name) for name, is_asked in self.trial.flat().items() if is_asked]
            if self.progress.resume not in (None, "auto"):
                of_one.append(f"--resume {self.progress.resume}")
            if of_one:
                raise UserError(f"--seeds with {of_one[0]}, which is of one training. Give one of the two.")
            if len(set(self.run.seeds)) < len(self.run.seeds):
                raise NotAllowed([f"--seeds {as_word(self.run.seeds)} (each seed once)"])

    def resolved(self, steps_an_epoch: int, batch_size: int | None = None) -> "TrainConfig":
        """Return the settings with every None that depends on others filled in.

        Args:
            steps_an_epoch: whole batches.
            batch_size: pictures in a step where the data set is smaller than the batch that was asked for.
        """
        batch_size = self.recipe.batch_size if batch_size is None else batch_size
        network, recipe = self.network, self.recipe
        steps = min(recipe.epochs * steps_an_epoch, recipe.max_steps or recipe.epochs * steps_an_epoch)
        is_ours = network.arch in OUR_ARCHS
        base_rate = 1e-4 / network.width if is_ours and network.norm == "none" else 1e-3
        horizon = max(10.0, min(0.02 * steps, 2000.0))  # an average longer than the run would ruin it
        return self.changed(
            init=network.init or ("kaiming" if is_ours else "default"),
            lr=recipe.lr or base_rate * (batch_size / 128) ** 0.5,
            max_steps=steps,
            patience=max(2, recipe.epochs // 15) if recipe.patience is None else recipe.patience,
            ema=1 - 1 / horizon if recipe.ema is None else recipe.ema,
        )
