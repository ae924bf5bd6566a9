"""How far a delivered model may be from what the network said in training."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zoo import backend, proof
from zoo.errors import ReceiptError

SAID = np.array([[0.6, 0.4], [0.3, 0.7]], np.float32)


def off_by(difference: float) -> Any:
    """The probabilities with one class moved."""
    moved = SAID.copy()
    moved[0] += (difference, -difference)
    return moved


def test_rounding_of_float32_passes_and_more_is_an_error() -> None:
    """On a CPU a thousandth is the limit."""
    proof.check_delivered(SAID, off_by(0.0009))
    with pytest.raises(ReceiptError, match=r"0\.0020 away"):
        proof.check_delivered(SAID, off_by(0.002))


def test_accelerators_that_round_products_may_differ_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFloat-32 keeps ten bits, and which kernel is taken depends on the batch; a broken layer is still found."""
    monkeypatch.setattr(proof, "rounds_products", lambda: True)
    proof.check_delivered(SAID, off_by(0.002))
    with pytest.raises(ReceiptError, match=r"0\.1000 away"):
        proof.check_delivered(SAID, off_by(0.1))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_rounding(value: float) -> None:
    """A comparison with NaN is false, and must not pass for that."""
    with pytest.raises(ReceiptError):
        proof.check_delivered(SAID, off_by(value), precision="bfloat16")


def test_a_cpu_rounds_no_products() -> None:
    """Without an accelerator float32 means float32."""
    assert backend.rounds_products() is False


@pytest.mark.parametrize(("setting", "rounds"), [("float32", False), ("highest", False), (None, True), ("high", True)])
def test_jax_says_by_its_setting(monkeypatch: pytest.MonkeyPatch, setting: str | None, *, rounds: bool) -> None:
    """On a GPU under JAX the default rounds, and two settings do not."""
    keras = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "jax"))
    jax = SimpleNamespace(config=SimpleNamespace(jax_default_matmul_precision=setting))
    monkeypatch.setattr(backend, "is_accelerated", lambda: True)
    monkeypatch.setattr(backend, "require_keras", lambda: keras)
    monkeypatch.setitem(sys.modules, "jax", jax)
    assert backend.rounds_products() is rounds


@pytest.mark.parametrize(
    ("convolutions", "products", "rounds"), [(True, "highest", True), (False, "highest", False), (False, "high", True)]
)
def test_torch_says_by_its_settings(
    monkeypatch: pytest.MonkeyPatch, *, convolutions: bool, products: str, rounds: bool
) -> None:
    """On a GPU torch's convolutions round by default, and matrix products if asked to."""
    keras = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "torch"))
    torch = SimpleNamespace(
        backends=SimpleNamespace(cudnn=SimpleNamespace(allow_tf32=convolutions)),
        get_float32_matmul_precision=lambda: products,
    )
    monkeypatch.setattr(backend, "is_accelerated", lambda: True)
    monkeypatch.setattr(backend, "require_keras", lambda: keras)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert backend.rounds_products() is rounds
