"""Claims that need no painting: what an evaluation costs, what a recipe learns."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from nstkit.backbones.batchnorm import settled
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import BackboneSpec, parse_backbone
from nstkit.errors import UserError
from transfer.claims.bench import Bench
from transfer.claims.finding import Finding, median_and_range
from transfer.painting.loop import with_start
from transfer.painting.losses.objective import Objective

TIMINGS = 7  # evaluations of each network, in turns
ABOUT_TWICE = 1.7
SMALL_TRAINING = "--dataset patterns --arch vgg11 --width 0.25 --norm none --epochs 6 --no-quality --quiet"
PLAIN = "--weight-decay 0 --schedule plateau --patience 1000 --lr 1e-3"
IMPROVED = "--weight-decay 0.01 --schedule plateau --patience 1 --lr 1e-3"
BARE = "--warmup-epochs 0 --clip 0 --ema 0 --label-smoothing 0 --retries 0"


def speed(bench: Bench) -> Finding:
    """ResNet50 is evaluated at least about twice as fast as VGG19.

    basheer2021: 229 s against 479 s for 100 steps on a Tesla K80, 40 s against 49 s for ten. Loss and gradient of the
    two presets here, in turns, with random weights, which cost as much.
    """
    evaluations = {
        "vgg19": evaluation(bench, parse_backbone("vgg19@random"), "basheer2021-vgg19"),
        "resnet50": evaluation(bench, parse_backbone("resnet50@random"), "basheer2021"),
    }
    times: dict[str, list[float]] = {name: [] for name in evaluations}
    for round_number in range(TIMINGS + 1):
        for name, evaluate in evaluations.items():
            began = time.process_time() if bench.device.type == "cpu" else time.perf_counter()
            evaluate()
            ended = time.process_time() if bench.device.type == "cpu" else time.perf_counter()
            if round_number:  # the first one warms up
                times[name].append(ended - began)
    ratios = [a / b for a, b in zip(times["vgg19"], times["resnet50"], strict=True)]
    ratio = statistics.median(ratios)
    words = ", ".join(f"{name} {median_and_range(values)} s" for name, values in times.items())
    unit = "processor time" if bench.device.type == "cpu" else "time"
    return Finding(
        f"{unit} an evaluation, n = {TIMINGS}: {words}; ratio {median_and_range(ratios)}",
        "yes" if ratio >= ABOUT_TWICE else "no",
        {"ratio": ratio},
        {},
    )


def evaluation(bench: Bench, spec: BackboneSpec, preset: str) -> Callable[[], object]:
    """Return the function that computes a preset's loss of the first pair, and its gradient, once."""
    settings = bench.settings(spec, f"--preset {preset}")
    backbone = load_backbone(spec, **settings.network.loading).to(bench.device)
    painting = settings.painting.resolved()
    scene, canvas = with_start(bench.pairs[0].scene(bench.config.claims.size, bench.device), painting)
    objective = Objective(settled(backbone, scene.pictures), scene, painting.losses, "fp32")
    image = canvas.detach().requires_grad_(True)

    def evaluate() -> object:
        (gradient,) = torch.autograd.grad(objective(image)["loss/total"], image)
        return gradient.sum().item()  # waits for the device

    return evaluate


def recipe(bench: Bench) -> Finding:
    """AdamW with ReduceLROnPlateau learns no better than Adam at a constant rate.

    altaha2023: 52 % without and 50 % with them on CIFAR-100; what they won was time, by mixed precision. Here on drawn
    textures: a quarter of VGG11's width, six epochs, top-1 of the test pictures.
    """
    scores: dict[str, list[float]] = {"plain": [], "AdamW + plateau": []}
    for seed in range(bench.config.claims.train_seeds):
        for (name, values), words in zip(scores.items(), (PLAIN, IMPROVED), strict=True):
            values.append(trained(bench, f"{name.partition(' ')[0].lower()}-{seed}", f"{words} --seed {seed}"))
    plain, improved = (statistics.median(values) for values in scores.values())
    words = "; ".join(f"{name} {median_and_range(values)}" for name, values in scores.items())
    gain = improved - plain
    spread = max(max(values) - min(values) for values in scores.values())
    return Finding(
        f"top-1, n = {len(scores['plain'])} seeds: {words}",
        "yes" if gain <= spread else "no",
        {"gain": gain},
        {},
    )


def trained(bench: Bench, name: str, words: str) -> float:
    """Return the top-1 of a small training in a process of its own, of one that is finished without repeating it."""
    runs_dir = bench.run.folder / "training"
    metrics = runs_dir / "train_backbone" / name / "metrics.jsonl"
    if (score := final_top1(metrics)) is None:
        command = f"{SMALL_TRAINING} {BARE} {words} --device {bench.device.type} --run-name {name}"
        print(f"  training {name}")
        done = subprocess.run(
            [sys.executable, "-m", "train_backbone", *command.split(), "--runs-dir", str(runs_dir)],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise UserError(f"training {name}: {done.stderr.strip().splitlines()[-1]}")
        score = final_top1(metrics)
    assert score is not None
    return score


def final_top1(metrics: Path) -> float | None:
    """Return what a finished training measured on its test pictures, None where it is not finished."""
    if not metrics.is_file():
        return None
    for line in metrics.read_text().splitlines():
        if '"extractor/top1"' in line and line.endswith("}"):
            measures = json.loads(line).get("measures", {})
            if "extractor/top1" in measures:
                return float(measures["extractor/top1"])
    return None
