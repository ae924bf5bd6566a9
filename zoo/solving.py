"""Heads that are solved instead of trained by steps, where the backbone is fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.errors import ContractError, DivergedError
from zoo.forward import forward

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer, KerasModel
    from zoo.prefix import Features
    from zoo.stepping import Solver, Task

    Array = np.ndarray[Any, Any]

LOGITS = "logits"


def solve_head(task: Task, solve: Solver, *, label_smoothing: float) -> tuple[float, float]:
    """Puts the solution into the head's last layer.

    With augmentation it is found on as many augmented versions of each training picture as the phase has epochs: what
    training by steps would have seen.

    Args:
        task: The phase; it opens no block.
        solve: `Head.solve` with its options.
        label_smoothing: Share of the targets that is spread over all classes, in [0, 1).

    Returns:
        Mean loss on these targets, in nats, and accuracy, both on training pictures in inference mode.

    Raises:
        ContractError: If the head has no fitting last layer, or `solve` gives something else than it promises.
        DivergedError: If the solution is not finite.
    """
    head = task.assembly.head
    layer = last_layer(head)
    entrance = _entrance(task, layer)
    inputs, targets = _training(task, entrance)
    smoothed = targets * (1 - label_smoothing) + label_smoothing / task.classes
    known = _through(entrance, task.known())
    kernel, bias = _parts(solve(inputs, smoothed, known, task.validation.labels))
    if kernel.shape != tuple(layer.kernel.shape) or bias.shape != tuple(layer.bias.shape):
        raise ContractError(
            f"The head's solve() gave shapes {kernel.shape} and {bias.shape} for weights of shapes "
            f"{tuple(layer.kernel.shape)} and {tuple(layer.bias.shape)}.",
            hint="Tell its author.",
        )
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        error = DivergedError("The head's solution is not finite.", hint="Check the features, or take the head gap.")
        error.learning_rate = 0.0
        raise error
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    scores = inputs @ kernel + bias
    scores = scores - scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    right = scores.argmax(axis=1) == targets.argmax(axis=1)
    return float(-(smoothed * logs).sum(axis=1).mean()), float(right.mean())


def _entrance(task: Task, layer: KerasLayer) -> KerasModel | None:
    """From what the tail takes to what the last layer takes; None if that is the same."""
    head, front = task.assembly.head, task.assembly.front(task.assembly.boundary(task.phase))
    begins = head.inputs if front is None else front.outputs
    if len(begins) == 1 and begins[0] is layer.input:
        return None
    # One input that is given as a list of one makes Keras warn of the structure of every batch.
    return keras.Model(begins if len(begins) > 1 else begins[0], layer.input)


def _parts(solution: object) -> tuple[Array, Array]:
    try:
        kernel, bias = (np.asarray(part, dtype=np.float32) for part in solution)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"The head's solve() gave a {type(solution).__name__} that is no pair of kernel and bias: {error}.",
            hint="Tell its author.",
        ) from error
    return kernel, bias


def last_layer(head: KerasModel) -> KerasLayer:
    """The `Dense` layer of a head that is solved.

    Raises:
        ContractError: If there is none with that name, or the head has other weights that could be trained.
    """
    layer = next((one for one in head.layers if one.name == LOGITS), None)
    fits = isinstance(layer, keras.layers.Dense) and layer.use_bias
    if layer is None or not fits or len(head.trainable_weights) != len(layer.weights):
        raise ContractError(
            f"A head that is solved ends in a Dense layer {LOGITS!r} with a bias and has no other trained weights; "
            f"this one has the layers {', '.join(one.name for one in head.layers)}.",
            hint="Tell its author.",
        )
    return layer


def _training(task: Task, entrance: KerasModel | None) -> tuple[Array, Array]:
    """What the last layer gets for the training pictures, augmented or not, and their targets."""
    batch = 32
    inputs, mixed = [], []
    versions = task.phase.epochs if task.augment.layers else 1
    for number in range(min(versions, task.views) if task.views else versions):
        learner, targets = task.learner_in(number)
        if learner is not None:
            inputs.append(_through(entrance, learner))
            mixed.append(targets)
            continue
        for start in range(0, len(targets), batch):
            rows = np.arange(start, min(start + batch, len(targets)))
            tensors, some = task.batch(None, rows, targets)
            inputs.append(tensors[0] if entrance is None else forward(entrance, tensors)[0])
            mixed.append(some)
    return np.concatenate(inputs).astype(np.float32), np.concatenate(mixed)


def _through(entrance: KerasModel | None, features: Features) -> Array:
    """float32 (n, width)."""
    rows = np.arange(len(features))
    parts = [features.take(rows[start : start + 256]) for start in range(0, len(rows), 256)]
    inputs = [tensors[0] if entrance is None else forward(entrance, tensors)[0] for tensors in parts]
    return np.concatenate(inputs).astype(np.float32)
