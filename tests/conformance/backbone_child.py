"""Checks backbones on one Keras backend with random weights, saves them, and prints what it found as JSON lines.

Run as a program: KERAS_BACKEND=… python backbone_child.py FOLDER NAME… ; a name with `+` is also trained for a step.
"""

from __future__ import annotations

import contextlib
import fnmatch
import gc
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.assembly import assemble
from zoo.forward import value_of
from zoo.plugins import load_catalog
from zoo.testing import check_backbone

if TYPE_CHECKING:
    from zoo.assembly import Assembly
    from zoo.contracts import Backbone, Phase, Policy

EPOCHS = 6
CATALOG = load_catalog()


def features(model: Any, pictures: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Features in inference mode."""
    return np.asarray(keras.ops.convert_to_numpy(model(pictures, training=False)))


def built(backbone: Backbone) -> Any:
    """The network of a seed, at its least size; other layers are made before, as in a process that does more."""
    keras.layers.Conv2D(1, 1)
    keras.layers.Activation("relu")
    keras.utils.set_random_seed(3)
    return backbone.build(size=backbone.min_size, weights=None)


def names(model: Any) -> list[str]:
    """Every name that may leave the process: of operations, and of weights with their paths."""
    return [operation.name for operation in model.operations] + [weight.path for weight in model.weights]


def with_head(backbone: Backbone, model: Any) -> Assembly:
    """The network with a head for two classes."""
    head = keras.Sequential([keras.Input(model.output.shape[1:]), keras.layers.GlobalAveragePooling2D()])
    head.add(keras.layers.Dense(2, name="logits"))
    return assemble(model, head, backbone.blocks_for({}), name=backbone.name)


def adapters(leaf: Any) -> tuple[Any, ...]:
    """The two variables that are trained in place of a kernel that has two sides to factor; none for other layers."""
    layers = keras.layers
    if not isinstance(leaf, (layers.Dense, layers.EinsumDense, layers.Conv1D, layers.Conv2D, layers.Conv3D)):
        return ()
    return (leaf.lora_kernel_a, leaf.lora_kernel_b) if leaf.lora_enabled else (leaf.kernel,)


def declared_open(backbone: Backbone, assembly: Assembly, phase: Phase) -> set[int]:
    """Ids of the variables that a phase opens, told from layer names and the patterns of blocks alone.

    Called while it is open: only then kernels have adapters. One that lacks them is expected itself, and not found.
    """
    blocks = list(backbone.blocks_for({}))
    opened = blocks[max(0, len(blocks) - phase.open_blocks) :]
    found = {id(variable) for variable in assembly.model.get_layer(index=-1).trainable_variables}
    for layer in assembly.model.layers[:-1]:
        if not any(fnmatch.fnmatchcase(layer.name, pattern) for block in opened for pattern in block.layers):
            continue
        for leaf in layer._flatten_layers():
            norm = isinstance(leaf, keras.layers.BatchNormalization)
            if phase.open_weights == "low-rank":
                found |= {id(variable) for variable in adapters(leaf)}
                continue
            for variable in leaf._trainable_variables:
                role = {"all": True, "batch-norm": norm, "bias": variable.name == ("beta" if norm else "bias")}
                if role[phase.open_weights]:
                    found.add(id(variable))
    return found


def wrongly_opened(backbone: Backbone, assembly: Assembly, policy: Policy) -> list[str]:
    """Phases whose trainable variables are not those that the phase declares."""
    options = {option.name: option.default for option in policy.options}
    wrong = []
    for phase in policy.plan(len(assembly.blocks), EPOCHS, **options):
        with assembly.opened(phase) as tail:
            trainable = {id(variable) for variable in tail.trainable_variables}
            expected = declared_open(backbone, assembly, phase)
        if trainable != expected:
            wrong.append(f"{phase.name}: {len(trainable)} open, declared {len(expected)}")
    return wrong


def stepped(backbone: Backbone, assembly: Assembly, pixels: np.ndarray[Any, Any], spec: str) -> dict[str, int]:
    """One step of training under a policy: how many weights moved that must not, and how many moved that may."""
    name, _, k = spec.partition(":k=")
    policy = CATALOG.policy(name)
    options = {option.name: option.default for option in policy.options} | ({"k": int(k)} if k else {})
    (phase,) = policy.plan(len(assembly.blocks), 1, **options)
    before = [value_of(weight.variable) for weight in assembly.weights]
    tensors = pixels.astype("float32")
    for part in assembly.path(assembly.boundary(phase)):
        tensors = part(tensors, training=False)
    with assembly.opened(phase) as tail:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        tail.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
        tail.train_on_batch(tensors, np.arange(len(pixels)) % 2)
    moved = [
        old.tobytes() != value_of(weight.variable).tobytes()
        for weight, old in zip(assembly.weights, before, strict=True)
    ]
    may = [assembly.is_open(weight, phase) for weight in assembly.weights]
    body = [weight.block < len(assembly.blocks) for weight in assembly.weights]
    return {
        "stray": sum(went and not allowed for went, allowed in zip(moved, may, strict=True)),
        "moved in the backbone": sum(went and inner for went, inner in zip(moved, body, strict=True)),
        "open in the backbone": sum(allowed and inner for allowed, inner in zip(may, body, strict=True)),
    }


def examine(name: str, folder: Path, *, trains: bool) -> dict[str, Any]:
    """What is found out about one backbone; its network and features are left in the folder for `reload_child.py`."""
    began = time.perf_counter()
    backbone = CATALOG.backbone(name)
    first = built(backbone)
    first_names, first_weights = names(first), [value_of(weight).tobytes() for weight in first.weights]
    count = first.count_params()
    del first
    model = built(backbone)
    pixels = np.random.default_rng(0).integers(0, 256, (3, *model.input.shape[1:]), dtype=np.uint8)
    found = features(model, pixels)
    row = {
        "name": name,
        "same names": names(model) == first_names,
        "same weights": [value_of(weight).tobytes() for weight in model.weights] == first_weights,
        "parameters": count,
        "declared parameters": backbone.parameters,
        "dimensions": found.ndim,
        "finite": bool(np.isfinite(found).all()),
        "depends on the picture": bool(np.abs(found[0] - found[1]).max() > 0),
        "bytes as floats": float(np.abs(features(model, pixels.astype("float32")) - found).max()),
        "blocks": len(backbone.blocks_for({})),
    }
    np.savez(folder / f"{name}.npz", pixels=pixels, features=found)
    model.save(folder / f"{name}.keras")
    assembly = with_head(backbone, model)
    del first_weights
    wrong = {policy: wrongly_opened(backbone, assembly, CATALOG.policy(policy)) for policy in CATALOG.names("policy")}
    row["wrongly opened"] = {policy: phases for policy, phases in wrong.items() if phases}
    if trains:
        row["steps"] = {spec: stepped(backbone, assembly, pixels, spec) for spec in ("bn-affine", "unfreeze-top-k:k=2")}
    del model, assembly
    gc.collect()
    check_backbone(backbone)
    row["seconds"] = round(time.perf_counter() - began, 1)
    return row


def main(folder: Path, specs: list[str]) -> None:
    """One line of JSON for each backbone; what fails says so in its line."""
    for spec in specs:
        name = spec.rstrip("+")
        row: dict[str, Any] = {"name": name}
        try:
            row = examine(name, folder, trains=spec.endswith("+"))
        except Exception as error:  # noqa: BLE001 - the parent's test fails with this text, and the others are checked
            row["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(row), flush=True)  # noqa: T201 - the parent reads it
        gc.collect()
        with contextlib.suppress(Exception):
            keras.utils.clear_session()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
