"""The model that leaves the library, written for each run of a network and tried as a whole with the first.

Whether plain Keras loads the file, and whether the whole graph says what its two parts said in training, depends on the
graph and not on the values in it. So both are tried with the first run of a network. Of every file all weights are read
again, and must be those of the trained network, bit for bit.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artefact import check_draft, graph_of, load_draft, publish, write_draft
from zoo.evaluation import predict
from zoo.events import Stage, ignore
from zoo.forward import BATCH, value_of
from zoo.kernels import computes_on_cpu
from zoo.template import Template, template_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.contracts import KerasModel
    from zoo.events import Observer

    Array = np.ndarray[Any, Any]

TRIED, FEW = 3 * BATCH, 8
"""Most validation pictures that a whole network is run on; where its backbone has been timed before, a few."""


class Delivery:
    """How the runs of one network are written.

    Args:
        model: Raw pictures 0–255 in, probabilities out.
        milliseconds_per_image: What another network with the same backbone took, if it is known: heads hardly count.

    Attributes:
        milliseconds_per_image: What the whole network takes for a picture; known after the first run, or told before
            it by who has run its backbone.
    """

    def __init__(self, model: KerasModel, milliseconds_per_image: float = 0.0) -> None:
        self._model = model
        self._graph = b""
        self._text = ""
        self._template: Template | None = None
        self.milliseconds_per_image = milliseconds_per_image

    def write(
        self, folder: Path, pixels: Array, check: Callable[[Array, Array], None], observe: Observer = ignore
    ) -> None:
        """Writes `model.keras` and proves that it is the trained network.

        Args:
            folder: Of the run.
            pixels: uint8 (n, size, size, channels), validation pictures.
            check: Called with row numbers and float32 (rows, classes), what the loaded model says of some of these
                pictures; raises if it is not what the network said in training.
            observe: Told when the file is tried as a whole.

        Raises:
            TrainingError: If the file cannot be loaded again with equal weights.
            StoreError: If the folder cannot be written.
        """
        draft = self._filled(folder)
        if draft is None:
            draft = write_draft(self._model, folder)
            if self._template is not None and graph_of(draft) == self._graph:
                check_draft(draft, self._model, self._template.names)
            else:
                observe(Stage("trying the saved model"))
                self._try_whole(draft, pixels, check)
        publish(draft, folder)

    def _filled(self, folder: Path) -> Path | None:
        """A draft with the first file's graph and other weights, read again; None where it cannot be had that way."""
        if self._template is None or self._model.to_json() != self._text:
            return None
        return self._template.fill(self._model, folder)

    def _try_whole(self, draft: Path, pixels: Array, check: Callable[[Array, Array], None]) -> None:
        self._template = None
        again = load_draft(draft, self._model)
        import keras

        timed = bool(self.milliseconds_per_image) and keras.backend.backend() != "jax"
        most = FEW if timed else TRIED
        rows = np.unique(np.linspace(0, len(pixels) - 1, min(most, len(pixels))).astype(np.int64))
        if timed or computes_on_cpu():  # as plain Keras computes it; without tracing, which takes longer than a few
            few = rows[np.linspace(0, len(rows) - 1, min(FEW, len(rows))).astype(np.int64)]
            check(few, value_of(again(pixels[few].astype(np.float32), training=False)))
        if not timed:
            predicted = predict(again, pixels[rows])
            check(rows, predicted.probabilities)
            if len(rows) <= BATCH:  # the only pass was the one that traced the graph
                predicted = predict(again, pixels[rows])
            self.milliseconds_per_image = predicted.milliseconds_per_image
        self._graph, self._text = graph_of(draft), self._model.to_json()
        with contextlib.suppress(OSError):  # of a full disk: the file is proved, and the next one is Keras' again
            self._template = template_of(draft, self._model, again)
