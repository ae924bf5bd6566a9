"""Unpickles the pickles of a legacy torch file, and nothing that a state dict has no use for.

A pickle is a program. This reader looks through the program before it runs it: only the instructions that torch
writes are let through, and only the globals of a state dict. Every object that a program gets for a global is
immutable, or made for it, so that it can neither call nor change anything that outlives it.
"""

from __future__ import annotations

import math
import pickle
import pickletools
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.errors import WeightsError

if TYPE_CHECKING:
    import io

MOST_DIMENSIONS = 8

STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
"""Storage classes of the module `torch` that can be read, with NumPy's name of their elements."""

INSTRUCTIONS = frozenset(
    "PROTO STOP MARK GLOBAL REDUCE BUILD BINPERSID BINPUT LONG_BINPUT BINGET LONG_BINGET NONE "  # noqa: SIM905 - shorter
    "NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS".split()
)
"""The instructions of pickle protocol 2, torch's own, without those that make objects of classes."""

DAMAGE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What unpickling damaged bytes may raise; the documentation of pickle names no closed set."""


class Kind(NamedTuple):
    """Stands for a storage class. A program cannot reach this class, so it can neither make nor alter one."""

    dtype: str


class Storage(NamedTuple):
    """Stands for a storage, whose bytes follow after the pickles."""

    key: str
    dtype: str
    numel: int


class Tensor(NamedTuple):
    """Stands for a tensor: a view of a storage, in elements, known to lie inside it."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class RebuildTensor:
    """Stands for `torch._utils._rebuild_tensor_v2`. Has no state, so that a program cannot leave any in it."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:  # noqa: ANN401 - from a file
        """The view, checked. What may follow are torch's gradient flags and hooks, which do not matter here."""
        if not isinstance(storage, Storage):
            raise ValueError("a tensor does not name a storage")  # noqa: TRY004 - one kind of error for bad bytes
        for numbers in ((offset,), size, stride):
            if not isinstance(numbers, tuple) or not all(type(n) is int and n >= 0 for n in numbers):
                raise ValueError("a tensor's offset, size or stride is not a whole number from 0 up")
        if len(size) != len(stride) or len(size) > MOST_DIMENSIONS:
            raise ValueError(f"a tensor has {len(size)} sizes and {len(stride)} strides")
        count = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if count > storage.numel or (count and last >= storage.numel):
            raise ValueError(f"a tensor of size {size} does not fit its storage of {storage.numel} elements")
        return Tensor(storage, offset, size, stride)


class StateUnpickler(pickle.Unpickler):
    """Unpickles the next pickle of a stream; collects the storages that it meets.

    Args:
        stream: Where the pickle begins.
        origin: What the bytes are, for messages; the beginning of a sentence.
    """

    def __init__(self, stream: io.BytesIO, *, origin: str) -> None:
        super().__init__(stream, encoding="utf-8")
        self.stream, self.origin = stream, origin
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:  # noqa: ANN401 - whatever the pickle holds
        """The object, after a look through the whole program.

        Raises:
            WeightsError: If it names a global that is not allowed; it is neither imported nor called.
            ValueError: If it holds an instruction that is not allowed, or one that would fill the memory.
        """
        start = self.stream.tell()
        for instruction, argument, _ in pickletools.genops(self.stream):
            if instruction.name == "GLOBAL":
                module, _, name = str(argument).partition(" ")
                self.find_class(module, name)
            elif instruction.name not in INSTRUCTIONS:
                raise ValueError(
                    f"its pickle holds the instruction {instruction.name}, which a state dict does not need"
                )
            elif instruction.name == "LONG_BINPUT" and int(str(argument)) > self.stream.tell():
                raise ValueError("its pickle counts more objects than it has bytes")  # else the memo is made that long
        self.stream.seek(start)
        return super().load()

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's own signature
        """The stand-in of an allowed global.

        Raises:
            WeightsError: For any other.
        """
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return RebuildTensor()
        if module == "torch" and name in STORAGES:
            return Kind(STORAGES[name])
        raise WeightsError(
            f"{self.origin} asks for the Python object {f'{module}.{name}'!r}, which a state dict has no use for. "
            "Nothing of it was run.",
            hint="Save only the state dict: "
            "torch.save(model.state_dict(), file, _use_new_zipfile_serialization=False). "
            "If the file came from someone else, do not load it with torch either.",
        )

    def persistent_load(self, pid: Any) -> Storage:  # noqa: ANN401 - pickle's own signature
        """The storage that a persistent id names: ('storage', class, key, location, number of elements, None)."""
        if not isinstance(pid, tuple) or len(pid) not in {5, 6} or pid[0] != "storage" or any(pid[5:]):
            raise ValueError("a persistent id does not name a storage")
        kind, key, numel = pid[1], pid[2], pid[4]
        if not isinstance(kind, Kind) or type(key) is not str or type(numel) is not int or numel < 0:
            raise ValueError("a storage's class, key or number of elements is not valid")
        storage = Storage(key, kind.dtype, numel)
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"the storage {key!r} is declared twice, differently")
        return storage
