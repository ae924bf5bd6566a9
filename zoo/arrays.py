"""Pictures in NumPy's own file format (`.npy`): read without running anything that the file says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

from zoo.channels import array_fault
from zoo.folders import ARRAYS

if TYPE_CHECKING:
    import os
    from typing import IO

    from zoo.values import UInt8Array

MAX_BYTES = 3 * 178_956_970
"""Largest array that is read: as large as the largest RGB picture that is decoded."""

_VERSIONS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def is_array(path: str | os.PathLike[str]) -> bool:
    """Whether a file is named so and begins so. Another that is named so is left to Pillow.

    Raises:
        OSError: It cannot be opened.
    """
    if Path(path).suffix.lower() != ARRAYS:
        return False
    with Path(path).open("rb") as file:
        return file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX


def read(path: str | os.PathLike[str]) -> UInt8Array:
    """The array of a file: uint8 (height, width) or (height, width, channels), 1 to 16 channels.

    The header is looked at before anything of the size that it tells is allocated; pickled objects are never loaded.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such array, too large, or cut off.
    """
    with Path(path).open("rb") as file:
        shape, by_columns = _header(file)
        count = math.prod(shape)
        values = np.empty(count, np.uint8)
        if file.readinto(values.data) != count:
            raise ValueError("the file is cut off: it holds less than its header says")
    return values.reshape(shape, order="F" if by_columns else "C")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool]:
    """Shape, and whether the first index runs fastest."""
    version = npy.read_magic(file)
    if version not in _VERSIONS:
        raise ValueError(f"its NumPy format has version {version}, which pictures do not need")
    try:
        shape, by_columns, dtype = _VERSIONS[version](file)
    except (ValueError, SyntaxError, RecursionError) as error:
        raise ValueError("the header of the array cannot be read") from error
    fault = array_fault(dtype, shape)
    if fault:
        raise ValueError(fault)
    if math.prod(shape) > MAX_BYTES:
        raise ValueError(f"too large: an array of {math.prod(shape):,} bytes, the limit is {MAX_BYTES:,}")
    return shape, by_columns
