"""The settings of `python -m train_backbone`, the only place where its defaults stand."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from nstkit.backbones.spec import Arch, Init, Norm
from nstkit.config import CommandConfig
from nstkit.datasets import DatasetName
from nstkit.errors import UserError

Schedule = Literal["plateau", "cosine", "onecycle"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig(CommandConfig):
    """Train a VGG from scratch and write RUNS_DIR/train_backbone/<run>/ckpt.pt, a backbone for `python -m transfer`.

    The default is VGG19 with batch norm on CIFAR-100, which is downloaded once; `--dataset patterns` needs no download.
    """

    arch: Arch = "vgg19"
    """Network, by depth."""
    norm: Norm = "batch"
    """Batch norm after each convolution, or the plain network of the paper."""
    width: float = 1.0
    """Factor on the channel counts (64 to 512 at 1.0)."""
    init: Init = "kaiming"
    """Initial weights: kaiming (fan-out), or PyTorch's default, with which a deep plain VGG does not start to learn."""
    dataset: DatasetName = "cifar100"
    """cifar100; folder = DATA_DIR/train/<class>/ or DATA_DIR/<class>/; patterns = drawn by code, 12 classes."""
    data_dir: Path = Path("data")
    """Folder that holds cifar100/; with `--dataset folder` the folder of class folders itself."""
    image_size: int | None = None
    """Side of the square training pictures [px]. None = 32, for folder 64."""
    epochs: int = 100
    """Passes over the training pictures."""
    max_steps: int | None = None
    """End after this many optimizer steps, if that is sooner."""
    batch_size: int = 128
    """Pictures a step."""
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
    label_smoothing: float = 0.1
    """Share of the target spread over all classes."""
    clip: float = 1.0
    """Highest norm of the gradient."""
    ema: float | None = None
    """Decay a step of the averaged weights that are measured and saved; 0 = off. None = horizon of 2 % of the run."""
    resume: str | None = None
    """Continue a run: its folder, or auto = the newest unfinished run of the same settings (else a new one)."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, all mistakes in one message."""
        lowest = {"width": 0.01, "epochs": 1, "max_steps": 1, "batch_size": 2, "image_size": 32, "patience": 0}
        wrong = [
            f"--{name.replace('_', '-')} {getattr(self, name)} (at least {low})"
            for name, low in lowest.items()
            if getattr(self, name) is not None and getattr(self, name) < low
        ]
        wrong += [
            f"--{name.replace('_', '-')} {getattr(self, name)} (0 to below 1)"
            for name in ("label_smoothing", "ema")
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1
        ]
        wrong += [
            f"--{name.replace('_', '-')} {getattr(self, name)} (0 or more)"
            for name in ("weight_decay", "warmup_epochs")
            if getattr(self, name) < 0
        ]
        wrong += [
            f"--{name} {getattr(self, name)} (above 0)"
            for name in ("lr", "clip")
            if getattr(self, name) is not None and getattr(self, name) <= 0
        ]
        if wrong:
            raise UserError(f"out of range: {', '.join(wrong)}.")

    def resolved(self, steps_an_epoch: int) -> "TrainConfig":
        """Return the settings with every None that depends on others filled in."""
        steps = min(self.epochs * steps_an_epoch, self.max_steps or self.epochs * steps_an_epoch)
        lr = self.lr or (1e-3 if self.norm == "batch" else 1e-4 / self.width) * (self.batch_size / 128) ** 0.5
        horizon = max(10.0, min(0.02 * steps, 2000.0))  # an average longer than the run would ruin it
        return replace(
            self,
            lr=lr,
            max_steps=steps,
            patience=max(2, self.epochs // 15) if self.patience is None else self.patience,
            ema=1 - 1 / horizon if self.ema is None else self.ema,
        )
