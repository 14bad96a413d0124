"""`--list-judges`: what is judged, by whom, and how well that was tested. No torch here."""

from collections.abc import Iterable

from transfer.judges.trust import LEAST_AUC, VERDICTS, Validity, load_validity

FIXED = ("gabor", "carried-judge")
ABOUT = f"""Every picture is judged by a fixed panel: {" and ".join(FIXED)}, neither of which can paint, and rules.
--judge NAME ... puts networks beside it, named as after --backbone; each gives the measures below once more, as
judge/...@NAME. None given = ImageNet VGG19 and SqueezeNet where their weights lie on this machine.

Behind each its verdict and its AUC (95 % interval), which is how often it prefers a good picture to a fraud. From
{LEAST_AUC:g} on it is trusted, where it also orders pictures by their strength (python -m transfer.judges --validate).
"""


def list_judges() -> str:
    """Return all measures under what they are about, those of the networks last."""
    known = load_validity().values()
    of_panel = [judge for judge in known if judge.name.partition("@")[2] in ("", *FIXED)]
    of_networks = [judge for judge in known if judge not in of_panel]
    parts = [ABOUT, *_part("the fixed panel", of_panel), "", *_part("networks that were tested", of_networks)]
    return "\n".join(parts)


def _part(title: str, judges: Iterable[Validity]) -> list[str]:
    ordered = sorted(judges, key=lambda judge: ("style", "content", "artefacts").index(judge.aspect))
    return [f"{title}:", *map(_line, ordered)]


def _line(judge: Validity) -> str:
    middle, low, high = judge.untold
    return f"  {judge.aspect:10}{judge.name:46}{VERDICTS[judge.is_trusted]:9}{middle:.2f} ({low:.2f} to {high:.2f})"
