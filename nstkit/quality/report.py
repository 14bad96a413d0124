"""What a measurement becomes: a table on screen, scalars, pictures and the row of the table of runs."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.batchnorm import settled
from nstkit.backbones.spec import BackboneSpec
from nstkit.bars import open_bar
from nstkit.config import Precision
from nstkit.datasets.arrays import Dataset
from nstkit.datasets.load import load_dataset
from nstkit.figures.features import feature_figure, filter_figure
from nstkit.figures.quality import confusion_figure, sample_figure, taps_figure
from nstkit.figures.question import show_question
from nstkit.measure import legend
from nstkit.pictures.tensors import to_tensor
from nstkit.quality.config import QualityConfig
from nstkit.quality.measuring import CLASSIFICATION, MEASURES, PER_TAP, Quality, count_pictures, measure_quality
from nstkit.quality.sample import first_batch, stratified
from nstkit.quality.twin import random_twin, read_header
from nstkit.remembered import remember
from nstkit.runs import MEASURE_KEYS, Run

SPLIT_SETTINGS = ("protocol", "split_seed", "background")  # of Caltech101, among the settings of a training
SAMPLES = 32  # test pictures on the sheet of predictions


class Pictures:
    """The data set, read once for each size of picture and each split."""

    def __init__(self, config: QualityConfig) -> None:
        self._config = config
        self._read: dict[tuple[object, ...], Dataset] = {}

    def load(self, spec: BackboneSpec) -> tuple[Dataset, int]:
        """Return the data set and the side [px] at which this backbone shall see it."""
        sample, header = self._config.sample, read_header(spec)
        size_px = sample.image_size or (header["input"]["size_px"] if header is not None else None)
        # CIFAR-100 has one size: enlarged are the pictures that are looked at, batch by batch, not all 60,000.
        read_px = None if sample.dataset == "cifar100" else size_px
        trained = header["config"] if header is not None else {}
        is_own = trained.get("dataset") == sample.dataset
        # In another split than its own, a network's training pictures would stand among the test pictures.
        split = {name: trained[name] for name in SPLIT_SETTINGS if is_own and name in trained}
        key = (read_px, *split.values())
        if key not in self._read:
            self._read[key] = load_dataset(sample.dataset, sample.data_dir, read_px, **split)
        return self._read[key], size_px or self._read[key].size_px


def measure_spec(
    spec: BackboneSpec,
    backbone: Backbone,
    data: Dataset,
    config: QualityConfig,
    device: torch.device,
    precision: Precision,
) -> Quality:
    """Return the quality of a backbone by its name, with its random twin unless `--no-baseline`."""
    header, extractor, sample = read_header(spec), config.extractor, config.sample
    if header is not None and header["config"]["dataset"] == data.name == "folder":
        warn_of_another_split(backbone.label, header, data)
    backbone = as_measured(backbone.to(device), data, config)
    total = count_pictures(data, sample.limit) * (2 if extractor.baseline else 1)
    with open_bar(total, backbone.label, "pictures", is_quiet=config.run.quiet) as bar:
        return measure_quality(
            backbone,
            data,
            device=device,
            precision=precision,
            taps=extractor.taps or None,
            limit=sample.limit,
            size_px=sample.image_size,
            use_head=header is None or tuple(header["classes"]) == tuple(data.classes),
            baseline=random_twin(spec, factory=extractor.arch) if extractor.baseline else None,
            advance=bar.update,
        )


def warn_of_another_split(label: str, header: Mapping[str, Any], data: Dataset) -> None:
    """Warn where a network of the same classes was trained on another split of class folders, as far as is known."""
    trained = header["config"]
    is_altered = trained.get("train_fraction") != 1 or trained.get("label_noise") or trained.get("final_fit")
    if tuple(header["classes"]) == data.classes and not is_altered and header.get("split", data.split) != data.split:
        warnings.warn(
            f"{label}: these are not the parts that it was trained with. Where they hold the same pictures, some that "
            f"it learned may be among the test pictures.",
            stacklevel=2,
        )


def as_measured(backbone: Backbone, data: Dataset, config: QualityConfig) -> Backbone:
    """Return a backbone as it is measured: a random one is a draw like its twin, so its batch norm is treated alike."""
    if not backbone.is_random:
        return backbone
    order = stratified(data.train.labels, config.sample.limit)
    return settled(backbone, first_batch(data.train, order, backbone.mean.device, config.sample.image_size))


def report(run: Run, backbone: Backbone, data: Dataset, quality: Quality, config: QualityConfig) -> None:
    """Write scalars, pictures and the row of one backbone into its run."""
    run.log(0, {tag: value for tag, value in quality.values.items() if tag not in MEASURE_KEYS}, is_shown=False)
    run.show_text("measures", as_code(format_table(quality)))
    of_table = {tag: value for tag, value in quality.values.items() if tag in MEASURE_KEYS}
    if "extractor/probe" in of_table:  # at other layers than the default ones there is none to compare by
        remember(backbone.network, of_table)
    for name, picture in draw(as_measured(backbone, data, config), data, quality, config.sample.image_size).items():
        run.save_picture(f"{name}.png", picture)
        run.show_picture(f"image/{name}", to_tensor(picture))
    settings = {
        "command": "quality",
        "backbone": backbone.label,
        **{key: backbone.facts.get(key) for key in ("arch", "norm", "width", "dataset", "epochs")},
        "content": data.name,  # the pictures it looked at; `dataset` is what it was trained on
        "size_px": config.sample.image_size,
        "seed": config.run.seed,
    }
    run.compare_by(settings, of_table)
    show_question(config.run.runs_dir)


def print_table(backbone: Backbone, data: Dataset, quality: Quality, config: QualityConfig) -> None:
    """Print what was measured."""
    beside = "; in brackets: the same architecture, random weights" if config.extractor.baseline else ""
    sample = config.sample
    train, test = min(sample.limit, len(data.train)), len(quality.order)
    print(f"\n{backbone.label} on {data.name}, {sample.image_size} px, {train:,} + {test:,} pictures{beside}")
    print(format_table(quality))
    shown = PER_TAP if quality.confusion is None else MEASURES
    print(f"better is higher ↑ or lower ↓: {legend(shown)}", end="\n\n")


def draw(backbone: Backbone, data: Dataset, quality: Quality, size_px: int | None = None) -> dict[str, Image.Image]:
    """Return the pictures of one measurement by name; the ones that need a fitting head only where there is one."""
    found = {}
    if quality.confusion is not None and quality.predicted is not None:
        found["confusion"] = confusion_figure(quality.confusion, data.classes)
        images, labels = next(iter(data.test.read(quality.order[:SAMPLES], SAMPLES)))
        predicted = quality.predicted[: len(labels)]
        found["predictions"] = sample_figure(images.cpu(), labels.cpu(), predicted, data.classes)
    names = [measure.name.removeprefix("extractor/") for measure in PER_TAP]
    if f"extractor/{names[0]}/{quality.taps[0]}" in quality.values:
        found["quality"] = taps_figure(quality.values, quality.taps, names)
    device = next(backbone.network.parameters()).device
    image = first_batch(data.test, quality.order[:1], device, size_px)
    with torch.no_grad():
        maps = {name: values.cpu() for name, values in backbone.features(image, quality.taps).items()}
    found["feature_maps"] = feature_figure(image.cpu(), maps)
    if (filters := filter_figure(backbone.network)) is not None:
        found["filters"] = filters
    return found


def as_code(text: str) -> str:
    """Return a text as Markdown that keeps its lines and columns."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def format_table(quality: Quality) -> str:
    """Return the measures as text: a row a tap, the random twin's value in brackets."""
    names = [measure.name.removeprefix("extractor/") for measure in PER_TAP]
    width = max(len("style taps"), *map(len, quality.taps))
    measured = [tap for tap in quality.taps if f"extractor/{names[0]}/{tap}" in quality.values]
    rows = [(tap, [f"{name}/{tap}" for name in names]) for tap in measured]
    if any(f"extractor/{name}" in quality.values for name in names):
        rows.append(("style taps", names))
    lines = [" " * width + "".join(f"{name:>18s}" for name in names)] if rows else []
    lines += [f"{title:{width}s}" + "".join(f"{_cell(quality, tag):>18s}" for tag in tags) for title, tags in rows]
    if quality.confusion is not None:
        heads = [measure.name.removeprefix("extractor/") for measure in CLASSIFICATION]
        lines.append("   ".join(f"{name} {_cell(quality, name)}" for name in heads))
    return "\n".join(lines)


def _cell(quality: Quality, tag: str) -> str:
    """Return `trained (random)`."""
    random = quality.values.get(f"random/{tag}")
    return f"{quality.values[f'extractor/{tag}']:.3f}" + ("" if random is None else f" ({random:.3f})")
