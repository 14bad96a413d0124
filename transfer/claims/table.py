"""The claims measured one after the other, and their table: claims.md, claims.csv, TensorBoard."""

import inspect
from collections.abc import Callable

from nstkit.errors import UserError
from nstkit.files import write_atomically, write_csv
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import to_tensor
from nstkit.runs import Run
from transfer.claims import measured, painted
from transfer.claims.bench import Bench
from transfer.claims.finding import Finding, claims_table

Claim = Callable[[Bench], Finding]

CLAIMS: dict[str, Claim] = {
    "style-layers": painted.style_layers,
    "content-layer": painted.content_layer,
    "sgd-adam": painted.sgd_adam,
    "pooling": painted.pooling,
    "variation": painted.variation,
    "start": painted.start,
    "own-network": painted.own_network,
    "inception": painted.inception,
    "first-losses": painted.first_losses,
    "speed": measured.speed,
    "recipe": measured.recipe,
}
"""By name. The first line of a function's docstring is the claim, the second paragraph says whose it is."""
SHEET_PX = 1280  # longer side of a figure in TensorBoard


def measure_claims(bench: Bench) -> list[dict[str, str]]:
    """Measure the claims that are asked for, and write their table after each; return its rows."""
    rows: list[dict[str, str]] = []
    folder = bench.run.folder
    names = list(dict.fromkeys(bench.config.claims.claim or CLAIMS))
    print(f"VGG19:   {bench.vgg19.label}, {len(bench.pairs)} pair(s) at {bench.config.claims.size} px")
    for position, name in enumerate(names, start=1):
        claim, source = said_of(CLAIMS[name])
        print(f"[{position}/{len(names)}] {claim}")
        try:
            finding = CLAIMS[name](bench)
        except UserError as error:  # another claim may not need what is missing here
            finding = Finding(str(error), "not measured", {}, {})
        print(f"  {finding.agrees}: {finding.measured}")
        rows.append({"claim": claim, "source": source, "measured": finding.measured, "agrees": finding.agrees})
        bench.run.log(position, {f"claim/{name}/{key}": value for key, value in finding.values.items()})
        for key, figure in finding.figures.items():
            save_picture(figure, folder / "figures" / f"{name}-{key}.png")
            bench.run.show_picture(f"claim/{name}/{key}", to_tensor(figure), position, longer_px=SHEET_PX)
        write_table(bench.run, rows, position)
    return rows


def write_table(run: Run, rows: list[dict[str, str]], position: int) -> None:
    """Write the table so far; `position` is how many claims it holds."""
    table = claims_table(rows)
    write_csv(run.folder / "claims.csv", rows)
    write_atomically(run.folder / "claims.md", lambda file: file.write(table.encode()))
    run.show_text("claims", table, position)
    run.flush()


def said_of(function: Claim) -> tuple[str, str]:
    """Return a claim and whose it is, from the docstring of its function."""
    claim, _, rest = (inspect.getdoc(function) or "").partition("\n\n")
    return " ".join(claim.split()), " ".join(rest.split())
