"""What is in a file of weights, compared with the model that it should fill. Files are only read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.contracts import KerasModel

Shapes = tuple[tuple[int, ...], ...]
"""Shapes of the tensors of one layer."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_NO_LAYERS = ("optimizer", "metrics", "loss")
"""Groups of a `.weights.h5` that hold no tensors of the network."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a file: the fact, as a sentence about `it` without full stop, and the next step."""

    fact: str
    hint: str


def sniff(path: Path) -> Finding | None:
    """What a file is, told from its first bytes, if that is not HDF5; None for HDF5.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(1024)
    if head.startswith(_HDF5):
        return None
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return Finding("it is empty", "Fetch it again.")
    if text.startswith(b"version https://git-lfs"):
        return Finding("it is a Git LFS pointer, not the file itself", "Run `git lfs pull` in its repository.")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return Finding("it is a web page, not weights", "A page was saved instead of the file. Fetch it again.")
    if head.startswith(b"PK"):
        return Finding(
            "it is a zip archive, not HDF5", "Unpack it, or save the weights of a .keras model as .weights.h5."
        )
    return Finding("it is no HDF5 file", "Fetch it again, or give another file.")


def difference(path: Path, model: KerasModel, *, backbone: str) -> Finding | None:
    """How the tensors in a file differ from those of a model; None if they fit.

    The older layout is assigned by the order of layers, so that order and every shape are compared. In the newer one
    Keras looks tensors up, and ignores those that it does not want; so the shapes are counted.

    Args:
        path: An HDF5 file.
        model: Functional `keras.Model`.
        backbone: Its name, for messages.

    Raises:
        OSError, KeyError, ValueError, RuntimeError: If the file is damaged.
    """
    import h5py

    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        older = "layer_names" in root.attrs or "layer_names0" in root.attrs
        if older != (not path.name.endswith(".weights.h5")):
            return Finding(
                f"it has Keras' {'older' if older else 'newer'} layout, which its name does not say",
                f"Rename it so that it ends in {'.h5 (not .weights.h5)' if older else '.weights.h5'}.",
            )
        if older:
            return _compare_layers(_layers_in(root), _layers_of(model), backbone=backbone)
        return _compare_shapes(_shapes_in(file), Counter(tuple(weight.shape) for weight in model.weights))


def _layers_in(root: Any) -> list[tuple[str, Shapes]]:  # noqa: ANN401 - an h5py group
    layers = []
    for name in _names(root, "layer_names"):
        shapes = tuple(tuple(root[name][weight].shape) for weight in _names(root[name], "weight_names"))
        if shapes:
            layers.append((name, shapes))
    return layers


def _names(group: Any, attribute: str) -> list[str]:  # noqa: ANN401 - an h5py group
    """A list of names in the attributes; Keras cuts long ones into `name0`, `name1` and so on."""
    chunks = [group.attrs[attribute]] if attribute in group.attrs else []
    while f"{attribute}{len(chunks)}" in group.attrs:
        chunks.append(group.attrs[f"{attribute}{len(chunks)}"])
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for chunk in chunks for name in chunk]


def _layers_of(model: KerasModel) -> list[tuple[str, Shapes]]:
    return [
        (layer.name, tuple(tuple(w.shape) for w in (*layer.trainable_weights, *layer.non_trainable_weights)))
        for layer in model.layers
        if layer.weights
    ]


def _compare_layers(
    found: Sequence[tuple[str, Shapes]], wanted: Sequence[tuple[str, Shapes]], *, backbone: str
) -> Finding | None:
    for (file_name, file_shapes), (name, shapes) in zip(found, wanted, strict=False):
        if file_shapes != shapes:
            return Finding(
                f"its layer {file_name!r} has shapes {_spell(file_shapes)} where {name!r} has {_spell(shapes)}",
                f"It belongs to another network, or to {backbone!r} with other options.",
            )
    if len(found) > len(wanted):
        extra = ", ".join(repr(name) for name, _ in found[len(wanted) :])
        return Finding(
            f"it also holds {extra}; it was saved with its classification top",
            "Give the file that was saved without the top (`include_top=False`, `…_notop.h5`).",
        )
    if len(found) < len(wanted):
        return Finding(
            f"it holds {len(found)} layers with weights, needed are {len(wanted)}",
            "It belongs to another network, or holds a part of this one.",
        )
    return None


def _shapes_in(file: Any) -> Counter[tuple[int, ...]]:  # noqa: ANN401 - an h5py file
    import h5py

    shapes: Counter[tuple[int, ...]] = Counter()

    def count(name: str, item: object) -> None:
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and parts[0] not in _NO_LAYERS and "seed_generator" not in parts:
            shapes[tuple(item.shape)] += 1

    file.visititems(count)
    return shapes


def _compare_shapes(found: Counter[tuple[int, ...]], wanted: Counter[tuple[int, ...]]) -> Finding | None:
    if found == wanted:
        return None
    extra, missing = sorted((found - wanted).elements()), sorted((wanted - found).elements())
    facts = []
    if extra:
        facts.append(f"it holds {len(extra)} more tensors, such as {_spell(extra[:3])}")
    if missing:
        facts.append(f"it lacks {len(missing)} tensors, such as {_spell(missing[:3])}")
    return Finding(
        "; ".join(facts),
        "Give weights that were saved from the same network without its classification top.",
    )


def _spell(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("×".join(str(side) for side in shape) or "scalar" for shape in shapes)
