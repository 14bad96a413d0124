"""Claims that are read from pictures: two ways of painting the same pairs, compared pair by pair."""

import statistics
from collections.abc import Sequence

from PIL import Image

from nstkit.backbones.spec import parse_backbone
from nstkit.figures.compose import Tile, contact_sheet
from nstkit.pictures.tensors import to_picture, to_tensor
from transfer.claims.bench import GAP_PX, Bench, Shown, sheet_of
from transfer.claims.edges import edge_strength, sobel
from transfer.claims.finding import Finding, median_and_range, verdict_of

ROWS_400_PX = 533  # longer side of a photograph of 400 rows
BLACK = 0.1  # mean level below which a picture is called black
STYLE, TEXTURE, CONTENT = "judge/style", "judge/texture", "judge/content"


def style_layers(bench: Bench) -> Finding:
    """More style layers give more of the style's texture.

    balaji2021: block1 to 5 against block1 to 3 and block1 alone. Measured as the distance of textures, under this kit's
    own recipe.
    """
    blocks = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    rows = [
        bench.paint(bench.vgg19, f"--style-taps {' '.join(blocks[:count])}", f"{count} style layers")
        for count in (1, 3, 5)
    ]
    return compare(rows[0], rows[-1], TEXTURE, is_lower_better=True, also=STYLE, shown=rows)


def content_layer(bench: Bench) -> Finding:
    """A low content layer keeps the pixels.

    balaji2021: content from block2_conv2 against block5_conv1, style from block1 to 3. Measured as the mean change of a
    pixel, under this kit's own recipe.
    """
    style = "--style-taps relu1_1 relu2_1 relu3_1"
    high = bench.paint(bench.vgg19, f"{style} --content-taps relu5_1", "content relu5_1")
    low = bench.paint(bench.vgg19, f"{style} --content-taps relu2_2", "content relu2_2")
    return compare(high, low, "change", is_lower_better=True, also=CONTENT)


def sgd_adam(bench: Bench) -> Finding:
    """Adam gives stronger texture than SGD.

    balaji2021: the two presets with one set of layers. Measured as the distance of textures; less clarity, which they
    claim too, is the judge of content. SGD's rate of 100 belongs to 400 rows: it falls with the area, as a pixel's
    gradient of Keras' losses rises.
    """
    rate = 100 * (bench.config.claims.size / ROWS_400_PX) ** 2
    sgd = bench.paint(bench.vgg19, f"--preset balaji2021-sgd --lr {rate:g}", f"SGD {rate:.3g}")
    adam = bench.paint(bench.vgg19, "--preset balaji2021-adam --content-taps relu5_1", "Adam 5")
    return compare(sgd, adam, TEXTURE, is_lower_better=True, also=CONTENT)


def pooling(bench: Bench) -> Finding:
    """Average pooling paints better than max pooling.

    gatys2016 and gupta2019. Measured by the verdict on style, under this kit's own recipe.
    """
    before, after = (bench.paint(bench.vgg19, f"--pooling {kind}", f"{kind} pooling") for kind in ("max", "avg"))
    return compare(before, after, STYLE, is_lower_better=False, also=CONTENT)


def variation(bench: Bench) -> Finding:
    """Total variation smooths: it takes away edges that are artefacts.

    elmitwally2022, with and without its weight of 30, and with a hundred times as much. Measured as the mean strength
    of Sobel edges, horizontal and vertical, which the figure shows before and after; less than 1 % is nothing.
    """
    flags = f"--preset elmitwally2022 --steps {bench.config.claims.steps}"
    rows = [bench.paint(bench.vgg19, f"{flags} --tv-weight {weight}", f"TV {weight}") for weight in (0, 30, 3000)]
    without, *others = ([edge_strength(to_tensor(shown.picture)) for shown in row] for row in rows)
    weak, strong = ([after / before for before, after in zip(without, row, strict=True)] for row in others)
    ratios = f"{median_and_range(weak)} at 30, {median_and_range(strong)} at 3000"
    return Finding(
        f"{bench.vgg19.label}, edges with over without: {ratios}; n = {len(weak)}",
        verdict_of([0.99 - ratio for ratio in weak]),
        {"edges_ratio": statistics.mean(weak), "edges_ratio_strong": statistics.mean(strong)},
        {"pictures": sheet_of(rows), "edges": edges_figure(*(row[0] for row in rows))},
    )


def edges_figure(*pictures: Shown) -> Image.Image:
    """Return pictures without and with total variation, each beside its horizontal and vertical edges."""
    tiles = []
    for shown in pictures:
        tiles.append(Tile(shown.picture, (shown.label,)))
        across, down = sobel(to_tensor(shown.picture))
        for name, edges in (("horizontal edges", down), ("vertical edges", across)):
            tiles.append(Tile(to_picture(0.5 + 0.5 * edges.clamp(-1, 1).expand(-1, 3, -1, -1)), (name,)))
    return contact_sheet(tiles, 3, gap_px=GAP_PX, margin_px=GAP_PX)


