"""Weights from a file of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import WeightsError
from zoo_efficientnet_lite.released import released_file
from zoo_efficientnet_lite.variants import VARIANTS, Variant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def refuse(build: Callable[..., Any], lite0: Variant) -> Callable[[Path], WeightsError]:
    """Loads a file that must be refused; gives the error, once the file is seen to be untouched."""

    def attempt(path: Path) -> WeightsError:
        before = path.read_bytes() if path.is_file() else None
        with pytest.raises(WeightsError) as caught:
            build(lite0.name, size=32, weights=path)
        assert (path.read_bytes() if path.is_file() else None) == before
        assert str(path) in caught.value.message
        return caught.value

    return attempt


@pytest.mark.parametrize("name", ["mine.keras", "mine.weights.h5", "[bold]é.v2.keras"])
def test_a_file_of_keras_is_loaded(
    build: Callable[..., Any], untrained: Any, lite0: Variant, tmp_path: Path, name: str
) -> None:
    """A model or weights that were saved from the same graph come back bit for bit, at any size."""
    path = tmp_path / name
    untrained.save_weights(path) if name.endswith(".h5") else untrained.save(path)
    model = build(lite0.name, size=48, weights=path)
    assert model.input_shape == (None, 48, 48, 3)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), untrained.get_weights(), strict=True))


def test_a_file_of_torch_is_loaded(build: Callable[..., Any], pretrained: Any, lite0: Variant, tmp_path: Path) -> None:
    """A state dict in torch's legacy format gives what the released weights give."""
    path = tmp_path / "mine.pth"
    path.write_bytes(released_file(lite0).read_bytes())
    model = build(lite0.name, size=32, weights=path)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), pretrained.get_weights(), strict=True))


def test_the_state_dict_of_another_member_is_refused(refuse: Callable[[Path], WeightsError]) -> None:
    """A .pth of lite1 does not fit lite0, and the first tensor that does not is named."""
    error = refuse(released_file(VARIANTS[1]))
    assert error.message.endswith(
        "holds '_blocks.3._depthwise_conv.weight' of shape (144, 1, 3, 3); efficientnet-lite0 needs (144, 1, 5, 5)."
    )
    assert error.hint.startswith("Give a state dict of efficientnet-lite0")


def test_another_file_of_torch_is_refused(
    refuse: Callable[[Path], WeightsError], legacy_file: Any, tmp_path: Path
) -> None:
    """A legacy file with other tensors, a damaged one, and none at all."""
    path = tmp_path / "mine.pth"
    assert "cannot be read" in refuse(path).message
    path.write_bytes(bytes(legacy_file()))
    assert "does not hold '_conv_stem.weight'" in refuse(path).message
    path.write_bytes(bytes(legacy_file())[:-1])
    assert "is damaged" in refuse(path).message


def test_a_model_with_a_head_is_refused(refuse: Callable[[Path], WeightsError], untrained: Any, tmp_path: Path) -> None:
    """Pitfall 102: a file with top for a model without says how many arrays are too many, and what to give."""
    import keras

    pooled = keras.layers.GlobalAveragePooling2D()(untrained.output)
    headed = keras.Model(untrained.input, keras.layers.Dense(5)(pooled))
    for name in ("headed.keras", "headed.weights.h5"):
        path = tmp_path / name
        headed.save(path) if name.endswith(".keras") else headed.save_weights(path)
        error = refuse(path)
        assert "holds 247 arrays of weights; efficientnet-lite0 without a head has 245" in error.message
        assert error.hint == "Give a file that was saved from efficientnet-lite0 of this plugin, without a head."


def test_as_many_arrays_of_other_shapes_are_refused(
    refuse: Callable[[Path], WeightsError], untrained: Any, tmp_path: Path
) -> None:
    """A graph of equal length but other widths is refused with Keras' reason."""
    import keras

    def wider(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name == "top_conv":
            config["filters"] = 64
        return type(layer).from_config(config)

    path = tmp_path / "wider.keras"
    keras.models.clone_model(untrained, clone_function=wider).save(path)
    assert "cannot be loaded into efficientnet-lite0" in refuse(path).message


@pytest.mark.parametrize("name", ["mine.keras", "mine.weights.h5"])
def test_pitfall_103_a_damaged_file_of_keras_is_refused(
    refuse: Callable[[Path], WeightsError], untrained: Any, tmp_path: Path, name: str
) -> None:
    """Missing, empty, foreign and truncated files give a message with the path, and stay as they are."""
    path = tmp_path / name
    assert "cannot be loaded" in refuse(path).message
    for content in (b"", b"PK\x03\x04 and no more", b"\x89HDF\r\n\x1a\n and no more"):
        path.write_bytes(content)
        assert "cannot be loaded" in refuse(path).message
    untrained.save(path) if name.endswith(".keras") else untrained.save_weights(path)
    path.write_bytes(path.read_bytes()[:-5000])
    assert "cannot be loaded" in refuse(path).message


def test_a_file_of_unknown_kind_is_refused(refuse: Callable[[Path], WeightsError], tmp_path: Path) -> None:
    """The kinds that can be read are listed."""
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"onnx")
    error = refuse(path)
    assert "The kind of the file is not known" in error.message
    assert ".keras or a .weights.h5" in error.hint
