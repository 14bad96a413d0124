"""What the loop's records become: metrics, TensorBoard, a progress bar, and the checkpoints."""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from nstkit.backbones.taps import default_taps
from nstkit.bars import open_bar
from nstkit.checkpoint import write_checkpoint
from nstkit.config import settings_of
from nstkit.interruption import Interruption
from nstkit.runs import Run
from nstkit.settings import known
from train_backbone.config import TrainConfig
from train_backbone.init_check import InitReport, check_initial_weights, seen_pictures
from train_backbone.loop import Record
from train_backbone.session import Session, first_pictures


class Reporter:
    """The callback of the loop, in the process that writes."""

    def __init__(self, run: Run, session: Session, interruption: Interruption) -> None:
        self._run, self._session, self._interruption = run, session, interruption
        data, config = session.data, session.config
        self._max_steps = known(config.recipe.max_steps)
        self._header = {
            "arch": session.training.model.arguments,
            "classes": list(data.classes),
            "input": {"size_px": data.size_px, "mean": list(data.mean), "std": list(data.std)},
            "taps": default_taps(session.training.model),
            "config": settings_of(config),
            "defaults": settings_of(TrainConfig()),
            "environment": session.environment,
            "split": data.split,
            "pictures": data.counts,
        }
        self._saved_s = time.monotonic()
        self._quality: dict[str, float] = {}
        self._skipped = 0  # in this epoch
        self._bar = open_bar(
            self._max_steps, "training", "steps", is_quiet=config.run.quiet, initial=session.training.step
        )
        if 0 in config.progress.keep_epochs and session.training.step == 0:
            self.keep(0)

    def __call__(self, record: Record) -> None:
        """Take one record; raise `KeyboardInterrupt` after a save if the user or the system asked for an end."""
        if record.death:
            tqdm.write(f"warning: {record.death}")
            self.save_last()  # before the rest: what is logged behind the saved step is cut off at a resume
            self._run.rewind(record.step)
            self._run.show_text("watchdog", record.death, record.step)
            self._bar.reset(self._max_steps)
            self._bar.update(record.step)
            return
        if record.kept_epoch is not None:
            self.keep(record.kept_epoch)
            return
        self._run.log(record.step, record.scalars)
        self._bar.update(record.step - self._bar.n)
        if record.is_epoch_end:
            self._end_epoch(record)
        else:
            self._skipped += round(record.scalars.get("opt/skipped_steps", 0))
            self._bar.set_postfix_str(f"loss {record.scalars['train/loss']:.3f}", refresh=False)
            if record.is_before_validation:
                return  # a save here would, after a kill, have the validation logged twice at this step
            is_due = time.monotonic() - self._saved_s > self._session.config.progress.save_every
            if is_due or self._interruption.is_asked:
                self.save_last()
        if self._interruption.is_asked:
            raise KeyboardInterrupt

    def _end_epoch(self, record: Record) -> None:
        val = record.scalars
        self._quality = {name: val[name] for name in ("val/top1", "val/top5") if name in val}
        if not self._session.config.run.quiet:
            measured = (
                f"val top1 {val['val/top1']:.2%}  top5 {val['val/top5']:.2%}  loss {val['val/loss']:.3f}  "
                if "val/top1" in val
                else ""
            )
            skipped = f"  {self._skipped} steps skipped: float16 overflowed" if self._skipped else ""
            best = "  best" if record.is_best and measured else ""
            tqdm.write(f"epoch {record.epoch:3d}  {measured}{val['time/epoch_s']:.1f} s{best}{skipped}")
        self._skipped = 0
        # last.pt comes last: a kill in between repeats the epoch, and makes the others anew.
        if record.is_best:
            self.save("ckpt.pt", self._quality)
        if record.epoch in self._session.config.progress.keep_epochs:
            self.keep(record.epoch, self._quality)
        self.save_last()

    def save_last(self) -> None:
        """Write all that resuming needs."""
        self._run.flush()
        self.save("last.pt", self._quality, training=self._session.training.state_dict())
        self._saved_s = time.monotonic()

    def keep(self, epoch: float | int, quality: dict[str, float] | None = None) -> None:
        """Keep the network as it is after this epoch or part of one, with what was measured of it.

        Convolutions and linear layers are kept in float16, which takes half the space.
        """
        self.save(f"epochs/{kept_name(epoch)}", quality or {}, is_half=True, epoch=epoch)

    def save(self, name: str, quality: dict[str, float], *, is_half: bool = False, **more: Any) -> Path:
        """Write a checkpoint of the measured weights into the run folder."""
        training = self._session.training
        weights = {key: value.detach().clone() for key, value in training.measured.state_dict().items()}
        if is_half:
            weights = {key: value.half() if value.ndim > 1 else value for key, value in weights.items()}
        path = self._run.folder / name
        history = [dict(epoch) for epoch in training.history]
        write_checkpoint(path, {**self._header, "model": weights, "quality": quality, "history": history, **more})
        return path

    def close(self) -> None:
        """Take the progress bar off the screen."""
        self._bar.close()


def kept_name(epoch: float | int) -> str:
    """Return the file name of a checkpoint that is kept after an epoch or a part of one.

    Example:
        >>> kept_name(20), kept_name(0.1), kept_name(2.25)
        ('epoch-020.pt', 'epoch-000.1.pt', 'epoch-002.25.pt')
    """
    return f"epoch-{int(epoch):03d}{f'{epoch % 1:g}'[1:]}.pt"


def announce(run: Run, session: Session) -> None:
    """Say where a resumed run goes on, show the first batch, and warn of initial weights that cannot learn."""
    from torchvision.utils import make_grid  # which takes a second

    training, config = session.training, session.config
    print(f"format:  {session.choice}")
    if config.progress.resume:
        where = f"resumed at step {training.step}, in epoch {training.epoch + 1}"
        print(where if session.is_resumed else "nothing to resume: this is a new run")
    data = session.data
    batch = next(session.feed.read(0, 0, known(config.recipe.max_steps)))
    mean, std = (torch.tensor(values)[:, None, None] for values in (data.mean, data.std))
    sheet = make_grid(batch.images[:64].cpu() * std + mean, nrow=8, padding=1)
    run.show_picture("image/batch", sheet.clamp(0, 1)[None])
    if training.step == 0:
        count = seen_pictures(data.size_px, session.feed.batch_size)
        images, labels = (values[:: max(1, len(values) // count)] for values in first_pictures(data))
        device = session.device
        init_report = check_initial_weights(training.model, images.to(device), labels.to(device))
        run.show_text("init", init_table(init_report))
        for problem in init_report.problems:
            print(f"warning: {problem}", file=sys.stderr)


def init_table(init_report: InitReport) -> str:
    """Return the check of the initial weights as Markdown."""
    lines = ["| layer | output std | zeros | gradient / weight |", "|---|---|---|---|"]
    for row in init_report.rows:
        zeros = "" if row.zero_share is None else f"{row.zero_share:.1%}"
        lines.append(f"| {row.name} | {row.output_std:.3g} | {zeros} | {row.gradient_ratio:.2g} |")
    return "\n".join([*lines, "", f"RankMe of the last features: {init_report.rankme:.1f}", *init_report.problems])
