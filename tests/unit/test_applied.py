"""Adam in one operation takes the steps of Keras' own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.applied import AppliedAdam
from zoo.forward import value_of
from zoo.kernels import computes_on_cpu
from zoo.optimiser import optimiser_of

if TYPE_CHECKING:
    from conftest import Bench

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the operation is TensorFlow's")
on_cpu = pytest.mark.skipif(not computes_on_cpu(), reason="it is taken on CPUs")

STEPS = 12


def walked(optimiser: Any, *, traced: bool, size: float = 1.0) -> list[np.ndarray]:
    """Weights, and what the optimiser keeps, after some steps on gradients of about a size."""
    draw = np.random.default_rng(2)
    shapes = [(7, 5), (3,), ()]
    found = [keras.Variable(draw.normal(size=shape), dtype="float32") for shape in shapes]
    optimiser.build(found)

    def step(*gradients: Any) -> None:
        optimiser.apply(list(gradients), found)

    call = tf.function(step, autograph=False) if traced else step
    for _ in range(STEPS):
        call(*(tf.constant(size * draw.normal(size=s), tf.float32) for s in shapes))
    return [value_of(variable) for variable in (*found, *optimiser.variables)]


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e3])
@pytest.mark.parametrize("options", [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}, {"clipnorm": 0.1}])
def test_it_takes_the_steps_of_kerass_adam(options: dict[str, Any], size: float, *, traced: bool) -> None:
    """Each number that it keeps, and how far each weight went, agree to 5e-5 after twelve steps.

    Keras takes 1 - 0.999 in double precision, the operation in single.
    """
    still = walked(AppliedAdam(0.0, **options), traced=traced, size=size)
    ours = walked(AppliedAdam(0.02, **options), traced=traced, size=size)
    theirs = walked(keras.optimizers.Adam(0.02, **options), traced=traced, size=size)
    assert len(ours) == len(theirs) == 11
    for start, one, other in zip(still[:3], ours[:3], theirs[:3], strict=True):
        assert np.abs(other - start).min() > 0
        np.testing.assert_allclose(one - start, other - start, rtol=5e-5, atol=5e-7)  # a rounding of the weight
    for one, other in zip(ours[3:], theirs[3:], strict=True):
        np.testing.assert_allclose(one, other, rtol=5e-5, atol=1e-30 if one.ndim else 0)


def test_what_the_operation_does_not_know_is_left_to_keras() -> None:
    """AMSGrad, and gradients of a few rows."""
    ours, theirs = (walked(kind(0.02, amsgrad=True), traced=False) for kind in (AppliedAdam, keras.optimizers.Adam))
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
    table = keras.Variable(np.ones((6, 2), np.float32))
    rows = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([1, 4]), dense_shape=tf.constant([6, 2]))
    optimiser = AppliedAdam(0.1)
    optimiser.build([table])
    optimiser.apply([rows], [table])
    assert value_of(table)[[1, 4]] == pytest.approx(0.9, abs=1e-4)


@on_cpu
def test_it_is_what_a_phase_gets(bench: Bench) -> None:
    """Under TensorFlow on a CPU, whether or not something is put before it."""
    built = bench.build(bench.recipe("freeze-all"))
    assert type(optimiser_of(built.assembly, built.phases[0])) is AppliedAdam
    assert isinstance(optimiser_of(built.assembly, built.phases[0], weight_decay=0.1), AppliedAdam)


def test_on_a_gpu_a_phase_gets_kerass_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was measured on CPUs only."""
    monkeypatch.setattr("zoo.optimiser.computes_on_cpu", lambda: False)
    built = bench.build(bench.recipe("freeze-all"))
    assert type(optimiser_of(built.assembly, built.phases[0])) is keras.optimizers.Adam
