"""`--final-fit`: which run is repeated on all pictures, and when its learning rate dropped."""

from nstkit.checkpoint import read_checkpoint
from nstkit.errors import UserError
from train_backbone.config import TrainConfig
from train_backbone.resume import MUST_AGREE, differences, is_finished

RECIPE = tuple(name for name in MUST_AGREE if name not in ("seed", "final_fit", "split_seed"))


def rates_to_replay(config: TrainConfig) -> list[float] | None:
    """Return the learning rate over its peak in each epoch of the run that `--final-fit` names, None without it.

    Raises:
        UserError: where that run is not finished, or was trained with other settings.
    """
    folder = config.progress.final_fit
    if folder is None:
        return None
    if not (folder / "last.pt").is_file() or not is_finished(folder):
        raise UserError(f"--final-fit {folder}: no finished run there. Give the folder of a run of train_backbone.")
    if differing := differences(folder, config, RECIPE):
        raise UserError(f"--final-fit {folder}: that run has {', '.join(differing)}. Fit with the same settings.")
    content = read_checkpoint(folder / "last.pt")
    try:
        return [epoch["lr"] / content["config"]["lr"] for epoch in content["training"]["history"]]
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"--final-fit {folder}: its last.pt is damaged. Train that run again.") from error
