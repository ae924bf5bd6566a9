"""Which items of a long list are wanted: by a pattern over names, and backbones by what their records say."""

from __future__ import annotations

import difflib
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from zoo import figures
from zoo.contracts import BACKENDS
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zoo.contracts import Backbone, Item
    from zoo.registry import Kind

_NUMBER = re.compile(r"((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]\+?[0-9]{1,2})?)\s*([kKmMgG]?)")
_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_NAMED = 3


class Wish(NamedTuple):
    """What items have to be. Everything but the pattern is about backbones.

    Attributes:
        pattern: Shell pattern (`*`, `?`, `[…]`) over the whole name; case does not count.
        most: Most parameters.
        least: Fewest parameters.
        has_weights: Whether pretrained weights must be declared.
        bundled: Whether weights must come with an installed package.
        backend: Keras backend on which it must be possible to build it.
    """

    pattern: str | None = None
    most: int | None = None
    least: int | None = None
    has_weights: bool = False
    bundled: bool = False
    backend: str | None = None

    def words(self) -> dict[str, str]:
        """By field, each thing that is wished as it is spelt on the command line."""
        spelt = {
            "pattern": f"--filter {self.pattern!r}",
            "most": f"--max-params {figures.count(self.most)}",
            "least": f"--min-params {figures.count(self.least)}",
            "has_weights": "--has-weights",
            "bundled": "--bundled",
            "backend": f"--backend {self.backend}",
        }
        return {name: text for name, text in spelt.items() if getattr(self, name) not in (None, False)}


class Narrowed(NamedTuple):
    """What is left of a list.

    Attributes:
        items: Those that are wanted, in their order.
        total: How many there were.
        uncounted: Names of backbones that a limit leaves out because they do not declare their parameters.
    """

    items: tuple[Item, ...]
    total: int
    uncounted: tuple[str, ...] = ()


def wish_of(
    kind: Kind | None,
    *,
    pattern: str | None,
    most: str | None,
    least: str | None,
    has_weights: bool,
    bundled: bool,
    backend: str | None,
) -> Wish:
    """The wish that options of the command line spell.

    Args:
        kind: The only kind that is listed, or None for all.
        pattern: As in `Wish`, and so are the others.
        most: As text.
        least: As text.
        has_weights: As in `Wish`.
        bundled: As in `Wish`.
        backend: As in `Wish`.

    Raises:
        UsageError: A number is none, the limits exclude each other, there is no such backend, or other kinds than
            backbones are asked for by what only backbones have.
    """
    if backend is not None and backend not in BACKENDS:
        raise UnknownNameError("Keras backend", backend, BACKENDS)
    wish = Wish(
        pattern=pattern,
        most=None if most is None else parameters_of(most, flag="--max-params"),
        least=None if least is None else parameters_of(least, flag="--min-params"),
        has_weights=has_weights,
        bundled=bundled,
        backend=backend,
    )
    if wish.most is not None and wish.least is not None and wish.most < wish.least:
        raise UsageError(
            f"No number of parameters is at least {least} and at most {most}.",
            hint="Change --min-params or --max-params.",
        )
    special = [text.split()[0] for name, text in wish.words().items() if name != "pattern"]
    if special and kind != "backbone":
        what = f"a {kind} has no such thing" if kind else "no kind is named, and only backbones have it"
        raise UsageError(f"{special[0]} narrows a list of backbones: {what}.", hint="Write: zoo list backbones …")
    return wish


def parameters_of(text: str, *, flag: str) -> int:
    """A number of parameters: `10M`, `4.5m`, `800k`, `1e6`, `1200000`.

    Raises:
        UsageError: It is no such number.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"{flag} cannot be {text!r}.", hint="Give a number of parameters, such as 10M, 4.5M, 800k, 1e6 or 1200000."
        )
    from decimal import Decimal

    return round(Decimal(found[1]) * _PREFIXES[found[2].lower()])


def narrow(items: Sequence[Item], wish: Wish) -> Narrowed:
    """The items that are as they were wished."""
    tests = list(_tests(wish))
    kept: list[Item] = []
    uncounted: list[Item] = []
    for item in items:
        if all(test(item) for test in tests):
            (uncounted if _is_uncounted(item, wish) else kept).append(item)
    within = [item for item in kept if _is_within(item, wish)]
    return Narrowed(tuple(within), len(items), tuple(item.name for item in uncounted))


def nothing_found(items: Sequence[Item], wish: Wish, *, noun: str) -> UsageError:
    """The error for a wish that nothing grants: it says which part of it is in the way, or which names are near.

    Args:
        items: All that there are.
        wish: What was wished.
        noun: What they are, in the plural.
    """
    words = wish.words()
    hints = []
    for name, text in words.items() if len(words) > 1 else ():
        unset: Any = False if getattr(wish, name) is True else None
        without = narrow(items, wish._replace(**{name: unset}))
        if without.items:
            hints.append(f"Without {text}: {_some([item.name for item in without.items])}.")
    if not hints and wish.pattern is not None:
        hints = [_near(wish.pattern, [item.name for item in items])]
    if not hints:
        hints = [f"`zoo list {noun}` shows all {len(items)}." if noun != "items" else "`zoo list` shows all."]
    return UsageError(f"No {noun} match {' '.join(words.values())}.", hint=" ".join(hints))


def _tests(wish: Wish) -> Iterator[Callable[[Item], bool]]:
    """What an item has to pass, but for its number of parameters."""
    if wish.pattern is not None:
        pattern = wish.pattern.lower()
        yield lambda item: fnmatchcase(item.name.lower(), pattern)
    if wish.has_weights:
        yield lambda item: bool(cast("Backbone", item).weights)
    if wish.bundled:
        yield lambda item: any(weights.bundled for weights in cast("Backbone", item).weights)
    if wish.backend is not None:
        yield lambda item: wish.backend in (cast("Backbone", item).backends or BACKENDS)


def _is_uncounted(item: Item, wish: Wish) -> bool:
    return (wish.most is not None or wish.least is not None) and cast("Backbone", item).parameters is None


def _is_within(item: Item, wish: Wish) -> bool:
    if wish.most is None and wish.least is None:
        return True
    number = cast("Backbone", item).parameters or 0
    return (wish.least is None or number >= wish.least) and (wish.most is None or number <= wish.most)


def _near(pattern: str, names: Sequence[str]) -> str:
    """Which names a pattern may have meant."""
    bare = pattern.lower().strip("*")
    inside = [name for name in names if bare and not set(bare) & set("*?[") and bare in name]
    if inside:
        return f"--filter '*{bare}*' matches {_some(inside)}."
    near = difflib.get_close_matches(bare, names, n=_NAMED, cutoff=0.5)
    if near:
        return f"Names near it: {', '.join(near)}."
    return f"A pattern is over the whole name, such as '*net*'. There are {len(names)}: {_some(list(names))}."


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def uncounted_words(names: Sequence[str]) -> str:
    """A sentence about backbones that a limit leaves out."""
    if len(names) == 1:
        return f"{names[0]} does not declare its number of parameters and is left out"
    return f"{len(names)} backbones do not declare their number of parameters and are left out: {_some(names)}"
