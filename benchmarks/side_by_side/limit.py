"""The least that frozen rows can cost: import, decode once, build, trace and predict once for each backbone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from side_by_side.network import backbone_of, size_of
from side_by_side.pictures import read_split

if TYPE_CHECKING:
    from side_by_side.work import Work


def run(work: Work) -> dict[str, Any]:
    """Runs every backbone once over training and validation pictures; seconds of each part of it."""
    from zoo.backend import require_keras

    require_keras()
    from zoo.forward import forward
    from zoo.pixels import load_pixels
    from zoo.plugins import load_catalog
    from zoo.values import ImageTable, Picture

    catalog, split = load_catalog(), read_split(work)
    parts = {"import": time.time() - work.started, "decode": 0.0, "build": 0.0, "trace and predict": 0.0}

    def timed(part: str, began: float) -> None:
        parts[part] += time.perf_counter() - began

    files = [*split["train"], *split["validation"]]
    table = ImageTable(
        location=work.data,
        classes=tuple(split["classes"]),
        pictures=tuple(
            Picture(id=f"{place}/{Path(path).name}", label=label, path=path)
            for place, (path, label) in enumerate(files)
        ),
    )
    pixels: dict[int, Any] = {}
    for name in work.backbones:
        size, began = size_of(name, catalog), time.perf_counter()
        if size not in pixels:
            pixels[size] = load_pixels(table, range(len(files)), size=size)
        timed("decode", began)
        began = time.perf_counter()
        backbone = backbone_of(name, catalog)
        timed("build", began)
        began = time.perf_counter()
        forward(backbone, [pixels[size]])
        timed("trace and predict", began)
    return {"parts": parts}
