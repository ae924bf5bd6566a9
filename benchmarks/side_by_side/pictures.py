"""The same pictures for all: a folder, a subset of it, and the split that the library makes, as lists of files."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from side_by_side.work import Work

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}


def draw_demo(folder: Path, images: int) -> Path:
    """The made-up pictures of the source `demo`, as files in one folder for each class."""
    from PIL import Image

    from zoo.dataset import load_table
    from zoo.plugins import load_catalog

    table = load_table(f"demo:images={images}", load_catalog(only=[]))
    for name in table.classes:
        (folder / name).mkdir(parents=True)
    for picture in table.pictures:
        if picture.pixels is None:
            raise TypeError(f"{picture.id} of the demo is no array")
        Image.fromarray(picture.pixels).save(folder / f"{picture.id}.png")
    return folder


def draw_subset(data: Path, folder: Path, images: int) -> Path:
    """Copies a random part of a folder, the same in every run, with as large a share of each class as in the whole."""
    draw = random.Random(0)  # noqa: S311 - pictures, no secrets
    classes = {
        place: sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
        for place in sorted(data.iterdir())
        if place.is_dir()
    }
    total = sum(len(files) for files in classes.values())
    for files in classes.values():
        for path in draw.sample(files, min(len(files), max(4, round(images * len(files) / max(1, total))))):
            target = folder / path.relative_to(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return folder


def prepare(work: Work) -> dict[str, Any]:
    """Splits the pictures as `zoo.compare` does, and makes sure that nothing is read or converted for the first time.

    A file that TensorFlow cannot decode and Pillow can is written anew as PNG for the others: a person would have done
    that once. All weights are loaded once, which brings them, and TensorFlow, into the cache of the file system.
    """
    from side_by_side.network import backbone_of
    from zoo.backend import require_keras
    from zoo.dataset import prepare as split
    from zoo.plugins import load_catalog

    keras = require_keras()
    catalog = load_catalog()
    dataset = split(Path(work.data), catalog)
    folder = Path(work.folder)
    sides: dict[str, list[tuple[str, int]]] = {}
    converted = 0
    for part in ("train", "validation"):
        sides[part] = []
        for index in dataset.indices(part):
            picture = dataset.report.table.pictures[index]
            path = Path(str(picture.path))
            if keras.backend.backend() == "tensorflow" and not _decodes(path):
                path = _as_png(path, folder / "converted" / f"{index}.png")
                converted += 1
            sides[part].append((str(path), picture.label))
    for name in work.backbones:
        backbone_of(name, catalog)
    found = {
        "classes": list(dataset.classes),
        "train": sides["train"],
        "validation": sides["validation"],
    }
    Path(work.split).write_text(json.dumps(found), encoding="utf-8")
    counts = {part: len(files) for part, files in sides.items()}
    return {
        "pictures": {**counts, "test": len(dataset.split.test), "classes": len(dataset.classes)},
        "as_png": converted,
    }


def read_split(work: Work) -> dict[str, Any]:
    """What `prepare` wrote: `classes`, and (path, label) of `train` and `validation`."""
    found: dict[str, Any] = json.loads(Path(work.split).read_text(encoding="utf-8"))
    return found


def _decodes(path: Path) -> bool:
    import tensorflow as tf

    try:
        tf.io.decode_image(path.read_bytes(), channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError:
        return False
    return True


def _as_png(path: Path, target: Path) -> Path:
    from PIL import Image

    from zoo.decoding import decode

    target.parent.mkdir(exist_ok=True)
    Image.fromarray(decode(path)).save(target)
    return target
