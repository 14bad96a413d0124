"""Simulated results of a study: rows in the form of results.csv, with an effect that is known. Nothing was painted."""

import numpy as np
import pytest

from nstkit.files import write_csv

STAGES = ((0.0, 0.1), (0.3, 0.25), (1.0, 0.35), (3.0, 0.45), (20.0, 0.6))  # epoch, quality
WEIGHTS = ((3.0, 0.8, -0.06), (10.0, 0.68, 0.0), (30.0, 0.55, 0.05))  # weight, content, style


@pytest.fixture(scope="session")
def simulate():
    """Return a function that makes the rows of a study of 5 stages, 8 pairs and 3 weights.

    `effect` is what the outcome changes by from random to trained, `noisy` how far the arm "noise" lies off the line.
    """

    def rows_of(effect=0.08, seeds=6, noisy=0.06, sd=0.01, seed=0):
        random = np.random.default_rng(seed)
        pairs = [(f"photo{k % 4}", f"style{k}") for k in range(8)]
        base = {pair: random.normal(0, 0.05) for pair in pairs}

        def paint(label, arm, train_seed, epoch, quality, level):
            common = {
                "backbone": label,
                "arm": arm,
                "train_seed": train_seed,
                "epoch": epoch,
                "extractor/probe": quality,
            }
            painter = {"size_px": 192, "variant": "default", "seed": 0}
            return [
                {
                    **common,
                    "content": pair[0],
                    "style": pair[1],
                    **painter,
                    "style_weight": weight,
                    "judge/style": level + shift + base[pair] + random.normal(0, sd),
                    "judge/content": content + random.normal(0, 0.01),
                }
                for pair in pairs
                for weight, content, shift in WEIGHTS
            ]

        rows = []
        for train_seed in range(seeds):
            own = random.normal(0, 0.02)
            for epoch, quality in STAGES:
                level = -0.1 + own + effect * (quality - 0.1) / 0.5 + random.normal(0, sd)
                rows += paint(f"a{train_seed}-{epoch:g}", "trained", train_seed, epoch, quality, level)
            if train_seed < 3:
                level = -0.1 + own + 0.8 * effect + noisy + random.normal(0, sd)
                rows += paint(f"n{train_seed}", "noise", train_seed, 20.0, 0.5, level)
        return rows

    return rows_of


@pytest.fixture
def study_folder(tmp_path, simulate):
    """A folder with the results.csv of a simulated study."""
    write_csv(tmp_path / "study" / "results.csv", simulate())
    return tmp_path / "study"
