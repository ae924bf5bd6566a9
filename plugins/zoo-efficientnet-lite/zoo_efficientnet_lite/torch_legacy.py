"""Reads files of `torch.save` in its legacy, non-zip format. Needs no torch, and runs nothing that a file asks for.

The format is five pickles: a magic number, a protocol version, facts about the machine, the object, and the list of
its storages' keys. After them comes each storage: the number of its elements as a little-endian int64, and its raw
bytes. The object's pickle names a storage by a persistent id, and a tensor as a view (offset, size, stride) of it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from zoo.errors import WeightsError
from zoo_efficientnet_lite.state_pickle import DAMAGE, StateUnpickler, Storage, Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

ZIP = b"PK\x03\x04"
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
COUNT_BYTES = 8


def read_tensors(data: bytes, *, origin: str) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a state dict.

    Args:
        data: All bytes of a legacy file.
        origin: What the bytes are, for messages; the beginning of a sentence.

    Returns:
        Name to array, copied out of `data`, in the order of the file. Floats, integers and booleans only.

    Raises:
        WeightsError: If the bytes are a zip file, another format, damaged, or ask for anything but tensors.
    """
    if data.startswith(ZIP):
        _reject(f"{origin} is a zip file: torch's newer format, which is not read here.")
    stream = io.BytesIO(data)
    try:
        _check_header(stream, origin=origin)
        unpickler = StateUnpickler(stream, origin=origin)
        state = unpickler.load()
        keys = StateUnpickler(stream, origin=origin).load()
        arrays = _storages(data, stream.tell(), keys, unpickler.storages)
        return {name: _view(tensor, arrays) for name, tensor in _named_tensors(state)}
    except DAMAGE as error:
        raise WeightsError(
            f"{origin} is damaged: {str(error) or type(error).__name__}.",
            hint="Get the file again, or save it again with torch.",
        ) from error


def _check_header(stream: io.BytesIO, *, origin: str) -> None:
    """Reads the three pickles before the object."""
    try:
        magic = StateUnpickler(stream, origin=origin).load()
    except DAMAGE:
        magic = None
    if type(magic) is not int or magic != MAGIC:
        _reject(f"{origin} is not a file of torch.save: it does not begin with its magic number.")
    protocol = StateUnpickler(stream, origin=origin).load()
    if type(protocol) is not int or protocol != PROTOCOL:
        _reject(f"{origin} has protocol version {protocol!r}; only {PROTOCOL} is known.")
    machine = StateUnpickler(stream, origin=origin).load()
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        _reject(f"{origin} was not written on a little-endian machine.")


def _reject(message: str) -> NoReturn:
    raise WeightsError(
        message, hint="Save it with torch.save(model.state_dict(), file, _use_new_zipfile_serialization=False)."
    )


def _storages(data: bytes, start: int, keys: object, declared: dict[str, Storage]) -> dict[str, npt.NDArray[Any]]:
    """The elements of each storage, by key, as read-only views of `data` from `start` on."""
    if not isinstance(keys, list) or not all(type(key) is str for key in keys):
        raise ValueError("the list of storages is not a list of keys")
    if len(keys) != len(declared) or set(keys) != set(declared):
        raise ValueError(f"{len(declared)} storages are declared, {len(keys)} are listed")
    arrays = {}
    for key in keys:
        storage = declared[key]
        kind = np.dtype(storage.dtype)
        begin = start + COUNT_BYTES
        end = begin + storage.numel * kind.itemsize
        count = int.from_bytes(data[start:begin], "little", signed=True)
        if begin <= len(data) and count != storage.numel:
            raise ValueError(f"the storage {key!r} has {count} elements, {storage.numel} are declared")
        if end > len(data):
            raise ValueError(f"the file ends inside the storage {key!r}")
        arrays[key] = np.frombuffer(memoryview(data)[begin:end], kind)
        start = end
    if start != len(data):
        raise ValueError(f"{len(data) - start} bytes follow after the last storage")
    return arrays


def _named_tensors(state: object) -> list[tuple[str, Tensor]]:
    """The entries of a state dict. Does not ask the object itself, which a pickle may have given attributes."""
    if not isinstance(state, dict):
        raise ValueError(f"it holds an object of type {type(state).__name__}, not a state dict")  # noqa: TRY004 - one kind of error for bad bytes
    entries = []
    for name, tensor in dict.items(state):
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise ValueError(f"the entry {name!r} is not a named tensor")
        entries.append((name, tensor))
    return entries


def _view(tensor: Tensor, arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    elements = arrays[tensor.storage.key]
    strides = tuple(step * elements.itemsize for step in tensor.stride)
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.size, strides).copy()
