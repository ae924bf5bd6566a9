"""What the statistics of pretrained networks say of real photos, as they are and changed: thresholds come from here.

For each data set, backbone and change it prints the shift (`zoo.shift`) over 128 pictures, and what a linear probe and
the nearest neighbours tell of 96 of them with stored statistics and with those of batches of 32.

    python benchmarks/diagnosis/statistics_fit.py FOLDER … [-b NAME …] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from evidence.photos import choose
from evidence.shifts import GRADES

from zoo.backend import clean_state, require_keras
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    Array = np.ndarray[Any, Any]

PICTURES, PROBED = 128, 96
BATCHES = (2, 4, 8, 16, 32)
CHOSEN = ("none", "blur:1", "blur:2", "noise:2", "contrast:2", "grey:1", "thermal:2", "drawing:2")


def conditions(pictures: Array) -> Iterator[tuple[str, Array]]:
    """Names and pictures: right ones, changed ones, and some that were divided by 255 before the network does it."""
    for shift in GRADES:
        name = f"{shift.name}:{shift.grade}" if shift.grade else shift.name
        if name in CHOSEN:
            yield name, np.stack([shift.change(picture, number) for number, picture in enumerate(pictures)])
    yield "/255", pictures.astype(np.float32) / np.float32(255)


def row(model: Any, pictures: Array, labels: Array, *, sizes: tuple[int, ...]) -> dict[str, Any]:  # noqa: ANN401 - a Keras model
    """What is measured of one condition."""
    from zoo.moments import batch_features, measure
    from zoo.shift import shift_of
    from zoo.transferability import log_me, neighbour_hits, probe

    found = measure(model, pictures)
    shift = shift_of(found.layers)
    halves = [shift_of(found.layers, rows) for rows in (np.arange(0, 128, 2), np.arange(16))]
    order = np.random.default_rng(0).permutation(len(pictures))[:PROBED]
    result: dict[str, Any] = {
        "mean_shift": shift.mean_shift,
        "log_ratio": shift.log_ratio,
        "divergence": shift.divergence,
        "divergence_64": halves[0].divergence,
        "divergence_16": halves[1].divergence,
        "layers": [round(layer.typical_divergence, 4) for layer in shift.layers],
        "log_ratios": [round(layer.log_ratio, 3) for layer in shift.layers],
        "dead": [layer.dead for layer in found.layers],
        "saturated": [layer.saturated for layer in found.layers],
    }
    features = {"stored": found.features[order]}
    for size in sizes:
        features[f"batch {size}"] = batch_features(model, pictures, rows=order, batch_size=size)
    for name, values in features.items():
        if np.isfinite(values).all():
            result[name] = {
                "probe": float(probe(values, labels[order]).hits.mean()),
                "neighbours": float(neighbour_hits(values, labels[order]).mean()),
                "log_me": log_me(values, labels[order]),
            }
    return result


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("-b", "--backbone", action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    require_keras()
    catalog = load_catalog()
    rows: list[dict[str, Any]] = []
    for name in options.backbone or ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]:
        record = catalog.backbone(name)
        with clean_state(0):
            model = record.build(size=record.image_size, weights=record.weights[0])
        for folder in options.data:
            photos = choose(folder, size=record.image_size, train=PICTURES, validation=1)
            for condition, pictures in conditions(photos.pixels["train"]):
                sizes = BATCHES if condition in {"none", "/255"} else BATCHES[-1:]
                found = row(model, pictures, photos.labels["train"], sizes=sizes)
                rows.append({"backbone": name, "data": photos.name, "condition": condition, **found})
                probes = "  ".join(
                    f"{key} {value['probe']:.2f}/{value['neighbours']:.2f}/{value['log_me']:+.3f}"
                    for key, value in found.items()
                    if isinstance(value, dict)
                )
                say(
                    f"{name:20} {photos.name:10} {condition:10} shift {found['mean_shift']:.3f} "
                    f"log ratio {found['log_ratio']:.3f} divergence {found['divergence']:.4f} "
                    f"({found['divergence_64']:.4f}, {found['divergence_16']:.4f})  {probes}",
                )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
