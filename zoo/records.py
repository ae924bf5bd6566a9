"""Records as plain JSON text and back, without loss.

Any frozen dataclass of `zoo.values` can be written: tuples become lists, mappings objects, numbers stay what they
are. A float that JSON cannot hold (the loss of a diverged epoch) becomes `{"$float": "nan"}`. The text is pure ASCII,
so that names from any file system, undecodable ones included, survive.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from zoo.errors import RunFormatError
from zoo.explanations import CauseName

T = TypeVar("T")

FLOAT_TAG = "$float"
"""Key of the object that stands for a float that is not finite."""


def to_plain(value: object) -> Any:  # noqa: ANN401 - JSON is what it is
    """A record, or what a record may hold, as dictionaries, lists, strings, numbers, booleans and None.

    Raises:
        RunFormatError: If something in it has no place in JSON, for example a path or a set.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # a NumPy scalar
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {FLOAT_TAG: repr(value)}
    raise RunFormatError(
        f"A value of type {type(value).__name__} cannot be stored: {value!r:.80}.",
        hint="Records hold strings, numbers, booleans, None, tuples and mappings of these.",
    )


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise RunFormatError(
            f"The key {key!r:.80} of a stored mapping is no string.", hint="Use strings as keys of mappings."
        )
    return key


def from_plain(kind: type[T], value: object) -> T:
    """The record of a kind that `to_plain` wrote. A field that is absent takes its default.

    Raises:
        RunFormatError: If a field is missing, unknown or of another type.
    """
    return cast("T", _read(kind, value, kind.__name__))


def dumps(value: object) -> str:
    """ASCII JSON text of a record or of what a record may hold. Raises: RunFormatError, as `to_plain`."""
    return json.dumps(to_plain(value), allow_nan=False, separators=(",", ":"))


def loads(kind: type[T], text: str) -> T:
    """The record of a kind from the text that `dumps` wrote.

    Raises:
        RunFormatError: If the text is no JSON, or does not describe such a record.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise RunFormatError(
            f"A stored {kind.__name__} is not JSON: {error}.", hint="The store is damaged; restore it from a copy."
        ) from error
    return from_plain(kind, value)


def _read(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - walks type hints
    origin = get_origin(kind) or kind
    if dataclasses.is_dataclass(kind):
        record: Any = _read_record(kind, value, where)
    elif origin in (Union, types.UnionType):
        record = _read_union(get_args(kind), value, where)
    elif origin is tuple:
        record = _read_tuple(get_args(kind), value, where)
    elif origin in (dict, Mapping):
        record = _read_mapping(get_args(kind) or (str, Any), value, where)
    elif origin is Any:
        record = _untag(value)
    else:
        record = _read_scalar(kind, value, where)
    return record


def _read_record(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - any record
    if not isinstance(value, dict):
        raise _unreadable(where, value, "an object")
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise RunFormatError(
            f"{where} has fields that this version does not know: {', '.join(unknown)}.",
            hint="It was written by a newer keras-zoo: update this one.",
        )
    missing = [name for name, field in fields.items() if name not in value and not _has_default(field)]
    if missing:
        raise RunFormatError(f"{where} lacks {', '.join(missing)}.", hint="The store is damaged, or not of keras-zoo.")
    return kind(**{name: _read(hints[name], item, f"{where}.{name}") for name, item in value.items()})


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    # The records import this name for type checkers only.
    return get_type_hints(kind, localns={"Mapping": Mapping})


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:  # noqa: ANN401 - any member
    if value is None and type(None) in kinds:
        return None
    members = [kind for kind in kinds if kind is not type(None)]
    if len(members) == 1:
        return _read(members[0], value, where)
    plain = _untag(value)
    words = [word for kind in members if get_origin(kind) is Literal for word in get_args(kind)]
    if type(plain) in members or plain in words:
        return plain
    if type(plain) is int and float in members:
        return float(plain)
    names = [getattr(kind, "__name__", "") for kind in members if get_origin(kind) is not Literal]
    raise _unreadable(where, value, " or ".join([*names, *map(repr, words)]))


def _read_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:  # noqa: ANN401 - any items
    if not isinstance(value, list):
        raise _unreadable(where, value, "a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...] has two arguments
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise _unreadable(where, value, f"{len(kinds)} values")
    return tuple(
        _read(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _read_mapping(kinds: tuple[Any, ...], value: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 - any items
    if not isinstance(value, dict):
        raise _unreadable(where, value, "an object")
    return {key: _read(kinds[1], item, f"{where}[{key!r}]") for key, item in value.items()}


def _read_scalar(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - a word, str, bool, int or float
    value = _untag(value)
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        if kind == CauseName and isinstance(value, str):  # of a later version: the rest of the record can be read
            return "unknown"
        raise _unreadable(where, value, " or ".join(map(repr, get_args(kind))))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is kind:
        return value
    raise _unreadable(where, value, kind.__name__)


def _untag(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        if set(value) == {FLOAT_TAG}:
            return float(value[FLOAT_TAG])
        return {key: _untag(item) for key, item in value.items()}
    return [_untag(item) for item in value] if isinstance(value, list) else value


def _unreadable(where: str, value: object, expected: str) -> RunFormatError:
    return RunFormatError(
        f"{where} should be {expected}, but is {value!r:.80}.",
        hint="The store is damaged, or was written by another version of keras-zoo.",
    )
