"""python -m transfer.claims: what papers claim about style transfer, measured in small; see --help."""

import json

from nstkit.config import parse, settings_of
from nstkit.errors import run_command
from transfer.claims.config import EXAMPLES, ClaimsConfig


def main() -> None:
    """Parse, then measure one claim after the other; the table is written anew after each."""
    asked = parse(ClaimsConfig, "transfer.claims", examples=EXAMPLES)
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit.folders import run_names
    from nstkit.hardware import device_name, seed_everything, use_device
    from nstkit.runs import open_run
    from transfer.claims.bench import Bench
    from transfer.claims.table import measure_claims

    device = use_device(asked.run.device)
    config = asked.changed(device=device_name(asked.run.device, device))
    if config.run.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    (name,) = run_names(config.run, "claims", may_continue=True)
    seed_everything(config.run.seed)
    with open_run(config, device, "claims", "papers", given=asked, name=name, may_continue=True) as run:
        measure_claims(Bench(run, config, device))


if __name__ == "__main__":
    run_command(main)
