"""Checks of what a hook returned. A record that passes can be listed, chosen and configured without surprises."""

from __future__ import annotations

import functools
import inspect
import keyword
import math
import re
import types
from typing import TYPE_CHECKING

from zoo.contracts import BACKENDS, Augmentation, Backbone, Block, Head, Option, Policy, Source, Weights
from zoo.errors import ContractError
from zoo.options import TYPE_WORDS, value_fault
from zoo.registry import HOOKS, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import Item

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_WEIGHTS_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RESERVED: dict[type, tuple[str, ...]] = {
    Backbone: ("size", "weights"),
    Head: ("feature_shape", "classes", "blocks"),
    Augmentation: ("size", "seed"),
    Policy: ("blocks", "epochs"),
    Source: ("location",),
}
"""Parameters that the host fills in itself: no option may have their name."""


def accepted(returned: object, *, hook: str, origin: str) -> tuple[Item, ...]:
    """Return what a hook returned as a tuple of records that keep their contract.

    Args:
        returned: Anything.
        hook: Name of the hook.
        origin: The plugin, for messages.

    Raises:
        ContractError: Says origin, hook, what was returned and what was expected.
    """
    record_type = KINDS[HOOKS[hook]]
    expected = f"a list of zoo.contracts.{record_type.__name__} records"
    if not isinstance(returned, list | tuple):
        raise _error(f"returned {_words(returned)}", hook=hook, origin=origin, expected=expected)
    names: set[str] = set()
    for position, item in enumerate(returned):
        if type(item) is not record_type:
            what = f"returned {_words(item)} at position {position}"
            raise _error(what, hook=hook, origin=origin, expected=expected)
        faults = tuple(_faults(item))
        if not faults and item.name in names:
            faults = ("the same plugin provides that name twice",)
        if faults:
            what = f"returned the {HOOKS[hook]} {item.name!r} with faults: {'; '.join(faults)}"
            raise _error(what, hook=hook, origin=origin, expected=expected)
        names.add(item.name)
    return tuple(returned)


def _error(what: str, *, hook: str, origin: str, expected: str) -> ContractError:
    hint = f"Expected {expected} that keep the contracts in zoo/contracts.py. Tell the author of the plugin."
    return ContractError(f"{origin}: {hook} {what}.", hint=hint)


def _words(value: object) -> str:
    if value is None:
        return "None (is a `return` missing?)"
    if isinstance(value, types.GeneratorType):
        return "a generator"
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:79] + '…'}"  # noqa: PLR2004 — one line's worth


def _faults(item: Item) -> Iterator[str]:
    if not isinstance(item.name, str) or not _NAME.fullmatch(item.name):
        yield f"name {item.name!r} must be lower-case letters, digits, dots and dashes, a letter or digit first"
    yield from _text_faults(item, required=("title",))
    yield from _option_faults(item.options, reserved=_RESERVED[type(item)])
    if isinstance(item, Backbone):
        yield from _backbone_faults(item)
    declared = item.options if isinstance(item.options, tuple) else ()
    options: dict[str, object] = {option.name: option.default for option in declared if isinstance(option, Option)}
    if isinstance(item, Source):
        yield from _call_faults("accepts", item.accepts, ("location",), {})
        yield from _call_faults("load", item.load, ("location",), options)
    elif isinstance(item, Policy):
        yield from _text_faults(item, required=(), optional=("reference",))
        yield from _call_faults("plan", item.plan, ("blocks", "epochs"), options)
    elif isinstance(item, Head):
        yield from _call_faults("build", item.build, ("feature_shape", "classes"), options)
        if item.taps is not None:
            yield from _call_faults("taps", item.taps, ("blocks",), options)
    elif isinstance(item, Augmentation):
        yield from _call_faults("build", item.build, ("size", "seed"), options)
    else:
        yield from _call_faults("build", item.build, (), {"size": 0, "weights": None, **options})


