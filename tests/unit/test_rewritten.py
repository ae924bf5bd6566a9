"""Files that are written as the last one with other weights, and where a file has each weight."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo import artefact
from zoo import delivery as delivery_module
from zoo.artefact import load_model
from zoo.delivery import Delivery
from zoo.forward import value_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench


def accept(rows: Any, delivered: Any) -> None:
    """Finds nothing wrong."""


def members(path: Path) -> dict[str, bytes]:
    """What a zip archive holds."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def moved(model: Any, amount: float) -> None:
    """Gives all weights of a model other values, all different."""
    draw = np.random.default_rng(int(amount))
    for weight in model.weights:
        value = value_of(weight)
        weight.assign((value + amount * draw.random(value.shape)).astype(value.dtype))


def test_a_rewritten_file_is_what_keras_would_have_written(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras writes the first file only; graph, layout and what is loaded from the second are as if it had both."""
    model, own = bench.build(bench.recipe()).assembly.deliverable(), artefact.write_draft
    writes: list[int] = []
    monkeypatch.setattr(delivery_module, "write_draft", lambda *given: writes.append(1) or own(*given))
    writer = Delivery(model)
    folders = [tmp_path / name for name in ("first", "second", "keras")]
    for folder in folders:
        folder.mkdir()
    writer.write(folders[0], bench.pixels, accept)
    moved(model, 2)
    writer.write(folders[1], bench.pixels, accept)
    assert writes == [1]
    artefact.publish(own(model, folders[2]), folders[2])
    rewritten, keras_wrote = (members(folder / "model.keras") for folder in folders[1:])
    assert list(rewritten) == list(keras_wrote)
    assert rewritten["config.json"] == keras_wrote["config.json"]
    assert set(json.loads(rewritten["metadata.json"])) == set(json.loads(keras_wrote["metadata.json"]))
    again = load_model(folders[1])
    assert [value_of(one).tobytes() for one in again.weights] == [value_of(one).tobytes() for one in model.weights]


@pytest.mark.parametrize("how", ["gone", "damaged", "assets", "large"])
def test_without_the_last_file_keras_writes(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Where the file that would be taken is gone, damaged, large or more than weights, the next one is right."""
    model = bench.build(bench.recipe()).assembly.deliverable()
    writer, first, second = Delivery(model), tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    writer.write(first, bench.pixels, accept)
    if how == "gone":
        (first / "model.keras").unlink()
    elif how == "large":
        monkeypatch.setattr(artefact, "LARGE", 10)
    elif how == "damaged":
        (first / "model.keras").write_bytes(b"PK no zip")
    else:
        with zipfile.ZipFile(first / "model.keras", "a") as archive:
            archive.writestr("assets/words.txt", "a")
    moved(model, 3)
    assert artefact.rewrite_draft(model, second, like=first / "model.keras", places=writer._places or ()) is None
    writer.write(second, bench.pixels, accept)
    again = load_model(second)
    assert [value_of(one).tobytes() for one in again.weights] == [value_of(one).tobytes() for one in model.weights]


def test_a_changed_graph_is_written_by_keras(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that is configured otherwise since the last file is in the next one, which is tried as a whole."""
    model, loads = bench.build(bench.recipe()).assembly.deliverable(), []
    own = delivery_module.load_draft
    monkeypatch.setattr(delivery_module, "load_draft", lambda *given: loads.append(1) or own(*given))
    writer = Delivery(model)
    writer.write(tmp_path, bench.pixels, accept)
    norm = next(one for one in model._flatten_layers() if isinstance(one, keras.layers.BatchNormalization))
    norm.momentum = 0.5
    writer.write(tmp_path, bench.pixels, accept)
    assert len(loads) == 2
    again = load_model(tmp_path)
    assert {one.momentum for one in again._flatten_layers() if one.name == norm.name} == {0.5}


def test_places_are_told_by_bytes_and_by_numbers_alike(bench: Bench, tmp_path: Path) -> None:
    """Where all weights differ the bytes tell; where some are equal each is numbered; both say the same."""
    model = bench.build(bench.recipe()).assembly.deliverable()
    moved(model, 5)
    draft = artefact.write_draft(model, tmp_path)
    by_bytes = artefact.places_of(draft, model, None)  # needs no loaded model
    by_numbers = artefact._numbered(artefact.load_draft(draft, model), tmp_path)
    assert by_bytes is not None
    assert by_bytes == by_numbers
    assert len(set(by_bytes)) == len(model.weights)
    same = [weight for weight in model.weights if weight.shape == model.weights[1].shape]
    assert len(same) > 1
    for weight in same:
        weight.assign(value_of(model.weights[1]))
    draft = artefact.write_draft(model, tmp_path)
    assert artefact.places_of(draft, model, artefact.load_draft(draft, model)) == by_bytes


def test_weights_of_a_kind_that_hdf5_does_not_know(bench: Bench, tmp_path: Path) -> None:
    """A layer whose author keeps its weights in bfloat16 is written by Keras each time, and loads as it was."""
    entry = keras.Input(bench.pixels.shape[1:])
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, dtype="bfloat16")(entry))
    model = keras.Model(entry, keras.layers.Dense(2, activation="softmax", dtype="float32")(pooled))
    writer = Delivery(model)
    for number in range(2):
        moved(model, number + 1)
        writer.write(tmp_path, bench.pixels, accept)
        again = load_model(tmp_path)
        assert [value_of(one).tobytes() for one in again.weights] == [value_of(one).tobytes() for one in model.weights]
