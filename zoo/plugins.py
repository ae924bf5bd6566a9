"""Loading plugins: each on its own, all of its items or none, and what went wrong kept as data.

Nothing here happens at import. `load_catalog()` returns a value that is passed on.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import time
import traceback
import warnings
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo.contracts import API_LEVEL
from zoo.contributions import check_level, contributions, declared_level
from zoo.discovery import builtin_candidates, given_candidates, installed_candidates
from zoo.errors import DuplicateNameError, PluginLoadError, UnknownNameError, ZooError
from zoo.registry import KINDS, Catalog, Entry, PluginRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zoo.contracts import Item
    from zoo.discovery import Candidate

VARIABLE = "ZOO_LOAD_PLUGINS"
"""Environment variable: unset for all installed plugins, empty for none, or a comma-separated list of some."""

_LONGEST_CAUSE = 600


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    """A candidate after the attempt to load it. With an error, its items do not count."""

    candidate: Candidate
    items: tuple[Item, ...] = ()
    error: BaseException | None = None
    blocked: str = ""
    api_level: int = API_LEVEL
    milliseconds: float = 0.0


def load_catalog(
    *,
    blocked: Sequence[str] = (),
    only: Sequence[str] | None = None,
    strict: bool = False,
    extra: Sequence[object] = (),
) -> Catalog:
    """Load built-in, installed and given plugins into a catalog. A plugin that fails stops none of the others.

    A plugin is named by its entry point, by its distribution, or as `distribution:entry-point`. A built-in one is
    named by its module: `head_gap`.

    Args:
        blocked: Plugins that are not loaded, not even imported.
        only: Installed plugins to load, all others are blocked; None reads `ZOO_LOAD_PLUGINS`, or loads all.
        strict: Whether a failed plugin is an error.
        extra: Plugin objects or modules of this process.

    Raises:
        UnknownNameError: `blocked`, `only` or `ZOO_LOAD_PLUGINS` names a plugin that is not there.
        PluginLoadError: A plugin failed, and `strict` was asked for. Lists all failures.
    """
    builtins, installed = builtin_candidates(), installed_candidates()
    source = "`only`"
    if only is None and VARIABLE in os.environ:
        source = VARIABLE
        only = [name.strip() for name in os.environ[VARIABLE].split(",") if name.strip()]
    _check_selectors(blocked, candidates=(*builtins, *installed), source="--no-plugin")
    _check_selectors(only or (), candidates=installed, source=source)

    tried = [_tried(one, blocked=blocked, only=only, source=source) for one in (*builtins, *installed)]
    own = _without_clashes(tried[: len(builtins)])
    others = [*tried[len(builtins) :], *(_load(given) for given in given_candidates(extra))]
    outcomes = [*own, *_without_clashes(_without_clashes(others, against=own))]
    catalog = Catalog(entries=_entries(outcomes), plugins=tuple(_record(one) for one in outcomes))
    if strict:
        _require_all(catalog)
    return catalog


def _require_all(catalog: Catalog) -> None:
    if catalog.failures:
        failures = "; ".join(f"{record.title}: {record.cause}" for record in catalog.failures)
        raise PluginLoadError(
            f"{len(catalog.failures)} of {len(catalog.plugins)} plugins failed to load: {failures}",
            hint="Mend or uninstall them, or leave them out with --no-plugin.",
        )


def _tried(candidate: Candidate, *, blocked: Sequence[str], only: Sequence[str] | None, source: str) -> _Outcome:
    if any(candidate.answers_to(name) for name in blocked):
        return _Outcome(candidate, blocked="named by --no-plugin")
    if only is not None and not candidate.builtin and not any(candidate.answers_to(name) for name in only):
        return _Outcome(candidate, blocked=f"not named by {source}")
    return _load(candidate)


def _check_selectors(selectors: Iterable[str], *, candidates: Sequence[Candidate], source: str) -> None:
    for selector in selectors:
        if not any(candidate.answers_to(selector) for candidate in candidates):
            known = {candidate.name for candidate in candidates} | {one.distribution for one in candidates}
            near = difflib.get_close_matches(selector, sorted(known), n=3, cutoff=0.5)
            step = f"Did you mean {' or '.join(near)}?" if near else "`zoo plugins` shows what is installed."
            raise UnknownNameError("plugin", selector, known, hint=f"{source} names it. {step}")


def _load(candidate: Candidate) -> _Outcome:
    """Import one plugin and call its hooks. Only KeyboardInterrupt gets out."""
    items: tuple[Item, ...] = ()
    failure: BaseException | None = None
    level = API_LEVEL
    start = time.perf_counter()
    try:
        with _contained():
            plugin = candidate.load()
            level = declared_level(plugin, module=candidate.module, origin=candidate.origin)
            check_level(level, origin=candidate.origin)
            items = contributions(plugin, name=candidate.id, origin=candidate.origin)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 — SystemExit and the panics of extension modules are no Exception
        failure = error
    spent = (time.perf_counter() - start) * 1000
    return _Outcome(candidate, items=items, error=failure, api_level=level, milliseconds=spent)


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    """Keep a plugin from failing by a mere warning (`-W error`), and from printing into output that a program reads."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.filters = [rule for rule in warnings.filters if rule[0] != "error"]
        yield


