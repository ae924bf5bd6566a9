"""Files that are the first one with other weights, and where a file has each weight."""

from __future__ import annotations

import json
import re
import zipfile
from types import SimpleNamespace
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


@pytest.mark.parametrize("how", ["assets", "large", "chunks", "elsewhere"])
def test_where_a_file_cannot_be_put_together_keras_writes(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A file that is very large, holds more than weights, or has them elsewhere is Keras' own, and read again."""
    model, own = bench.build(bench.recipe()).assembly.deliverable(), template.template_of
    if how == "large":
        monkeypatch.setattr(template, "LARGE", 10)

    cut = template._cut

    def elsewhere(content: bytes, names: Any, starts: Any, *rest: Any) -> Any:
        return cut(content, names, [None if how == "chunks" else 0] * len(starts), *rest)

    def changed(draft: Path, *rest: Any) -> Any:
        if how == "assets":
            with zipfile.ZipFile(draft, "a") as archive:
                archive.writestr("assets/words.txt", "a")
        return own(draft, *rest)

    if how in {"chunks", "elsewhere"}:
        monkeypatch.setattr(template, "_cut", elsewhere)
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


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("weight", "The saved model has another '{kernel}' than the trained one"),
        ("gap", "draft-model.keras holds something else than was written"),
        ("graph", "draft-model.keras was written and cannot be read again: Bad CRC"),
        ("end", "draft-model.keras was written and cannot be read again: File is not a zip file"),
    ],
)
def test_a_file_that_is_not_what_was_written_is_refused(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, words: str
) -> None:
    """One other bit in a weight, between them or in the graph, or a missing end: an error, and the old file stays."""
    model = bench.build(bench.recipe()).assembly.deliverable()
    writer, own, kernel = Delivery(model), zipfile.ZipFile, model.weights[0]
    writer.write(tmp_path, bench.pixels, accept)
    first = (tmp_path / "model.keras").read_bytes()
    wanted = {"weight": value_of(kernel).tobytes(), "gap": b"TREE", "graph": b'"class_name"'}

    def opened(path: Any, mode: str = "r") -> Any:
        if mode == "r":
            content = path.read_bytes()
            at = content.index(wanted[how]) if how in wanted else len(content) - 30
            path.write_bytes(content[:at] + (b"" if how == "end" else bytes([content[at] ^ 1]) + content[at + 1 :]))
        return own(path, mode)

    monkeypatch.setattr(zipfile, "ZipFile", opened)
    with pytest.raises(TrainingError, match=re.escape(words.format(kernel=kernel.path))):
        writer.write(tmp_path, bench.pixels, accept)
    assert (tmp_path / "model.keras").read_bytes() == first


@pytest.mark.parametrize("how", ["moved", "more", "type"])
def test_a_template_is_for_the_weights_that_it_was_made_of(bench: Bench, tmp_path: Path, how: str) -> None:
    """Where a model has its weights in another order, more of them, or of another type, nothing is filled."""
    model = bench.build(bench.recipe()).assembly.deliverable()
    writer = Delivery(model)
    writer.write(tmp_path, bench.pixels, accept)
    made, weights = writer._template, list(model.weights)
    assert made is not None
    at, gamma = next((at, one) for at, one in enumerate(weights) if one.path.endswith("gamma"))
    if how == "moved":
        weights[at], weights[at + 1] = weights[at + 1], weights[at]
    elif how == "more":
        weights.append(gamma)
    else:
        weights[at] = SimpleNamespace(path=gamma.path, shape=gamma.shape, dtype="float16")
    assert made.fill(SimpleNamespace(weights=weights), tmp_path) is None


class Scaling(keras.layers.Layer):
    """A layer that does not name its weight."""

    def build(self, shape: Any) -> None:
        """One number for each channel."""
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs: Any) -> Any:
        """Scales channels."""
        return inputs * self.factor


def test_weights_without_names_and_random_layers_have_a_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras numbers such weights anew in a loaded model; what else a random layer keeps does not stand in the way."""
    monkeypatch.setitem(keras.saving.get_custom_objects(), "Scaling", Scaling)
    entry = keras.Input((8, 8, 3))
    made = keras.layers.Dropout(0.3)(keras.layers.Conv2D(4, 3)(entry))
    made = keras.layers.GlobalAveragePooling2D()(Scaling()(Scaling()(made)))
    model = keras.Model(entry, keras.layers.Dense(2)(made))
    draft = artefact.write_draft(model, tmp_path)
    again = artefact.load_draft(draft, model)
    assert [one.path for one in again.weights] != [one.path for one in model.weights]
    found = template.template_of(draft, model, again)
    assert found is not None
    moved(model, 4)
    assert found.fill(model, tmp_path) == draft
    again = artefact.load_draft(draft, model)
    assert [value_of(one).tobytes() for one in again.weights] == [value_of(one).tobytes() for one in model.weights]


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
    by_numbers = template._by_numbers(artefact.load_draft(draft, model), model, tmp_path)
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
