"""Tries the training options on one Keras backend and prints, as JSON, what was seen.

Run as a program: KERAS_BACKEND=… python options_child.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
from PIL import Image
from policy_child import TinyPlugin, pictures, rising

import zoo
from zoo.backend import clean_state
from zoo.building import build
from zoo.contracts import Phase
from zoo.forward import value_of
from zoo.optimiser import WeightRule, _keras_kind, blockwise
from zoo.plugins import load_catalog
from zoo.prefix import FeatureCache
from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy
from zoo.training import train
from zoo.values import Optimiser, Recipe, Side

CATALOG = load_catalog(only=[], extra=[TinyPlugin])
BLOCKWISE = Phase(
    name="p", epochs=3, learning_rate=0.01, open_blocks=4, drop_layers=False, backbone_rate=0.5, layer_decay=0.5
)


def recipe(policy: str = "freeze-all", **changes: Any) -> Recipe:
    """Over the tiny backbone, without dropout in the head."""
    plain = Recipe(
        backbone=complete_backbone(CATALOG, "tiny"),
        head=complete_head(CATALOG, "gap:dropout=0.0"),
        policy=complete_policy(CATALOG, policy),
        augmentation=complete_augmentation(CATALOG, "none"),
        data="d",
        split="s",
        classes=("a", "b"),
        epochs=3,
        learning_rate=0.01,
    )
    return replace(plain, **changes)


def trained(what: Recipe, phases: tuple[Phase, ...] | None = None) -> tuple[list[np.ndarray], Any]:
    """All weights after a training in which the last epoch is kept, and what it told."""
    pixels, labels = pictures(16)
    sides = (Side(pixels, labels, "train"), Side(pixels[:16], labels[:16], "validation"))
    with clean_state(0):
        built = build(what, CATALOG)
        done = train(built.assembly, phases or built.phases, what, sides=sides, cache=FeatureCache(), judge=rising())
        return [value_of(weight.variable) for weight in built.assembly.weights], done


def accumulation() -> dict[str, Any]:
    """The largest difference that 4 batches of 8 pictures make to one of 32, for some optimisers and phases."""
    far = {}
    for name, phases in (("adam", None), ("lion", None), ("sgd", (BLOCKWISE,))):
        large, of_large = trained(recipe(batch_size=32, optimiser=name), phases)
        small, of_small = trained(recipe(batch_size=8, accumulate=4, optimiser=name), phases)
        far[f"{name} {'blockwise' if phases else 'head'}"] = {
            "weights": max(float(np.abs(one - other).max()) for one, other in zip(large, small, strict=True)),
            "loss": max(abs(a.loss - b.loss) for a, b in zip(of_large.history, of_small.history, strict=True)),
            "steps": [of_large.steps, of_small.steps],
        }
    return far


def _steps(optimiser: Any, found: list[Any], count: int) -> list[list[np.ndarray]]:
    """Values of weights after each step with made-up gradients."""
    optimiser.build(found)
    seen = []
    for step in range(count):
        slopes = [np.array([0.3, -0.1, 5.0], np.float32) * (step + 1), np.array([[-0.2 + step]], np.float32)]
        optimiser.apply([keras.ops.convert_to_tensor(slope) for slope in slopes], found)
        seen.append([value_of(variable) for variable in found])
    return seen


def _weights() -> list[Any]:
    return [keras.Variable(np.array([1.0, -2.0, 3.0], np.float32)), keras.Variable(np.array([[0.5]], np.float32))]


def optimisers() -> dict[str, Any]:
    """For each optimiser: how far a factor of 0.1, a decay and an average are from what they should be."""
    far = {}
    for name in get_args(Optimiser):
        kind, options = _keras_kind(name)
        plain = _steps(kind(0.01, **options), _weights(), 3)
        found = _weights()
        start = value_of(found[0])
        tenth = _steps(blockwise(kind)(0.01, rules={id(found[0]): WeightRule(factor=0.1)}, **options), found, 3)
        found = _weights()
        decayed = _steps(blockwise(kind)(0.01, rules={id(found[0]): WeightRule(decay=0.5)}, **options), found, 1)
        found = _weights()
        keeps = blockwise(kind)(0.01, rules={}, ema=0.5, **options)
        path = _steps(keeps, found, 6)
        average = start.astype(np.float64)
        for step, (value, _) in enumerate(path, start=1):
            decay = min(0.5, (1 + step) / (10 + step))
            average = decay * average + (1 - decay) * value
        far[name] = {
            "factor": float(np.abs((tenth[-1][0] - start) - 0.1 * (plain[-1][0] - start)).max()),
            "other": float(np.abs(tenth[-1][1] - plain[-1][1]).max()),
            "decay": float(np.abs(decayed[0][0] - (plain[0][0] - 0.01 * 0.5 * start)).max()),
            "average": float(np.abs(value_of(keeps.averages()[0]) - average).max()),
        }
    return far


def photos() -> Path:
    """Two classes of pictures that a tiny network can learn."""
    folder = Path(tempfile.mkdtemp()) / "photos"
    draw = np.random.default_rng(1)
    for label, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            pixels = draw.normal(90 + 70 * label, 40, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")
    return folder


def fitted(folder: Path, **options: Any) -> dict[str, Any]:
    """A whole run: what its saved model computes in, and how far its predictions are from those that were scored."""
    from zoo.store import Store

    keras.config.set_dtype_policy("mixed_bfloat16")  # the person's own
    store = tempfile.mkdtemp()
    quick: dict[str, Any] = {"backbone": "tiny", "epochs": 2, "batch_size": 8, "catalog": CATALOG}
    run = zoo.fit(folder, **{**quick, **options}, store=store, observe=lambda _: None)
    after = keras.config.dtype_policy().name
    keras.config.set_dtype_policy("float32")
    with Store(store) as opened:
        kept = opened.load_predictions(run.id, "validation")
    again = [run.predict(folder / name)[0] for name in kept.ids]
    rows = np.array([[one.probabilities[name] for name in run.classes] for one in again])
    bodies = {layer.compute_dtype for layer in run.model.layers if type(layer).__name__.endswith("Conv2D")}
    tested = run.range_test
    return {
        "status": run.status,
        "losses": [epoch.loss for epoch in run.history],
        "verdict": run.receipt.verdict if run.receipt else "",
        "convolutions": sorted(bodies),
        "output": str(run.model.output.dtype),
        "weights": sorted({str(weight.dtype) for weight in run.model.weights}),
        "head": run.model.get_layer("head").output.dtype,
        "difference": float(np.abs(rows - kept.probabilities).max()),
        "policy after": after,
        "rates": [epoch.learning_rate for epoch in run.history],
        "tested": None if tested is None else [len(tested.rates), tested.chosen],
    }


def main() -> None:
    """Everything, as one line of JSON."""
    folder = photos()
    every = {"ema": 0.9, "accumulate": 2, "policy": "auto-rgn", "weight_decay": 0.01, "learning_rate": "auto"}
    seen = {
        "accumulation": accumulation(),
        "optimisers": optimisers(),
        "runs": {
            "bfloat16": fitted(folder, precision="bfloat16", policy="bn-trainable"),
            "float16": fitted(folder, precision="float16", policy="unfreeze-top-k:k=2,bn=adapting"),
            "all options": fitted(folder, precision="float16", optimiser="sgd", schedule="one-cycle", **every),
        },
    }
    sys.stdout.write(f"{json.dumps(seen)}\n")


if __name__ == "__main__":
    main()