def _without_clashes(outcomes: Sequence[_Outcome], *, against: Sequence[_Outcome] | None = None) -> list[_Outcome]:
    """Fail every outcome that provides what one of `against` provides, by default what another of themselves does.

    All who clash among themselves fail, so that the order of discovery decides nothing.
    """
    providers: dict[tuple[type, str], list[Candidate]] = defaultdict(list)
    for rival in outcomes if against is None else against:
        for item in rival.items if rival.error is None else ():
            providers[type(item), item.name].append(rival.candidate)
    return [outcome if outcome.error else _challenged(outcome, providers) for outcome in outcomes]


def _challenged(outcome: _Outcome, providers: Mapping[tuple[type, str], Sequence[Candidate]]) -> _Outcome:
    rivals: dict[str, Candidate] = {}
    clashes: list[str] = []
    for item in outcome.items:
        for rival in providers.get((type(item), item.name), ()):
            if rival is not outcome.candidate:
                rivals[rival.id] = rival
                clashes.append(f"{_kind(item)} {item.name!r} is also provided by {rival.origin}")
    if not clashes:
        return outcome
    ways = " or ".join(f"--no-plugin {name}" for name in sorted({outcome.candidate.id, *rivals}))
    why = "Built-in items win. " if any(one.builtin for one in rivals.values()) else "None of them is used. "
    hint = f"{why}Leave one out: {ways}; or list in {VARIABLE} those to load."
    return replace(outcome, error=DuplicateNameError(f"{outcome.candidate.origin}: {'; '.join(clashes)}.", hint=hint))


def _entries(outcomes: Sequence[_Outcome]) -> tuple[Entry, ...]:
    entries = [Entry(item, one.candidate.origin) for one in outcomes if one.error is None for item in one.items]
    return tuple(sorted(entries, key=lambda entry: (_kind(entry.item), entry.item.name)))


def _record(outcome: _Outcome) -> PluginRecord:
    error = outcome.error
    trace = "" if error is None or error.__traceback__ is None else "".join(traceback.format_exception(error))
    return PluginRecord(
        name=outcome.candidate.name,
        distribution=outcome.candidate.distribution,
        version=outcome.candidate.version,
        status="blocked" if outcome.blocked else "loaded" if error is None else "failed",
        items=tuple(f"{_kind(item)} {item.name}" for item in outcome.items),
        cause=outcome.blocked if error is None else _cause(error),
        traceback=trace,
        api_level=outcome.api_level,
        milliseconds=outcome.milliseconds,
    )


def _kind(item: Item) -> str:
    return next(kind for kind, record_type in KINDS.items() if type(item) is record_type)


def _cause(error: BaseException) -> str:
    """Say an error in one line, with the error at the start of its chain: often that is a missing module."""
    root, seen = error, {id(error)}
    while (inner := root.__cause__ or root.__context__) is not None and id(inner) not in seen:
        seen.add(id(inner))
        root = inner
    said = _said(error)
    if root is not error and not isinstance(error, ZooError) and _said(root) not in said:
        said = f"{said} (caused by {_said(root)})"
    return said if len(said) <= _LONGEST_CAUSE else f"{said[: _LONGEST_CAUSE - 1]}…"


def _said(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 — even the message is the plugin's code
        text = "(its message cannot be read)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
