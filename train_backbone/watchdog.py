"""Notices a network that died or never came to life, from the loss and the gradient that are logged anyway."""

import math
from typing import Any

NEAR_CHANCE = 0.002  # relative distance of the loss to ln(classes)
LEARNED = 0.02  # relative distance below it: a network that was here is alive
SILENT_RECORDS = 3  # in a row, so that one odd record does not roll a run back
GRACE_STEPS = 1000  # behind the warm-up, in which a network may still be at chance
RATE_FACTOR = 0.3


class Death(Exception):
    """The network learns no more. The message says what was seen."""


class Watchdog:
    """Looks at every record of a training.

    A dead network gives every picture the same logits. Its loss is ln(classes), and all that is left of its gradient is
    that of the last bias: the label counts of a batch, of norm sqrt((1 - 1 / classes) / batch_size). (With 100 classes
    and a batch of 64 this is 0.12.)

    Args:
        classes: number of them.
        batch_size: pictures a step.
        warmup_steps: of the learning rate.
        are_labels_random: whether most labels are noise, so that a living network may stay at chance for long.
    """

    def __init__(self, classes: int, batch_size: int, warmup_steps: int, *, are_labels_random: bool = False) -> None:
        self._chance = math.log(classes)
        self._silence = 1.5 * math.sqrt((1 - 1 / classes) / batch_size)
        self._grace = math.inf if are_labels_random else warmup_steps + GRACE_STEPS
        self._has_learned = False
        self._silent_records = 0

    def look(self, step: int, loss: float, gradient_norm: float) -> None:
        """Take a record; raise `Death` when the loss is not finite, or the network died or has not come to life."""
        if not math.isfinite(loss):
            raise Death(f"the loss is {loss} at step {step}")
        self._has_learned = self._has_learned or loss < self._chance * (1 - LEARNED)
        is_at_chance = abs(loss - self._chance) < self._chance * NEAR_CHANCE
        is_silent = is_at_chance and gradient_norm < self._silence and (self._has_learned or step > self._grace)
        self._silent_records = self._silent_records + 1 if is_silent else 0
        seen = f"loss {loss:.3f}, that of chance is {self._chance:.3f}; gradient {gradient_norm:.2g}"
        if self._silent_records >= SILENT_RECORDS:
            raise Death(f"the network died before step {step} ({seen})")
        if step > self._grace and not self._has_learned:
            raise Death(f"the network has not begun to learn by step {step} ({seen})")

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers."""
        return {"has_learned": self._has_learned, "silent_records": self._silent_records}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember what was saved."""
        self._has_learned, self._silent_records = state["has_learned"], state["silent_records"]
