"""Files that are the first one with other weights, and where a file has each weight."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo import artefact, template
from zoo import delivery as delivery_module
from zoo.artefact import load_model
from zoo.delivery import Delivery
from zoo.errors import StoreError, TrainingError
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
    assert rewritten["model.weights.h5"] == keras_wrote["model.weights.h5"]
    assert loads_as(folders[1], model)


@pytest.mark.parametrize("how", ["gone", "damaged", "another"])
def test_later_files_do_not_need_the_first(bench: Bench, tmp_path: Path, how: str) -> None:
    """Where somebody has removed, damaged or replaced the first file, the next one is right all the same."""
    model = bench.build(bench.recipe()).assembly.deliverable()
    writer, first, second = Delivery(model), tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    writer.write(first, bench.pixels, accept)
    if how == "gone":
        (first / "model.keras").unlink()
    elif how == "damaged":
        (first / "model.keras").write_bytes(b"PK no zip")
    else:
        bench.build(bench.recipe(head="mlp")).assembly.deliverable().save(first / "model.keras")
    moved(model, 3)
    writer.write(second, bench.pixels, accept)
    assert loads_as(second, model)


@pytest.mark.parametrize("how", ["assets", "large", "pieces", "overlapping"])
def test_where_a_file_cannot_be_put_together_keras_writes(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A file that is very large, holds more than weights, or has them elsewhere is Keras' own, and read again."""
    model, own = bench.build(bench.recipe()).assembly.deliverable(), template.template_of
    if how == "large":
        monkeypatch.setattr(template, "LARGE", 10)

    def changed(draft: Path, *rest: Any) -> Any:
        if how == "assets":
            with zipfile.ZipFile(draft, "a") as archive:
                archive.writestr("assets/words.txt", "a")
        if how in {"pieces", "overlapping"}:
            names = own(draft, *rest).names
            starts = [None if how == "pieces" else 0] * len(names)
            return template._cut(draft, names, starts, model) or template.Template(names)
        return own(draft, *rest)

    monkeypatch.setattr(delivery_module, "template_of", changed)
    writer, reads = Delivery(model), []
    writer.write(tmp_path, bench.pixels, accept)
    checked = delivery_module.check_draft
    monkeypatch.setattr(delivery_module, "check_draft", lambda *given: reads.append(1) or checked(*given))
    moved(model, 3)
    writer.write(tmp_path, bench.pixels, accept)
    assert reads == [1]
    assert loads_as(tmp_path, model)


def loads_as(folder: Path, model: Any) -> bool:
    """Whether plain Keras loads the weights of a model from a run's folder, bit for bit."""
    again = load_model(folder)
    return [value_of(one).tobytes() for one in again.weights] == [value_of(one).tobytes() for one in model.weights]


def test_what_the_disk_changes_is_found_and_named(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read again after it is written: one other bit of a weight, or a missing end, is an error."""
    model = bench.build(bench.recipe()).assembly.deliverable()
    writer, own = Delivery(model), zipfile.ZipFile.writestr
    writer.write(tmp_path, bench.pixels, accept)
    first = (tmp_path / "model.keras").read_bytes()
    kernel = model.weights[-2]
    damage: list[Any] = []

    def writestr(self: Any, name: Any, data: Any, *rest: Any) -> None:
        if name == artefact.WEIGHTS:
            data = damage[0](data)
        own(self, name, data, *rest)

    def flipped(data: bytes) -> bytes:
        at = data.index(value_of(kernel).tobytes())
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    monkeypatch.setattr(zipfile.ZipFile, "writestr", writestr)
    for change, named in ((flipped, kernel.path), (lambda data: data[:-1], "")):
        damage[:] = [change]
        with pytest.raises(TrainingError, match=rf"has another .*{named}"):
            writer.write(tmp_path, bench.pixels, accept)
    assert (tmp_path / "model.keras").read_bytes() == first


def test_a_full_disk_is_said(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a file that is put together."""
    writer = Delivery(bench.build(bench.recipe()).assembly.deliverable())
    writer.write(tmp_path, bench.pixels, accept)

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(StoreError, match="No space left"):
        writer.write(tmp_path, bench.pixels, accept)


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
    made = template.template_of(draft, model, None)  # needs no loaded model
    by_numbers = template._by_numbers(artefact.load_draft(draft, model), tmp_path)
    assert made is not None
    assert made.names == by_numbers
    assert len(set(made.names)) == len(model.weights) == len(made.gaps) - 1
    same = [weight for weight in model.weights if weight.shape == model.weights[1].shape]
    assert len(same) > 1
    for weight in same:
        weight.assign(value_of(model.weights[1]))
    draft = artefact.write_draft(model, tmp_path)
    again = template.template_of(draft, model, artefact.load_draft(draft, model))
    assert again is not None
    assert (again.names, again.order, again.gaps) == (made.names, made.order, made.gaps)


def test_weights_of_a_kind_that_hdf5_does_not_know(bench: Bench, tmp_path: Path) -> None:
    """A layer whose author keeps its weights in bfloat16 is written by Keras each time, and loads as it was."""
    entry = keras.Input(bench.pixels.shape[1:])
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, dtype="bfloat16")(entry))
    model = keras.Model(entry, keras.layers.Dense(2, activation="softmax", dtype="float32")(pooled))
    writer = Delivery(model)
    for number in range(2):
        moved(model, number + 1)
        writer.write(tmp_path, bench.pixels, accept)
        assert loads_as(tmp_path, model)
