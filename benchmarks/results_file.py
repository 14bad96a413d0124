"""Where a benchmark's numbers go, with what they need to be a claim: date, commit, hardware, versions."""

import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import torch

from nstkit.hardware import busy_warning, describe_environment, time_share


def write_results(name: str, device: torch.device, facts: dict[str, Any]) -> None:
    """Write `facts` to benchmarks/results/NAME.json and say so, and whether the machine does other work as well."""
    share = time_share()
    if warning := busy_warning(share):
        print(warning)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    about = {
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "environment": describe_environment(device),
        "time_share": share,
    }
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.write_text(json.dumps({**about, **facts}, indent=1) + "\n")
    print(f"results: {path}")
