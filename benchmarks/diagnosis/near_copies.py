"""How many labelled near-copies whitened descriptors find, and how many pairs they name besides.

    python benchmarks/diagnosis/near_copies.py --data FOLDER --pairs FILE.tsv [--backbone efficientnet-lite0:size=160]

The file has the columns `kind`, `file_a` and `file_b`, with names below the folder. For each threshold: the share of
labelled pairs of every kind that are at least as alike, and the number of other pairs that are.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from zoo import nearness
from zoo.dataset import load_table
from zoo.health import scan
from zoo.pixels import load_pixels
from zoo.plugins import load_catalog

THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def main() -> None:
    """Prints a table for each kind of descriptor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--backbone", default="efficientnet-lite0:size=160")
    asked = parser.parse_args()
    catalog = load_catalog()
    table = scan(load_table(asked.data, catalog)).table
    place = {picture.id: index for index, picture in enumerate(table.pictures)}
    with asked.pairs.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if {row["file_a"], row["file_b"]} <= set(place)]
    labelled = {tuple(sorted((place[row["file_a"]], place[row["file_b"]]))): row["kind"] for row in rows}
    pixels = load_pixels(table, range(len(table)), size=160)
    tables = {
        "thumbnails": nearness.thumbnail_table(pixels),
        "features": nearness.feature_table(_features(asked.backbone, table.classes, pixels))[0],
    }
    for name, cosines in tables.items():
        sys.stdout.write(f"{name} of {len(table):,} pictures\n")
        for threshold in THRESHOLDS:
            near = {(int(a), int(b)) for a, b in zip(*np.nonzero(np.triu(cosines >= threshold, 1)), strict=True)}
            kinds = sorted(set(labelled.values()))
            told = [
                f"{kind} {sum(pair in near for pair, its in labelled.items() if its == kind)}/"
                f"{sum(its == kind for its in labelled.values())}"
                for kind in kinds
            ]
            sys.stdout.write(f"  {threshold:.2f}  {', '.join(told)}, others {len(near - set(labelled))}\n")


def _features(backbone: str, classes: tuple[str, ...], pixels: np.ndarray) -> np.ndarray:
    from zoo.backend import require_keras

    require_keras()
    from zoo.building import build
    from zoo.forward import forward
    from zoo.lineup import combinations
    from zoo.values import Recipe

    catalog = load_catalog()
    body, head, policy, none = combinations(catalog, [backbone], ["gap"], ["freeze-all"], ["none"])[0]
    recipe = Recipe(backbone=body, head=head, policy=policy, augmentation=none, data="", split="", classes=classes)
    assembly = build(recipe, catalog).assembly
    size = int(body.values()["size"])
    if size != pixels.shape[1]:
        raise SystemExit(f"The pictures are {pixels.shape[1]} px; give the backbone with size={pixels.shape[1]}.")
    pooled: np.ndarray = forward(assembly.prefix(len(assembly.blocks)), [pixels])[0].mean(axis=(1, 2))
    return pooled


if __name__ == "__main__":
    main()