def _text_faults(record: object, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[str]:
    for field in (*required, *optional):
        value = getattr(record, field)
        if not isinstance(value, str):
            yield f"{field} must be text, not {value!r}"
        elif field in required and not value.strip():
            yield f"{field} is empty"


def _call_faults(field: str, function: object, positional: tuple[str, ...], named: dict[str, object]) -> Iterator[str]:
    if not callable(function):
        yield f"{field} must be a function, not {function!r}"
        return
    if _surely_takes(function, len(positional), named):
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some functions written in C do not tell
    try:
        signature.bind(*positional, **named)
    except TypeError as error:
        call = ", ".join((*positional, *(f"{name}=…" for name in named)))
        yield f"{field} cannot be called as {field}({call}): {error}"


def _surely_takes(function: object, positional: int, named: dict[str, object]) -> bool:
    """Whether a plain function, or one with its first arguments filled in, can be called so; False is no answer.

    `inspect.signature` answers for everything that can be called, but takes several times as long.
    """
    if type(function) is functools.partial and not function.keywords and not _poses(function):
        positional, function = positional + len(function.args), function.func
    if type(function) is not types.FunctionType or _poses(function):
        return False
    code = function.__code__
    places = code.co_varnames[: code.co_argcount]
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    if code.co_posonlyargcount or positional > code.co_argcount:
        return False
    if not set(named) <= {*places[positional:], *keywords} and not code.co_flags & inspect.CO_VARKEYWORDS:
        return False
    if set(named) & set(places[:positional]):
        return False
    optional = {*places[code.co_argcount - len(function.__defaults__ or ()) :], *(function.__kwdefaults__ or ())}
    return {*places[positional:], *keywords} <= {*named, *optional}


def _poses(function: object) -> bool:
    """Whether it asks to be taken for another one."""
    return not {"__wrapped__", "__signature__"}.isdisjoint(vars(function))


def _option_faults(options: object, *, reserved: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(options, tuple):
        yield f"options must be a tuple, not {options!r}"
        return
    names: set[str] = set()
    for option in options:
        if not isinstance(option, Option):
            yield f"options hold {option!r}, which is no zoo.contracts.Option"
        elif not isinstance(option.name, str) or not option.name.isidentifier() or keyword.iskeyword(option.name):
            yield f"option name {option.name!r} is no identifier"
        elif option.name in reserved:
            yield f"option {option.name!r} is reserved: the host passes that itself"
        elif option.name in names:
            yield f"option {option.name!r} is declared twice"
        else:
            names.add(option.name)
            fault = _option_fault(option)
            if fault:
                yield f"option {option.name!r} {fault}"


def _option_fault(option: Option) -> str:
    wanted = type(option.default)
    if wanted not in TYPE_WORDS:
        return f"has the default {option.default!r}, which is no bool, int, float or str"
    if not isinstance(option.help, str) or not option.help.strip():
        return "has no help"
    if not isinstance(option.choices, tuple) or any(type(choice) is not wanted for choice in option.choices):
        return f"has choices {option.choices!r} that are no tuple of the default's type"
    limits = [limit for limit in (option.minimum, option.maximum) if limit is not None]
    numbers = wanted in (int, float) and all(type(limit) in (int, float) and not math.isnan(limit) for limit in limits)
    if limits and not numbers:
        return f"has the limits {option.minimum!r} and {option.maximum!r}; both need numbers"
    for value in (option.default, *option.choices):
        fault = value_fault(option, value)
        if fault:
            return f"{fault}, its own {'default' if value is option.default else 'choice'}"
    return ""


def _backbone_faults(item: Backbone) -> Iterator[str]:
    yield from _text_faults(item, required=("family", "pixels"), optional=("reference",))
    sizes = (item.min_size, item.image_size)
    if any(type(size) is not int for size in sizes) or not 1 <= item.min_size <= item.image_size:
        shown = f"min_size {item.min_size!r} and image_size {item.image_size!r}"
        yield f"{shown} must be whole numbers, 1 ≤ min_size ≤ image_size"
    yield from _weights_faults(item.weights)
    yield from _reach_faults(item)
    try:
        blocks: object = item.blocks_for({})
    except Exception as error:  # noqa: BLE001 — the function is the plugin's; what it raises becomes a fault
        yield f"blocks cannot be computed for the default options: {type(error).__name__}: {error}"
    else:
        yield from _block_faults(blocks)


def _reach_faults(item: Backbone) -> Iterator[str]:
    """Faults of what is said about size, backends and channels."""
    if item.parameters is not None and (type(item.parameters) is not int or item.parameters < 1):
        yield f"parameters {item.parameters!r} must be a whole number of at least 1, or None"
    if not isinstance(item.backends, tuple) or any(name not in BACKENDS for name in item.backends):
        yield f"backends {item.backends!r} must be a tuple of names among {', '.join(BACKENDS)}"
    for option in item.options if isinstance(item.options, tuple) else ():
        channels = isinstance(option, Option) and option.name == "channels"
        if channels and (type(option.default) is not int or option.minimum is None or option.minimum < 1):
            yield "option 'channels' must be a whole number with a minimum of at least 1: the channels of pictures"


def _block_faults(blocks: object) -> Iterator[str]:
    if not isinstance(blocks, tuple) or not blocks or any(not isinstance(block, Block) for block in blocks):
        yield f"blocks must be a tuple of one or more zoo.contracts.Block, not {_words(blocks)}"
        return
    names: set[str] = set()
    for block in blocks:
        if not isinstance(block.name, str) or not block.name.strip() or block.name in names:
            yield f"block name {block.name!r} is empty, no text or used twice"
        else:
            names.add(block.name)
        patterns = block.layers
        if not isinstance(patterns, tuple) or not patterns or any(not isinstance(p, str) or not p for p in patterns):
            yield f"layers of block {block.name!r} must be a tuple of one or more patterns, not {patterns!r}"


def _weights_faults(declared: object) -> Iterator[str]:
    if not isinstance(declared, tuple) or any(not isinstance(weights, Weights) for weights in declared):
        yield f"weights must be a tuple of zoo.contracts.Weights, not {_words(declared)}"
        return
    ids: set[str] = set()
    for weights in declared:
        if not isinstance(weights.id, str) or not _WEIGHTS_ID.fullmatch(weights.id) or weights.id == "none":
            yield f"weights id {weights.id!r} must be letters, digits and . - + _, and not `none`"
        elif weights.id in ids:
            yield f"weights {weights.id!r} are declared twice"
        else:
            ids.add(weights.id)
        yield from (f"weights {weights.id!r}: {fault}" for fault in _one_weights_faults(weights))


def _one_weights_faults(weights: Weights) -> Iterator[str]:
    yield from _text_faults(weights, required=("origin", "licence", "trained_on"))
    if weights.sha256 is not None and not (isinstance(weights.sha256, str) and _SHA256.fullmatch(weights.sha256)):
        yield f"sha256 {weights.sha256!r} must be 64 lower-case hexadecimal digits"
    top1 = weights.top1
    if top1 is not None and not (isinstance(top1, int | float) and 0 <= top1 <= 1):
        yield f"top1 {top1!r} must be in [0, 1]"
    size = weights.megabytes
    if size is not None and not (isinstance(size, int | float) and 0 < size < math.inf):
        yield f"megabytes {size!r} must be greater than 0"
