"""Settings that go together: `--preset NAME`; see `nstkit.presets`."""

from collections.abc import Mapping
from typing import Any, Literal

from nstkit.presets import Preset

PresetName = Literal["cpu", "fast", "no-bn", "caltech101", "altaha2023"]
Given = Mapping[str, Any]


def cpu(given: Given) -> dict[str, Any]:
    """A good VGG19 in about an hour on two cores, in 20 epochs."""
    return {"epochs": 20, "schedule": "onecycle", "weight_decay": 0.2}


def fast(given: Given) -> dict[str, Any]:
    """Few, large, cheap steps for one GPU, 30 epochs.

    A plateau would spend its patience, so the rate follows one cycle.
    """
    return {
        "epochs": 30,
        "batch_size": 1024,
        "schedule": "onecycle",
        "lr": 3e-3,
        "progressive": (20, 24),
        "label_smoothing": 0.2,
        "flip": "alternating",
        "compile": True,
    }


def no_bn(given: Given) -> dict[str, Any]:
    """A VGG19 without batch norm: a small rate, a long warm-up, unit variance at every layer from the first step on."""
    return {"norm": "none", "init": "lsuv", "epochs": 200, "schedule": "cosine", "warmup_epochs": 5.0}


def caltech101(given: Given) -> dict[str, Any]:
    """Caltech101 at 128 px: few and larger pictures, strong augmentation, many epochs."""
    return {
        "dataset": "caltech101",
        "image_size": 128,
        "epochs": 300,
        "batch_size": 64,
        "schedule": "cosine",
        "warmup_epochs": 10.0,
        "weight_decay": 0.2,
        "trivial_augment": True,
        "cutmix": 1.0,
        "erasing": 0.25,
    }


def altaha2023(given: Given) -> dict[str, Any]:
    """AlTaha and others 2023, "Style Transfer": their VGG19, whose painting half is a preset of `python -m transfer`.

    From the paper: VGG19 with adaptive pooling and three linear layers with dropout, Kaiming initialisation,
    cross-entropy, mixed precision, AdamW at 0.001, ReduceLROnPlateau, 20 epochs, official split, resizing and
    augmentation.

    Left open there: norm (none is mentioned), the decay (torch's 0.01 here), the batch size (128), the patience
    (torch's 10), what the plateau watches (held-out pictures, as ever here), the size of the pictures (32 px) and which
    augmentation (crop and flip). Nothing is said of warm-up, clipping, averaging and smoothing, so there is none, and a
    network that dies is left to itself.
    """
    return {
        "norm": "none",
        "head": "fc4096",
        "init": "kaiming",
        "epochs": 20,
        "lr": 1e-3,
        "weight_decay": 0.01,
        "schedule": "plateau",
        "patience": 10,
        "warmup_epochs": 0.0,
        "clip": 0.0,
        "ema": 0.0,
        "label_smoothing": 0.0,
        "retries": 0,
    }


PRESETS: dict[str, Preset] = {
    "cpu": cpu,
    "fast": fast,
    "no-bn": no_bn,
    "caltech101": caltech101,
    "altaha2023": altaha2023,
}
