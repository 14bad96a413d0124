"""Where Linux keeps the limits of the control groups that a process is in, as containers and schedulers set them."""

from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")


def control_groups(controller: str) -> Iterator[Path]:
    """Yield the folder of the group that this process is in, then of those around it, up to the outermost one seen.

    Some of them may not be there, as they lie outside of the container's view.

    Args:
        controller: such as `memory`, for a group of version 1; "" for version 2, which has all controllers in one tree.
    """
    try:
        lines = (PROC / "self/cgroup").read_text().splitlines()
    except OSError:  # the outermost one alone
        lines = ["0::/", f"0:{controller}:/"]
    for controllers, path in (line.split(":", 2)[1:] for line in lines if line.count(":") >= 2):
        if controller in controllers.split(","):
            inside = Path(path.lstrip("/"))
            for group in dict.fromkeys([inside, *inside.parents]):
                yield CGROUPS / controller / group