def start(bench: Bench) -> Finding:
    """A start from the content keeps more of it than one from noise, after as many evaluations.

    basheer2021 and altaha2023 start from either. Measured by the judge of content, under this kit's own recipe.
    """
    noise, content = (bench.paint(bench.vgg19, f"--init {init}", f"from {init}") for init in ("noise", "content"))
    return compare(noise, content, CONTENT, is_lower_better=False, also=STYLE)


def own_network(bench: Bench) -> Finding:
    """A network trained by oneself paints worse than ImageNet's VGG19.

    altaha2023. Measured by the verdict on style, whose judges are neither of the two.
    """
    own = parse_backbone(bench.config.claims.own)
    if bench.vgg19 == own:
        return Finding("no weights of ImageNet's VGG19 on this machine, see --vgg19", "not measured", {}, {})
    owns, imagenets = (bench.paint(spec, "", spec.label) for spec in (own, bench.vgg19))
    return compare(owns, imagenets, STYLE, is_lower_better=False, also=CONTENT)


def inception(bench: Bench) -> Finding:
    """InceptionV3 gives a black picture.

    gupta2019 ("the weights are not compatible"). Painted with its own and with VGG's colours, under the paper's
    absolute and under relative losses; black is a mean level below 0.1, flat a low deviation.
    """
    spec = parse_backbone(bench.config.claims.inception)
    steps = f"--steps {bench.config.claims.steps}"
    losses = {"absolute": "", "relative": "--loss relative --content-weight 1 --style-weight 10 --tv-weight 3"}
    rows = [
        bench.paint(spec, f"--preset gupta2019 {steps} --preprocess {colours} {loss}", f"{colours}, {name}")
        for colours in ("caffe", "own")
        for name, loss in losses.items()
    ]
    levels = {row[0].label: [float(to_tensor(shown.picture).mean()) for shown in row] for row in rows}
    black = [label for label, values in levels.items() if max(values) < BLACK]
    words = [
        f"{row[0].label} {median_and_range(levels[row[0].label])}, "
        f"deviation {median_and_range([shown.value('deviation') for shown in row])}"
        for row in rows
    ]
    return Finding(
        f"{spec.label}, mean level: {'; '.join(words)}; n = {len(bench.pairs)} each",
        "yes" if len(black) == len(levels) else "mixed" if black else "no",
        {label: statistics.mean(values) for label, values in levels.items()},
        {"pictures": sheet_of(rows)},
    )


def first_losses(bench: Bench) -> Finding:
    """The first losses rise from InceptionV3 over ResNet50 and VGG16 to VGG19.

    gupta2019: 369, 4.3e7, 2.9e9, 8.1e9, which are read here as those after the first round of 20 evaluations. A unit of
    absolute loss is another for every network, so that no weights are shared.
    """
    claims = bench.config.claims
    texts = (claims.inception, claims.resnet50, "vgg16@random", bench.vgg19.text)
    rows = [bench.paint(parse_backbone(text), "--preset gupta2019 --steps 20", "20 evaluations") for text in texts]
    losses = {row[0].network: statistics.median(shown.value("loss/total") for shown in row) for row in rows}
    are_random = [label for label in losses if "random" in label]
    words = ", ".join(f"{label} {loss:.2g}" for label, loss in losses.items())
    rises = list(losses.values()) == sorted(losses.values())
    return Finding(
        words + (f"; random weights say nothing of {len(are_random)} of them" if are_random else ""),
        "not measured" if are_random else "yes" if rises else "no",
        losses,
        {"pictures": sheet_of(rows)},
    )


def compare(
    before: Sequence[Shown],
    after: Sequence[Shown],
    name: str,
    *,
    is_lower_better: bool,
    also: str | None = None,
    shown: Sequence[Sequence[Shown]] | None = None,
) -> Finding:
    """Return whether a number is better after than before, pair by pair.

    Args:
        before: pictures of one way of painting.
        after: of the other, which is claimed to be better, of the same pairs.
        name: of the number that is compared.
        is_lower_better: whether it is a distance.
        also: another number that is said too.
        shown: what the figure shows; None = both.
    """
    sign = -1 if is_lower_better else 1
    pairs = list(zip(before, after, strict=True))
    differences = [sign * (b.value(name) - a.value(name)) for a, b in pairs]
    words, values = [], {}
    for number in (name, also):
        if number is None or (number == also and any(number not in one.row for one in (*before, *after))):
            continue
        medians = [median_and_range([one.value(number) for one in row]) for row in (before, after)]
        words.append(f"{number.partition('/')[2] or number} {medians[0]} -> {medians[1]}")
        for row in (before, after):
            values[f"{row[0].label}/{number}"] = statistics.mean(one.value(number) for one in row)
    better = sum(difference > 0 for difference in differences)
    network = f"{before[0].network}, " if before[0].network == after[0].network else ""
    ways = f"{network}{before[0].label} -> {after[0].label}"
    return Finding(
        f"{ways}: {', '.join(words)}; as claimed in {better} of {len(pairs)} pairs",
        verdict_of(differences),
        values,
        {"pictures": sheet_of(shown or [before, after], (name,))},
    )
