"""Features of several depths: the backbone's output and means over earlier blocks, those that matter chosen.

What: the linear layer sees the pooled feature map and, beside it, the mean of each channel of up to `stages` earlier
blocks, evenly spread. Where the backbone is fixed, a group lasso over all of these tells how much each feature counts;
for several shares of the features, those that count most are kept, a regularised logistic regression is solved on
them, and the share and the regularisation with the least validation loss stay. Weights of features that were left out
are exactly 0. Where blocks are open, it is trained by steps on all features.

When: the pictures are unlike those that the backbone was trained on, so that what distinguishes them (texture,
scratches) is seen better half-way up than at the top.

It differs from Head2Toe in two ways: features are standardised instead of scaled to norm 1, and feature maps are
averaged to one number for each channel instead of to a small grid.

Reference: Evci, Dumoulin, Larochelle, Mozer, "Head2Toe: Utilizing Intermediate Representations for Better Transfer
Learning", 2022, arXiv:2201.03529.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.builtin import _feature_shape, _pooling
from zoo.contracts import Head, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasModel

SHARES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Of the features; those that count most are kept. The last keeps all."""
STRENGTH = 0.05
"""Of the group lasso, as a share of the strength that leaves nothing."""


def taps(blocks: int, *, stages: int = 8, dropout: float = 0.0) -> tuple[int, ...]:  # noqa: ARG001 - of build
    """Indices of the blocks that are looked at beside the top one: as evenly spread as possible, the lowest first.

    Args:
        blocks: Number of blocks of the backbone.
        stages: Most blocks that are looked at.
        dropout: Used by `build` alone.
    """
    below = blocks - 1
    count = min(stages, below)
    return tuple(round((index + 1) * below / count) - 1 for index in range(count))


def build(
    feature_shape: tuple[tuple[int | None, ...], ...],
    classes: int,
    *,
    stages: int = 8,  # noqa: ARG001 - of taps
    dropout: float = 0.0,
) -> KerasModel:
    """Feature map and vectors to float32 logits, whatever the global precision.

    Args:
        feature_shape: Shape of the map (height, width, channels), or (channels,), then (channels,) for each tap.
        classes: Number of logits, at least 2.
        stages: Used by `taps` alone.
        dropout: Share of the features that training by steps drops, in [0, 1); 0 builds no dropout.

    Raises:
        ContractError: If features or classes are none that a head can be built on.
    """
    import keras

    _feature_shape.check(feature_shape[0], classes, head="multi-stage")
    entries = [keras.Input(shape, name=f"head_features_{index}") for index, shape in enumerate(feature_shape)]
    top = _pooling.mean(entries[0])
    x = keras.layers.Concatenate(name="head_stages")([*entries[1:], top]) if len(entries) > 1 else top
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(entries, logits, name="head")


def solve(
    inputs: Any,  # noqa: ANN401 - NumPy arrays, which the contract names
    targets: Any,  # noqa: ANN401 - as above
    validation_inputs: Any,  # noqa: ANN401 - as above
    validation_labels: Any,  # noqa: ANN401 - as above
    *,
    stages: int = 8,  # noqa: ARG001 - of taps
    dropout: float = 0.0,  # noqa: ARG001 - of build
) -> Any:  # noqa: ANN401 - as above
    """Kernel and bias of the linear layer; shapes as in `Head.solve`.

    Args:
        inputs: Features of training pictures.
        targets: Their targets.
        validation_inputs: Features of validation pictures.
        validation_labels: Their labels.
        stages: Used by `taps` alone.
        dropout: Used by `build` alone.
    """
    import numpy as np

    from zoo import logistic

    scale = logistic.Scale.of(inputs.astype(np.float64))
    features, known = scale.apply(inputs.astype(np.float64)), scale.apply(validation_inputs.astype(np.float64))
    wanted = targets.astype(np.float64)
    relevance = np.linalg.norm(logistic.group_lasso(features, wanted, strength=STRENGTH).kernel, axis=1)
    ranking = np.argsort(-relevance, kind="stable")
    best, kernel, bias = np.inf, np.zeros((features.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
    for share in SHARES:
        kept = np.sort(ranking[: max(1, round(share * len(ranking)))])
        solutions = logistic.path(features[:, kept], wanted)
        solution, loss = logistic.best_of(solutions, known[:, kept], validation_labels)
        if loss < best:
            best, kernel, bias = loss, np.zeros_like(kernel), solution.bias
            kernel[kept] = solution.kernel
    folded = scale.fold(logistic.Linear(kernel, bias))
    return folded.kernel.astype(np.float32), folded.bias.astype(np.float32)


@hookimpl
def zoo_heads() -> list[Head]:
    """The head `multi-stage`."""
    options = (
        Option("stages", 8, "Most blocks, evenly spread, that are looked at beside the top one.", 1, 64),
        Option("dropout", 0.0, "Share of the features that training by steps drops.", 0, 0.9),
    )
    title = "features of several depths, the useful ones chosen by a group lasso, one linear layer"
    return [Head(name="multi-stage", title=title, build=build, options=options, solve=solve, taps=taps)]
