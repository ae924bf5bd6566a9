"""Builds a variant with keras_cv, gives it the released weights, and saves it as a model of stock Keras layers.

`keras_cv` imports TensorFlow under every backend and is no longer developed. So it works in a process of its own,
once; what it leaves behind loads with plain Keras on any backend:

    python -m zoo_efficientnet_lite.convert lite0 --out efficientnet-lite0.keras
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import WeightsError, ZooError
from zoo_efficientnet_lite.variants import REPEATS, VARIANTS, Variant

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer, KerasModel

CONVERTER = 1
"""Version of this conversion: counted up whenever its result changes, which puts cached results out of use."""

DROP_RATE = 0.2
"""Rate of the drop layer that a unit after the last one would have; it rises linearly from 0 (Tan and Le 2019)."""


def main(arguments: list[str] | None = None) -> int:
    """Converts one variant; the command line of this module.

    Returns:
        0, or the exit code of the error that is printed.
    """
    prefix = "efficientnet-"
    parser = argparse.ArgumentParser(prog="python -m zoo_efficientnet_lite.convert", description=__doc__)
    parser.add_argument("variant", choices=[variant.name.removeprefix(prefix) for variant in VARIANTS])
    parser.add_argument("--out", type=Path, required=True, help="the .keras file to write")
    parsed = parser.parse_args(arguments)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        convert(next(v for v in VARIANTS if v.name == prefix + parsed.variant), parsed.out)
    except ZooError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent process shows it
        return error.exit_code
    return 0


def convert(variant: Variant, out: Path) -> None:
    """Writes the flat model of a variant with its released weights, whole or not at all.

    Args:
        variant: Which member of the family.
        out: A `.keras` file; replaced if it exists.

    Raises:
        WeightsError: If the released weights are missing, damaged or do not fit what keras_cv builds.
    """
    from zoo_efficientnet_lite.released import released_tensors
    from zoo_efficientnet_lite.tensors import assign_tensors

    model = flat_model(variant)
    assign_tensors(model, released_tensors(variant), variant, origin=f"The released file of {variant.name}")
    unfinished = out.with_name(f"{out.stem}.{os.getpid()}.unfinished.keras")
    try:
        model.save(unfinished)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def flat_model(variant: Variant) -> KerasModel:
    """The graph of a variant at its own size, random weights, stock layers only, pixels 0–255 in.

    Raises:
        WeightsError: If keras_cv built something else than the family's graph.
    """
    import keras
    import keras_cv

    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")
    backbone = keras_cv.models.EfficientNetLiteBackbone(
        include_rescaling=True,
        input_shape=(variant.image_size, variant.image_size, 3),
        width_coefficient=variant.width,
        depth_coefficient=variant.depth,
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=list(REPEATS),
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        # keras_cv divides by the units before scaling, which would let the deeper variants drop more.
        drop_connect_rate=DROP_RATE * sum(REPEATS) / len(variant.units),
    )
    flat = keras.models.clone_model(
        keras.Model(backbone.input, backbone.output),
        input_tensors=keras.Input((variant.image_size, variant.image_size, 3), name="image"),
        clone_function=_stock_layer,
    )
    _check_graph(flat, variant)
    return keras.Model(flat.input, flat.output, name=variant.name)


def _stock_layer(layer: KerasLayer) -> KerasLayer:
    """A layer anew; the one for pixels with what the weights were trained on instead of keras_cv's 0 to 1."""
    import keras

    if isinstance(layer, keras.layers.Rescaling):
        return keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")
    return type(layer).from_config(layer.get_config())


def _check_graph(model: KerasModel, variant: Variant) -> None:
    """Raises if keras_cv has come to build other layers than those that the blocks and the tensors are named for."""
    foreign = sorted(layer.name for layer in model.layers if not type(layer).__module__.startswith("keras.src."))
    units = list(dict.fromkeys(layer.name.partition("_")[0] for layer in model.layers if layer.weights))
    if foreign or units != ["stem", *variant.units, "top"]:
        raise WeightsError(
            f"keras_cv does not build {variant.name} as it should: "
            f"foreign layers {foreign or 'none'}, units {', '.join(units)}.",
            hint="Install the release of keras-cv that this plugin was made for: pip install 'keras-cv>=0.9,<1'",
        )


if __name__ == "__main__":
    sys.exit(main())
