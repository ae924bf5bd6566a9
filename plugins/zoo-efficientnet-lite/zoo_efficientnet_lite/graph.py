"""Builds a variant in the active backend from its converted model, at any size, with any weights that fit."""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import keras

from zoo.contracts import Weights
from zoo.errors import UsageError, WeightsError
from zoo_efficientnet_lite.cache import converted_model
from zoo_efficientnet_lite.tensors import assign_tensors
from zoo_efficientnet_lite.torch_legacy import read_tensors
from zoo_efficientnet_lite.variants import variant_named

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.contracts import KerasModel, WeightsChoice
    from zoo_efficientnet_lite.variants import Variant

MIN_SIZE = 32
WEIGHTS = "model.weights.h5"
KERNELS = ("kernel_initializer", "depthwise_initializer")
ZEROS: dict[str, Any] = {"module": "keras.initializers", "class_name": "Zeros", "config": {}, "registered_name": None}


def build_variant(name: str, *, size: int, weights: WeightsChoice) -> KerasModel:
    """A member of the family without its top.

    Args:
        name: Name of the backbone.
        size: Side of the pictures in pixels, at least 32.
        weights: The declared weights, a file of the user's (`.pth` in torch's legacy format, `.keras` or
            `.weights.h5` of this same graph), or None for random ones.

    Returns:
        A functional model of stock layers: float32 (batch, size, size, 3), RGB 0–255, to (batch, ⌈size / 32⌉,
        ⌈size / 32⌉, 1280).

    Raises:
        UsageError: If the size is too small.
        WeightsError: If the weights cannot be had or do not fit.
    """
    variant = variant_named(name)
    if size < MIN_SIZE:
        raise UsageError(f"{name} cannot be built for pictures of {size} pixels.", hint=f"The least is {MIN_SIZE}.")
    if isinstance(weights, Weights) and weights.sha256 != variant.sha256:
        raise WeightsError(
            f"The weights {weights.id!r} with the SHA-256 {weights.sha256} are not those of {name}.",
            hint=f"It has {variant.weights.id!r} only; or give the path of a file.",
        )
    archive = converted_model(variant)
    config = _at_size(_config(archive), size)
    if weights is None:
        return keras.Model.from_config(config)
    model = _zero_model(config)
    if isinstance(weights, Weights):
        _load_converted(model, archive)
    elif weights.suffix == ".pth":
        assign_tensors(model, read_tensors(_content(weights), origin=str(weights)), variant, origin=str(weights))
    else:
        _load_keras_file(model, weights, variant)
    return model


def _config(archive: Path) -> dict[str, Any]:
    """The graph's description in a `.keras` file."""
    with zipfile.ZipFile(archive) as members:
        config: dict[str, Any] = json.loads(members.read("config.json"))["config"]
    return config


def _at_size(config: dict[str, Any], size: int) -> dict[str, Any]:
    """The same graph for pictures of another size, in Keras' present precision. Changes `config`.

    The weights were trained with TensorFlow's `SAME` padding, which puts the odd row of an even side at the end. So
    the padding before each convolution of stride 2 depends on the side that arrives there.
    """
    side, policy = size, keras.config.dtype_policy().name
    layers = config["layers"]
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if policy != "float32" and layer["class_name"] != "InputLayer":
            layer["config"]["dtype"] = policy
        layer.pop("build_config", None)  # holds shapes of the old size; Keras builds each layer as it calls it
        if layer["class_name"] == "InputLayer":
            layer["config"]["batch_shape"] = [None, size, size, 3]
        elif layer["class_name"] == "ZeroPadding2D":
            half = following["config"]["kernel_size"][0] // 2
            before = half - 1 + side % 2
            layer["config"]["padding"] = [[before, half], [before, half]]
            side = (side + 1) // 2
    return config


def _zero_model(config: dict[str, Any]) -> KerasModel:
    """The graph with zeros for kernels, which are about to be loaded. Changes `config`.

    Random kernels would be compiled for each shape by JAX, which takes 30 s. The layers know their true initialisers.
    """
    initialisers = {}
    for layer in config["layers"]:
        for key in KERNELS:
            if key in layer["config"]:
                initialisers[layer["name"], key] = layer["config"][key]
                layer["config"][key] = ZEROS
    model = keras.Model.from_config(config)
    for (name, key), initialiser in initialisers.items():
        setattr(model.get_layer(name), key, keras.initializers.get(initialiser))
    return model


def _load_converted(model: KerasModel, archive: Path) -> None:
    """Loads the weights of a converted model: from a plain file, since out of an archive it takes twice as long."""
    with (
        contextlib.suppress(OSError),  # no folder for temporary files that can be written, or a full one
        tempfile.TemporaryDirectory(prefix="zoo-weights-", ignore_cleanup_errors=True) as folder,
        zipfile.ZipFile(archive) as members,
    ):
        model.load_weights(members.extract(WEIGHTS, folder))
        return
    model.load_weights(archive)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"The weights cannot be read: {path} ({error.strerror or error}).", hint="Check the path."
        ) from error


def _load_keras_file(model: KerasModel, path: Path, variant: Variant) -> None:
    """Loads a file of the user's by structure. Nothing in it is run: only its arrays are read.

    Raises:
        WeightsError: If it is missing, of another kind, damaged, or of another graph.
    """
    if not path.name.endswith((".keras", ".weights.h5")):
        raise WeightsError(
            f"The kind of the file is not known: {path}.",
            hint="Give a .pth (torch's legacy format), a .keras or a .weights.h5 file.",
        )
    try:
        held = _count_weights(path)
        if held == len(model.weights):
            model.load_weights(path)
            return
    except Exception as error:  # h5py, zipfile and Keras raise errors of any kind for a damaged file
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise WeightsError(
            f"{path} cannot be loaded into {variant.name}: {reason}",
            hint=f"Give a file that was saved from {variant.name} of this plugin, without a head.",
        ) from error
    raise WeightsError(
        f"{path} holds {held} arrays of weights; {variant.name} without a head has {len(model.weights)}.",
        hint=f"Give a file that was saved from {variant.name} of this plugin, without a head.",
    )


def _count_weights(path: Path) -> int:
    """Number of arrays of layers in a file of Keras, states of random generators not counted."""
    names: list[str] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name.startswith("layers/") and "/seed_generator/" not in name:
            names.append(name)

    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as members, members.open(WEIGHTS) as member, h5py.File(member) as file:
            file.visititems(visit)
    else:
        with h5py.File(path) as file:
            file.visititems(visit)
    return len(names)
