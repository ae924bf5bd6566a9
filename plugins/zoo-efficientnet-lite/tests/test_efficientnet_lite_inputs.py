"""Wrong inputs are named with the released weights on real photos; the rates are measured in `benchmarks/diagnosis`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from zoo import decoding
from zoo.readings import check

PICTURES = 40


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """Photos of rubbish on a light ground, uint8 (40, 224, 224, 3), or a skip that says so."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "data" / "trashnet"
    if not folder.is_dir():
        pytest.skip(f"The real photos are not there: {folder}")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    step = len(paths) // PICTURES
    return np.stack([decoding.resize(decoding.decode(path), 224) for path in paths[::step][:PICTURES]])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda x: x, None),
        (lambda x: x[..., ::-1], "swapped"),
        (lambda x: 255 - x, "inverted"),
        (lambda x: x // 255, "rescaled-twice"),
        (lambda x: np.repeat(x[..., 1:2], 3, axis=3), "grey"),
    ],
)
def test_wrong_photos_are_named(pretrained: Any, photos: np.ndarray, change: Any, cause: str | None) -> None:
    """Right ones are left alone, and of each wrong kind there is no doubt."""
    found = check(pretrained, change(photos))
    assert (None if found is None else found.cause) == cause
    assert found is None or found.sure


@pytest.mark.parametrize(("factor", "cause"), [(1 / 255, "rescaled-twice"), (None, "not-rescaled")])
def test_wrong_graphs_are_named(pretrained: Any, photos: np.ndarray, factor: float | None, cause: str) -> None:
    """The photos are right, and the network has a rescaling too many or too few."""

    def made(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Rescaling):
            config |= {"scale": 1.0, "offset": 0.0} if factor is None else {"scale": config["scale"] * factor}
        return type(layer).from_config(config)

    copy = keras.models.clone_model(pretrained, clone_function=made)
    copy.set_weights(pretrained.get_weights())
    found = check(copy, photos)
    assert found is not None
    assert (found.cause, found.sure) == (cause, True)
