"""Several processes that train one network, as `torchrun` or Slurm's `srun` starts them; without these there is one."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from nstkit.errors import UserError, first_line

Value = TypeVar("Value")
FIRST_PORT, PORTS = 20_000, 20_000  # that rank 0 may be called at under Slurm: above those of services


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: 0 to count - 1. Rank 0 alone writes files and to the screen.
        count: processes of the run.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_writer(self) -> bool:
        """True in the one process that writes."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of a tensor over the processes."""
        if self.count > 1:
            dist.all_reduce(values)
            values = values / self.count
        return values

    def from_writer(self, value: Value) -> Value:
        """Return the writer's value, in every process. It has to be picklable."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def take(self, count: int) -> slice:
        """Return this process's part of `count` things in a row; the parts differ in length by at most one."""
        return slice(self.rank * count // self.count, (self.rank + 1) * count // self.count)

    @contextmanager
    def writer_first(self) -> Iterator[None]:
        """Let the writer through first and the others after it: what it downloads or packs is there for them."""
        if self.count > 1 and not self.is_writer:
            dist.barrier()
        yield
        if self.count > 1 and self.is_writer:
            dist.barrier()


def adopt_slurm() -> None:
    """Say in the words of `torchrun` which of the tasks that `srun` started this process is; nothing elsewhere.

    A batch script's own process, which sees how many tasks there could be but is the only one, stays alone. Rank 0 is
    called at the step's first node, at a port that follows from the job; MASTER_ADDR and MASTER_PORT win.
    """
    count = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))
    if "WORLD_SIZE" in os.environ or count == 1 or "SLURM_PROCID" not in os.environ:
        return
    port = FIRST_PORT + int(os.environ.get("SLURM_JOB_ID", 0)) % PORTS
    os.environ.setdefault("MASTER_ADDR", first_node(os.environ.get("SLURM_STEP_NODELIST", "localhost")))
    os.environ.setdefault("MASTER_PORT", str(port))
    os.environ["WORLD_SIZE"] = str(count)
    os.environ["RANK"] = os.environ["SLURM_PROCID"]
    os.environ["LOCAL_RANK"] = os.environ.get("SLURM_LOCALID", "0")


def first_node(nodes: str) -> str:
    """Return the first of the nodes in Slurm's list of them.

    Example:
        >>> first_node("gpu[03-05,7],cpu1"), first_node("node1,node2"), first_node("a[1-2]-b[3,4]")
        ('gpu03', 'node1', 'a1-b3')
    """
    first = re.sub(r"\[(\w+)[^\]]*\]", r"\1", nodes)
    return first.partition(",")[0]


@contextmanager
def join_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that `torchrun` or `srun` started, for as long as the context lasts; alone without them.

    nccl between GPUs, gloo otherwise.

    Raises:
        UserError: where another process died.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield Ranks()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), count)
    except (dist.DistBackendError, dist.DistNetworkError, RuntimeError) as error:
        if not is_lost_connection(error):
            raise
        raise UserError(
            f"process {dist.get_rank()} of {count} lost the others ({first_line(error)}). What was saved is "
            f"whole: start the same command again with --resume auto."
        ) from error
    finally:
        dist.destroy_process_group()


def is_lost_connection(error: BaseException) -> bool:
    """Return whether an error says that another process is gone."""
    words = ("connection closed", "connection reset", "timed out", "nccl", "gloo", "broken pipe")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)
