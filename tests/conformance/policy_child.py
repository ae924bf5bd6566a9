"""Trains a backbone under every policy on one Keras backend and prints, as JSON, what moved.

Run as a program: KERAS_BACKEND=… python policy_child.py BACKBONE POLICY…
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo import hookimpl, statistics
from zoo.artefact import load_model, save_model
from zoo.building import build, size_of
from zoo.forward import value_of
from zoo.plugins import load_catalog
from zoo.prefix import FeatureCache
from zoo.proof import prove
from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy
from zoo.testing import tiny_backbone
from zoo.training import train
from zoo.values import Recipe, Scores, Side

if TYPE_CHECKING:
    from collections.abc import Callable


class TinyPlugin:
    """Contributes the tiny backbone."""

    @staticmethod
    @hookimpl
    def zoo_backbones() -> list[Any]:
        """The one backbone."""
        return [tiny_backbone()]


def pictures(size: int, count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a mean far from what the statistics expect, a little brighter in class 1."""
    draw = np.random.default_rng(0)
    labels = np.arange(count) % 2
    pixels = draw.normal(200, 30, (count, size, size, 3)) + 25 * labels[:, None, None, None]
    return pixels.clip(0, 255).astype(np.uint8), labels.astype(np.int64)


def rising() -> Callable[[np.ndarray, np.ndarray], Scores]:
    """A judge to whom every epoch is better than the one before, so that the last one is kept."""
    count = itertools.count(1)
    return lambda probabilities, labels: replace(statistics.score(probabilities, labels), accuracy=next(count) / 1000)


def examine(backbone: str, spec: str) -> dict[str, Any]:
    """One policy: every weight before, after, and in the reloaded model."""
    catalog = load_catalog(extra=[TinyPlugin])
    recipe = Recipe(
        backbone=complete_backbone(catalog, backbone),
        head=complete_head(catalog, "gap:dropout=0.0"),
        policy=complete_policy(catalog, spec),
        augmentation=complete_augmentation(catalog, "none"),
        data="d",
        split="s",
        classes=("a", "b"),
        epochs=3,
        batch_size=16,
        learning_rate=0.02,
    )
    keras.utils.set_random_seed(0)
    built = build(recipe, catalog)
    assembly = built.assembly
    draw = np.random.default_rng(1)
    for weight in assembly.weights:  # away from 0 and 1, so that a change cannot hide
        if weight.block < len(assembly.blocks) and backbone == "tiny":
            weight.variable.assign(value_of(weight.variable) + draw.uniform(0.1, 0.3, weight.variable.shape))
    before = [value_of(weight.variable) for weight in assembly.weights]
    pixels, labels = pictures(size_of(recipe.backbone))
    sides = (Side(pixels, labels, "train"), Side(pixels[:16], labels[:16], "validation"))
    trained = train(assembly, built.phases, recipe, sides=sides, cache=FeatureCache(), judge=rising())
    receipt = prove(built, trained, before)
    with tempfile.TemporaryDirectory() as folder:
        model = assembly.deliverable()
        save_model(model, Path(folder))
        again = load_model(Path(folder))
        reloaded = dict(zip([w.path for w in model.weights], [value_of(w) for w in again.weights], strict=True))
        classes = sorted({f"{type(layer).__module__}.{type(layer).__name__}" for layer in again.layers})
        same = np.abs(model.predict(pixels[:8], verbose=0) - again.predict(pixels[:8], verbose=0)).max()
    weights = [
        {
            "path": weight.path,
            "block": weight.block,
            "role": weight.role,
            "size": weight.size,
            "trainable": weight.trainable,
            "moved": bool(old.tobytes() != value_of(weight.variable).tobytes()),
            "reloaded": bool(value_of(weight.variable).tobytes() == reloaded[weight.variable.path].tobytes()),
            "flag": bool(weight.layer.trainable),
        }
        for weight, old in zip(assembly.weights, before, strict=True)
    ]
    phase = built.phases[-1]  # drawing in training mode moves adapting statistics, so it comes last
    with assembly.opened(phase) as tail:
        boundary = assembly.boundary(phase)
        tensors = pixels[:16].astype("float32")
        for part in assembly.path(boundary):
            tensors = part.predict_on_batch(tensors)
        draws = [np.array(keras.ops.convert_to_numpy(tail(tensors, training=True))) for _ in range(2)]
    return {
        "policy": spec,
        "verdict": receipt.verdict,
        "drops": bool(np.abs(draws[0] - draws[1]).max() > 0),
        "boundary": boundary,
        "reload_difference": float(same),
        "classes": classes,
        "counted": trained.trainable_weights,
        "weights": weights,
    }


if __name__ == "__main__":
    print(json.dumps([examine(sys.argv[1], spec) for spec in sys.argv[2:]]))  # noqa: T201 - the parent reads it
