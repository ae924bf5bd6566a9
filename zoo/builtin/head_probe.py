"""Linear probe: logistic regression on the pooled features, solved exactly, regularised as validation says.

What: where the backbone is fixed (`freeze-all`, `bn-stats`, the first phase of `lp-ft`, `fine-tune` and `gradual`) the
head is not trained by steps. L-BFGS finds the best weights for each of 15 strengths of L2 regularisation, from 10 to
10⁻⁶, and the one with the least validation loss is kept (weaker
ones are not tried once the loss has risen three times). There is no learning rate and no number of epochs to choose.
Where blocks of the backbone are open, it is trained by steps like `gap` without dropout.

When: to see what the features are worth, quickly and without tuning; with few pictures for each class, where a head
that is trained by steps fits noise. Validation chooses its regularisation, so its validation score is a little too
good, as that of every best epoch is; the test score is not.

Reference: Alain & Bengio, "Understanding intermediate layers using linear classifier probes", 2016, arXiv:1610.01644;
the protocol (L-BFGS, regularisation chosen on validation) is that of Radford et al. 2021, arXiv:2103.00020, appendix A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.builtin import _feature_shape, _pooling
from zoo.contracts import Head, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasModel


def build(feature_shape: tuple[int | None, ...], classes: int, *, l2: float = 0.0) -> KerasModel:  # noqa: ARG001 - of solve
    """Features to float32 logits, whatever the global precision.

    Args:
        feature_shape: (height, width, channels), sides may be None; or (channels,), which is not pooled.
        classes: Number of logits, at least 2.
        l2: Used by `solve` alone.

    Raises:
        ContractError: If features or classes are none that a head can be built on.
    """
    import keras

    _feature_shape.check(feature_shape, classes, head="probe")
    features = keras.Input(feature_shape, name="head_features")
    x = _pooling.mean(features)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(features, logits, name="head")


def solve(inputs: Any, targets: Any, validation_inputs: Any, validation_labels: Any, *, l2: float = 0.0) -> Any:  # noqa: ANN401 - NumPy arrays, which the contract names
    """Kernel and bias of the linear layer; shapes as in `Head.solve`.

    Args:
        inputs: Pooled features of training pictures.
        targets: Their targets.
        validation_inputs: Pooled features of validation pictures.
        validation_labels: Their labels.
        l2: Weight of half the squared norm of the kernel for standardised features; 0 lets validation choose it.
    """
    import numpy as np

    from zoo import logistic

    scale = logistic.Scale.of(inputs.astype(np.float64))
    penalties = (*(one for one in logistic.PENALTIES if one > l2), l2) if l2 else logistic.PENALTIES
    solutions = logistic.path(scale.apply(inputs.astype(np.float64)), targets.astype(np.float64), penalties)
    if l2:
        *_, solution = solutions
    else:
        solution, _ = logistic.best_of(solutions, scale.apply(validation_inputs.astype(np.float64)), validation_labels)
    folded = scale.fold(solution)
    return folded.kernel.astype(np.float32), folded.bias.astype(np.float32)


@hookimpl
def zoo_heads() -> list[Head]:
    """The head `probe`."""
    l2 = Option("l2", 0.0, "Strength of L2 regularisation on standardised features; 0 lets validation choose.", 0)
    title = "linear probe: logistic regression, solved exactly, regularised as validation says"
    return [Head(name="probe", title=title, build=build, options=(l2,), solve=solve)]
