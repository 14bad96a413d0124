"""The settings of `python -m train_backbone`, the only place where its defaults stand."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from nstkit.backbones.spec import Arch, Head, Init, Norm
from nstkit.config import CommandConfig
from nstkit.datasets import Background, DatasetName, Protocol, Stream
from nstkit.errors import UserError
from train_backbone.presets import Preset

Schedule = Literal["plateau", "cosine", "onecycle"]
Flip = Literal["random", "alternating"]

OUR_ARCHS = get_args(Arch)
MIN_SIDE_PX = 8  # of the early pictures of --progressive


@dataclass(frozen=True, kw_only=True)
class TrainConfig(CommandConfig):
    """Train a network from scratch; RUNS_DIR/train_backbone/<run>/ckpt.pt is a backbone for `python -m transfer`.

    The default is VGG19 with batch norm on CIFAR-100, which is downloaded once; `--dataset patterns` needs no download.
    Several processes: `torchrun --nproc-per-node N -m train_backbone ...`.
    """

    preset: Preset | None = None
    """Settings that go together; flags and --config win over them. cpu: 20 epochs on two cores; fast: 30 epochs for one
    GPU; no-bn: plain VGG19; caltech101: at 128 px; altaha2023: as that paper has it."""

    # The network
    arch: str = "vgg19"
    """vgg11, vgg13, vgg16, vgg19; any architecture of timm by name; package.module:function = your own factory, called
    with num_classes=N."""
    norm: Norm = "batch"
    """VGG: batch norm after each convolution, or the plain network of the paper."""
    width: float = 1.0
    """VGG: factor on the channel counts (64 to 512 at 1.0)."""
    head: Head = "gap"
    """VGG: global average pooling and one linear layer, or the three linear layers with dropout of the paper."""
    init: Init | None = None
    """Initial weights: kaiming (fan-out), kaiming-fan-in, lsuv, xavier, default (the library's own). None = kaiming for
    VGG, else default. With PyTorch's default a deep plain VGG does not start to learn."""

    # The pictures
    dataset: DatasetName = "cifar100"
    """folder = DATA_DIR/train/<class>/ or DATA_DIR/<class>/; patterns = 12 classes drawn by code."""
    data_dir: Path = Path("data")
    """Folder that holds cifar100/ and caltech101/; with `--dataset folder` the folder of class folders itself."""
    image_size: int | None = None
    """Side of the square training pictures [px]. None = 32, for folder 64, for caltech101 128."""
    protocol: Protocol = "30-per-class"
    """Caltech101: training pictures a class, or 80-20 of all."""
    split_seed: int = 0
    """Caltech101: which of the random splits."""
    background: Background = "drop"
    """Caltech101: whether BACKGROUND_Google is a class."""
    stream: Stream = "auto"
    """Read class folders picture by picture instead of keeping them in memory. auto = where they do not fit."""
    train_fraction: float = 1.0
    """Share of the training pictures that is used, the same of each class."""
    label_noise: float = 0.0
    """Share of the training labels that is drawn anew at random; 1 = all."""

    # The recipe
    epochs: int = 100
    """Passes over the training pictures."""
    max_steps: int | None = None
    """End after this many optimizer steps, if that is sooner."""
    batch_size: int = 128
    """Pictures a step, over all processes."""
    accumulate: int = 1
    """Parts into which the pictures of a step are divided one after another, for less memory."""
    lr: float | None = None
    """Highest learning rate. None = 1e-3 with batch norm, 1e-4 / WIDTH without, times sqrt(BATCH_SIZE / 128)."""
    weight_decay: float = 0.05
    """AdamW's decoupled decay of convolution and linear weights; biases and norms have none."""
    schedule: Schedule = "plateau"
    """Learning rate after the warm-up: x 0.3 when smoothed validation top-1 stalls, or cosine; or one cycle."""
    warmup_epochs: float = 2.0
    """Linear rise of the learning rate [epochs]; one-cycle has its own."""
    patience: int | None = None
    """Epochs without progress before plateau lowers the rate. None = EPOCHS / 15, at least 2."""
    early_stop: int | None = None
    """End after this many epochs without a better validation top-1. None = never."""
    clip: float = 1.0
    """Highest norm of the gradient; 0 = any."""
    ema: float | None = None
    """Decay a step of the averaged weights that are measured and saved; 0 = off. None = horizon of 2 % of the run."""
    label_smoothing: float = 0.1
    """Share of the target spread over all classes."""
    flip: Flip = "random"
    """Mirror half of the pictures at random, or each one in every second epoch."""
    mixup: float = 0.0
    """Alpha of mixup; 0 = off."""
    cutmix: float = 0.0
    """Alpha of CutMix; 0 = off. With mixup each picture gets one of the two."""
    erasing: float = 0.0
    """Share of the pictures of which a random box is erased."""
    trivial_augment: bool = False
    """One random operation of TrivialAugment a picture."""
    progressive: tuple[int, ...] = ()
    """Sides of smaller pictures that share the first half of the run [px], such as 20 24."""

    # The machine
    compile: bool = False
    """Compile the network with torch.compile: a minute at first, then faster steps."""
    save_every: float = 300.0
    """Seconds between two saves of last.pt inside an epoch; it is also saved after every epoch."""

    # Safety
    retries: int = 3
    """How often a network that died or became NaN is rolled back and goes on with 0.3 times the rate; 0 = it is left to
    itself."""
    dry_run: bool = False
    """Print layers, FLOPs, memory and the estimated time from a few steps, and stop."""
    overfit_batch: bool = False
    """Learn one batch by heart, say whether that succeeds, and stop."""
    profile: bool = False
    """Write a trace of 20 steps and print what they spend their time on."""

    # Continue, repeat, measure
    resume: str | None = None
    """Continue a run: its folder, or auto = the newest unfinished run of the same settings (else a new one)."""
    final_fit: Path | None = None
    """A finished run of the same recipe: train on training and validation pictures, with the drops of its rate."""
    keep_epochs: tuple[int, ...] = ()
    """Epochs after which a small checkpoint is kept and measured, for studies; 0 = the initial weights."""
    quality: bool = True
    """Measure probes, ranks and activity of the taps at the end, beside those of a random network."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, all mistakes in one message."""
        lowest = {"width": 0.01, "epochs": 1, "max_steps": 1, "batch_size": 2, "accumulate": 1, "image_size": 32}
        lowest |= {"patience": 0, "early_stop": 1, "retries": 0, "split_seed": 0}
        lowest |= dict.fromkeys(("weight_decay", "warmup_epochs", "clip", "mixup", "cutmix", "save_every"), 0)
        shares = {"label_smoothing": "below 1", "ema": "below 1", "erasing": "1", "label_noise": "1"}
        given = {name: value for name, value in vars(self).items() if value is not None}
        wrong = [(name, f"at least {low}") for name, low in lowest.items() if name in given and given[name] < low]
        wrong += [
            (name, f"0 to {end}")
            for name, end in shares.items()
            if name in given and not (0 <= given[name] < 1 or (given[name] == 1 and end == "1"))
        ]
        wrong += [(name, "above 0") for name in ("lr", "train_fraction") if name in given and given[name] <= 0]
        wrong += [("train_fraction", "at most 1")] if self.train_fraction > 1 else []
        wrong += [("keep_epochs", "0 or more")] if any(epoch < 0 for epoch in self.keep_epochs) else []
        wrong += (
            [("progressive", f"at least {MIN_SIDE_PX} px")] if min(self.progressive, default=99) < MIN_SIDE_PX else []
        )
        wrong += [("accumulate", "a divisor of --batch-size")] if self.batch_size % max(1, self.accumulate) else []
        if wrong:
            raise UserError(
                "out of range: "
                + ", ".join(f"--{name.replace('_', '-')} {as_word(given[name])} ({why})" for name, why in wrong)
                + "."
            )

    def resolved(self, steps_an_epoch: int) -> "TrainConfig":
        """Return the settings with every None that depends on others filled in."""
        steps = min(self.epochs * steps_an_epoch, self.max_steps or self.epochs * steps_an_epoch)
        is_plain_vgg = self.arch in OUR_ARCHS and self.norm == "none"
        lr = self.lr or (1e-4 / self.width if is_plain_vgg else 1e-3) * (self.batch_size / 128) ** 0.5
        horizon = max(10.0, min(0.02 * steps, 2000.0))  # an average longer than the run would ruin it
        return replace(
            self,
            init=self.init or ("kaiming" if self.arch in OUR_ARCHS else "default"),
            lr=lr,
            max_steps=steps,
            patience=max(2, self.epochs // 15) if self.patience is None else self.patience,
            ema=1 - 1 / horizon if self.ema is None else self.ema,
        )


def as_word(value: object) -> str:
    """Return a setting as it is typed on the command line."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
