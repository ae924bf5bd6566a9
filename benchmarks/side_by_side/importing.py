"""A process that imports what every run needs and does nothing with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from side_by_side.work import Work


def run(work: Work) -> dict[str, Any]:
    """Imports Keras, TensorFlow and the plugins."""
    from zoo.backend import require_keras
    from zoo.plugins import load_catalog

    require_keras()
    load_catalog()
    return {"imported": time.time() - work.started}
