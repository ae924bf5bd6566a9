"""Options: which value one may hold, and how a value is written in a spec."""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.choices import OptionValue
    from zoo.contracts import Option

TYPE_WORDS: Mapping[type, str] = MappingProxyType(
    {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
)
"""The types that an option may have, in words."""

_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_WHOLE = re.compile(r"[+-]?[0-9]{1,300}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def value_fault(option: Option, value: object) -> str:
    """Say why an option cannot hold a value, as the end of a sentence (`must be at least 1, not 0`); "" if it can.

    A float option takes whole numbers too. NaN and infinity are never allowed.
    """
    wanted = type(option.default)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type(value) is not wanted and not (wanted is float and number):
        return f"must be {TYPE_WORDS[wanted]}, not {value!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be finite, not {value!r}"
    if option.choices and value not in option.choices:
        return f"must be {_either(tuple(write_value(choice) for choice in option.choices))}, not {value!r}"
    if isinstance(value, int | float):
        if option.minimum is not None and value < option.minimum:
            return f"must be at least {option.minimum}, not {value!r}"
        if option.maximum is not None and value > option.maximum:
            return f"must be at most {option.maximum}, not {value!r}"
    return ""


def checked_value(option: Option, value: object, *, owner: str) -> OptionValue:
    """Return a value in the option's own type, so that equal settings are equal bit for bit.

    Args:
        option: The option that is set.
        value: Its value, already typed.
        owner: Whose option it is, for messages: `policy 'unfreeze-top-k'`.

    Raises:
        RecipeError: The value has another type, is no choice or is out of range.
    """
    fault = value_fault(option, value)
    if fault:
        raise RecipeError(f"Option {option.name!r} of {owner} {fault}.", hint=f"{option.name}: {option.help}")
    if isinstance(option.default, float) and isinstance(value, int | float):
        return float(value) + 0.0  # −0.0 becomes 0.0: they are equal, but would be spelt differently
    return value if isinstance(value, bool | int | float | str) else str(value)


def read_value(option: Option, text: str, *, owner: str) -> OptionValue:
    """Turn the text of a value into a value of the option's type.

    `true`, `yes` and `on`, and `false`, `no` and `off` in any case are booleans. Numbers are plain ASCII decimals.

    Raises:
        RecipeError: The text is no value of that type, or a value that the option may not hold.
    """
    value: object = text
    if isinstance(option.default, bool):
        word = text.lower()
        value = True if word in _TRUE else False if word in _FALSE else text
    elif isinstance(option.default, int):
        value = int(text) if _WHOLE.fullmatch(text) else text
    elif isinstance(option.default, float):
        value = float(text) if _NUMBER.fullmatch(text) else text
    return checked_value(option, value, owner=owner)


def write_value(value: OptionValue) -> str:
    """Write a value as `read_value` reads it, in double quotes where a comma or the like would break a spec."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if not value or "," in value or value.startswith('"') or value != value.strip():
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return value


def write_limits(option: Option, *, quote: str = "") -> str:
    """Say which values an option takes, as a sentence; "" if all of its type. `quote` stands around choices."""
    if option.choices:
        return f"One of {', '.join(f'{quote}{write_value(choice)}{quote}' for choice in option.choices)}."
    if option.minimum is not None and option.maximum is not None:
        return f"From {option.minimum:g} to {option.maximum:g}."
    if option.minimum is not None:
        return f"At least {option.minimum:g}."
    return f"At most {option.maximum:g}." if option.maximum is not None else ""


def _either(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
