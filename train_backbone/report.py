"""What the loop's records become: metrics, TensorBoard, a progress bar, and the checkpoints."""

from pathlib import Path
from typing import Any

import torch
from torchvision.utils import make_grid
from tqdm import tqdm

from nstkit.backbones.vgg import GATYS_CONTENT_TAPS, GATYS_STYLE_TAPS
from nstkit.checkpoint import read_checkpoint, write_checkpoint
from nstkit.config import Precision, settings_of
from nstkit.datasets.arrays import Dataset
from nstkit.runs import Run
from train_backbone.augment import plan_epoch
from train_backbone.config import TrainConfig
from train_backbone.evaluate import evaluate
from train_backbone.loop import Record, Training, take_batch


class Reporter:
    """The callback of the loop."""

    def __init__(
        self, run: Run, training: Training, data: Dataset, config: TrainConfig, environment: dict[str, Any]
    ) -> None:
        self._run, self._training, self._config = run, training, config
        self._header = {
            "arch": training.model.arguments,
            "classes": list(data.classes),
            "input": {"size_px": data.size_px, "mean": list(data.mean), "std": list(data.std)},
            "taps": {"style": list(GATYS_STYLE_TAPS), "content": list(GATYS_CONTENT_TAPS)},
            "config": settings_of(config),
            "environment": environment,
        }
        self._bar = tqdm(
            total=config.max_steps, initial=training.step, unit="step", disable=True if config.quiet else None
        )

    def __call__(self, record: Record) -> None:
        """Take one record."""
        self._run.log(record.step, record.scalars)
        self._bar.update(record.step - self._bar.n)
        if not record.is_epoch_end:
            self._bar.set_postfix_str(f"loss {record.scalars['train/loss']:.3f}", refresh=False)
            return
        val = record.scalars
        if not self._config.quiet:
            tqdm.write(
                f"epoch {record.epoch:3d}  val top1 {val['val/top1']:.2%}  top5 {val['val/top5']:.2%}  "
                f"loss {val['val/loss']:.3f}  {val['time/epoch_s']:.1f} s{'  best' if record.is_best else ''}"
            )
        quality = {"val/top1": val["val/top1"], "val/top5": val["val/top5"]}
        if record.is_best:
            self.save("ckpt.pt", quality)
        self.save("last.pt", quality, training=self._training.state_dict())
        self._run.flush()

    def save(self, name: str, quality: dict[str, float], **more: Any) -> Path:
        """Write a checkpoint of the measured weights into the run folder."""
        weights = {key: value.detach().clone() for key, value in self._training.measured.state_dict().items()}
        path = self._run.folder / name
        write_checkpoint(path, {**self._header, "model": weights, "quality": quality, **more})
        return path

    def close(self) -> None:
        """Take the progress bar off the screen."""
        self._bar.close()


def show_batch(run: Run, data: Dataset, seed: int) -> None:
    """Put a sheet of training pictures as the network sees them into TensorBoard."""
    plan = plan_epoch(len(data.train), data.size_px, seed, 0, data.train.images.device)
    images, _ = take_batch(data, plan, slice(0, 64))
    sheet = make_grid(images.permute(0, 3, 1, 2).float() / 255, nrow=8, padding=1)
    run.show_picture("image/batch", sheet[None])


def test_best(
    run: Run, reporter: Reporter, training: Training, data: Dataset, precision: Precision
) -> dict[str, float]:
    """Measure the best checkpoint on the test set, write that into it and into the run's row; return its quality."""
    best = read_checkpoint(run.folder / "ckpt.pt")
    training.measured.load_state_dict(best["model"])
    mean, std = (torch.tensor(values, device=data.test.images.device) for values in (data.mean, data.std))
    test = evaluate(training.measured, data.test, mean, std, precision)
    quality = {**best["quality"], "extractor/top1": test["top1"], "extractor/top5": test["top5"]}
    reporter.save("ckpt.pt", quality)
    run.log(training.step, {"extractor/top5": test["top5"], "test/loss": test["loss"]})  # top-1 goes with the row
    settings = best["config"]
    run.compare_by(
        {
            "command": "train_backbone",
            "backbone": run.folder.name,
            "optimizer": "adamw",
            "size_px": data.size_px,
            "steps": training.step,
            **{key: settings[key] for key in ("arch", "norm", "width", "dataset", "epochs", "lr", "init", "seed")},
        },
        {"extractor/top1": test["top1"]},
        training.step,
    )
    return quality
