"""Wrong inputs, judged from the pass that a diagnosis makes anyway, and by the function that is there for it.

`zoo.readings.Reader` needs a function of its own, which takes as long to build as a pass of a hundred pictures, and
looks at all places of a map. This one looks on the grid of `zoo.moments`, so pictures as given do not pass once more.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.forward import BATCH
from zoo.inputs import COLOURS
from zoo.readings import Seen, changed, telling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.contracts import KerasModel
    from zoo.inputs import ReadingName
    from zoo.moments import LayerMoments, Moments, Watch

    Array = np.ndarray[Any, Any]


class SecondLooks:
    """Says what layers see of pictures under a reading; a `zoo.readings.Reads`.

    Args:
        model: Functional model whose first input takes pictures.
        watch: Of that network; has been used.
        given: What it saw of pictures, of which those that are asked about are the first ones.

    Attributes:
        passes: Pictures that have passed the network for this.
    """

    def __init__(self, model: KerasModel, watch: Watch, given: Moments) -> None:
        self.passes = 0
        self._watch = watch
        self._names = [layer.name for layer, _ in telling(model)]
        self._given = _told(given.layers, self._names)
        self._ahead: dict[tuple[ReadingName, bytes], list[Seen]] = {}

    @property
    def sees(self) -> bool:
        """Whether all layers that count were watched, and there is one."""
        return bool(self._names) and len(self._given) == len(self._names)

    def layers(self, pixels: Array) -> list[Seen]:
        """What the first and the late layers see of pictures, as `zoo.readings.Reader.layers` tells it."""
        found = _told(self._watch.measure(pixels).layers, self._names)
        return [_of(layer, np.arange(len(pixels))) for layer in found]

    def read(self, pixels: Array, rows: Array, reading: ReadingName) -> list[Seen]:
        """What the first and the late layers see of some pictures under a reading."""
        if reading == "given":
            return [_of(layer, rows) for layer in self._given]
        key = rows.tobytes()
        if (reading, key) not in self._ahead:
            # A batch of few pictures is filled up, so the other colours cost nothing where there is room for them.
            both = [reading, *(other for other in COLOURS if other != reading)] if reading in COLOURS else [reading]
            names = both[: max(1, BATCH // len(rows))]
            several = np.concatenate([changed(pixels[rows], name) for name in names])
            if reading in COLOURS:
                several = several.astype(pixels.dtype)  # the function was built for it, and whole numbers stay whole
            layers = _told(self._watch.measure(several).layers, self._names)
            for place, name in enumerate(names):
                here = np.arange(place * len(rows), (place + 1) * len(rows))
                self._ahead[name, key] = [_of(layer, here) for layer in layers]
        self.passes += len(rows)
        return self._ahead.pop((reading, key))


def _told(layers: Iterable[LayerMoments], names: list[str]) -> list[LayerMoments]:
    """The layers of these names, as far as there is just one of each: a nested model may use a name again."""
    given = list(layers)
    met = Counter(layer.name for layer in given)
    known = {layer.name: layer for layer in given if met[layer.name] == 1}
    return [known[name] for name in names if name in known]


def _of(layer: LayerMoments, rows: Array) -> Seen:
    return Seen(
        layer.name, layer.mean[rows], layer.square[rows], layer.stored_mean, layer.stored_variance, layer.epsilon
    )
