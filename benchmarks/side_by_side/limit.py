"""The least that frozen rows cost with stock Keras: import, decode, build, trace and predict once for each backbone.

Ours predicts faster than Keras does (`zoo.folded`). So there is a second limit, in which the pass is ours.
"""

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
    return _limit(work, folded=False)


def run_folded(work: Work) -> dict[str, Any]:
    """As `run`, with the library's own pass."""
    return _limit(work, folded=True)


def _limit(work: Work, *, folded: bool) -> dict[str, Any]:
    from zoo.backend import require_keras

    require_keras()
    import numpy as np

    from zoo.forward import BATCH, forward
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
        if folded:
            forward(backbone, [pixels[size]])
        else:
            for start in range(0, len(files), BATCH):  # each full, so that one function is traced
                backbone.predict_on_batch(np.resize(pixels[size][start : start + BATCH], (BATCH, size, size, 3)))
        timed("trace and predict", began)
    return {"parts": parts}
