"""Predictions of a delivered model, and what they cost."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import DivergedError
from zoo.forward import BATCH, batches, forward_batch

if TYPE_CHECKING:
    from zoo.contracts import KerasModel


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of pictures, in their order.

    Attributes:
        probabilities: float32 (n, classes); rows sum to 1.
        milliseconds_per_image: Median over full batches (all batches if none but the first is full), model only.
    """

    probabilities: np.ndarray[Any, Any] = field(repr=False)
    milliseconds_per_image: float


def predict(model: KerasModel, pixels: np.ndarray[Any, Any]) -> Predictions:
    """Runs a delivered model over pictures, batch by batch.

    Args:
        model: Raw pictures 0–255 in, probabilities out.
        pixels: uint8 (n, size, size, channels), n ≥ 1.

    Raises:
        DivergedError: If a probability is not finite.
    """
    parts, seconds = [], []
    for rows in batches(len(pixels)):
        began = time.perf_counter()
        parts.append(forward_batch(model, [pixels[rows]])[0])
        seconds.append(time.perf_counter() - began)
    probabilities = np.concatenate(parts)
    if not np.isfinite(probabilities).all():
        bad = int(np.argmin(np.isfinite(probabilities).all(axis=1)))
        raise DivergedError(
            f"The model predicts a probability that is not finite (first for picture {bad}).",
            hint="Lower the learning rate.",
        )
    # The first call traces the graph; a short batch is filled up, so every pass costs the same.
    timed = seconds[1:] or seconds
    return Predictions(probabilities, 1000 * statistics.median(timed) / BATCH)
