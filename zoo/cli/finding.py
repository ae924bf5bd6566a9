"""What a name given to `zoo show` means: an item of the catalog, a run of the store, or neither."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import RunNotFoundError, UnknownNameError, UsageError
from zoo.recipe import item_options
from zoo.registry import KINDS
from zoo.specs import parse_spec

if TYPE_CHECKING:
    from zoo.registry import Catalog, Kind
    from zoo.values import RunRecord, Spec

RUN = "run"
"""The word that means a run where a kind is asked for."""

DATABASE = "zoo.sqlite"


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item, with the options that were given."""

    kind: Kind
    spec: Spec


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run and its folder."""

    record: RunRecord
    folder: Path


def find(text: str, catalog: Catalog, *, store: Path, kind: str | None = None) -> FoundItem | FoundRun:
    """What a person means by a name with or without options, by a run's id or the beginning of one, or by its folder.

    Args:
        text: What was given.
        catalog: All items.
        store: Where runs are looked for.
        kind: Kind of item, or `run`, that is meant; None for any.

    Raises:
        UsageError: Several things have that name.
        UnknownNameError: Nothing has it.
        RunNotFoundError: Several runs begin so, or a run was asked for and there is none.
    """
    name = text.partition(":")[0].strip()
    kinds = [one for one in KINDS if kind in (None, one) and name in catalog.names(one)]
    run = _run(text, store=store) if kind in (None, RUN) else None
    meanings = [*kinds, *([RUN] if isinstance(run, FoundRun) else [])]
    if len(meanings) > 1:
        raise UsageError(
            f"{text!r} names a {' and a '.join(meanings)}.", hint=f"Add --kind {' or --kind '.join(meanings)}."
        )
    if isinstance(run, FoundRun):
        return run
    if kinds:
        options = item_options(catalog, kind=kinds[0], name=name)
        return FoundItem(kinds[0], parse_spec(text, kind=kinds[0], options=options))
    if kind == RUN and run is not None:
        raise run
    raise _unknown(text, name, catalog, store=store, kind=kind, run=run)


def _run(text: str, *, store: Path) -> FoundRun | RunNotFoundError | None:
    """The run of an id, a beginning or a folder; the store's complaint if there is none; None without a store."""
    home, name = store, text
    folder = Path(text)
    if folder.is_dir() and (folder.resolve().parent.parent / DATABASE).is_file():
        home, name = folder.resolve().parent.parent, folder.resolve().name
    if not (home / DATABASE).is_file():
        return RunNotFoundError(f"There is no store in {str(home)!r}.", hint="Name its folder with --store.")
    from zoo.store import Store

    with Store(home) as opened:
        try:
            record = opened.get(name)
        except RunNotFoundError as error:
            return error
        return FoundRun(record, opened.folder(record.id))


def _unknown(
    text: str, name: str, catalog: Catalog, *, store: Path, kind: str | None, run: RunNotFoundError | None
) -> Exception:
    known = [item for one in KINDS if kind in (None, one) for item in catalog.names(one)]
    ids = _ids(store) if kind is None else ()
    if run is not None and sum(one.startswith(text) for one in ids) > 1:
        return run  # several runs begin so: the store says which
    near = difflib.get_close_matches(name, [*known, *ids], n=3, cutoff=0.5)
    where = f" or run in {str(store)!r}" if kind is None else ""
    hint = f"Did you mean {' or '.join(near)}?" if near else "`zoo list` shows all items, `zoo leaderboard` all runs."
    return UnknownNameError(f"{kind or 'item'}{where}", text, known, hint=hint)


def _ids(store: Path) -> tuple[str, ...]:
    if not (store / DATABASE).is_file():
        return ()
    from zoo.store import Store

    with Store(store) as opened:
        return tuple(record.id for record in opened.runs())
