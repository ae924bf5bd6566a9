"""What a name given to `zoo show` means: an item of the catalog, a run of the store, or neither."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import folders
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
    """An item, with the options that were given.

    Attributes:
        kind: What it is.
        spec: Its name and options, completed.
        run: Id of a run that begins with the same name; nothing if there is none.
    """

    kind: Kind
    spec: Spec
    run: str = ""


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run and its folder."""

    record: RunRecord
    folder: Path


def find(text: str, catalog: Catalog, *, store: Path, kind: str | None = None) -> FoundItem | FoundRun:
    """What a person means by a name with or without options, by a run's id or the beginning of one, or by its folder.

    Ids of runs begin with the name of their backbone, so an item's whole name goes before the beginning of an id.

    Args:
        text: What was given.
        catalog: All items.
        store: Where runs are looked for.
        kind: Kind of item, or `run`, that is meant; None for any.

    Raises:
        UsageError: Several items, or an item and a run, have that very name.
        UnknownNameError: Nothing has it.
        RunNotFoundError: Several runs begin so, or a run was asked for and there is none.
    """
    name = text.partition(":")[0].strip()
    kinds = [one for one in KINDS if kind in (None, one) and name in catalog.names(one)]
    run = _run(text, store=store) if kind in (None, RUN) else RunNotFoundError("not looked for")
    exact = isinstance(run, FoundRun) and run.record.id == text
    meanings = [*kinds, *([RUN] if exact else [])]
    if len(meanings) > 1:
        message = f"{text!r} is the name of {' and '.join(f'{_article(one)} {one}' for one in meanings)}."
        raise UsageError(message, hint=f"Add --kind {' or --kind '.join(meanings)}.")
    if kinds:
        options = item_options(catalog, kind=kinds[0], name=name)
        spec = parse_spec(text, kind=kinds[0], options=options)
        return FoundItem(kinds[0], spec, run.record.id if isinstance(run, FoundRun) else "")
    if isinstance(run, FoundRun):
        return run
    if kind == RUN or _is_ambiguous(text, store=store):
        raise run
    raise _unknown(text, name, catalog, store=store, kind=kind)


def _run(text: str, *, store: Path) -> FoundRun | RunNotFoundError:
    """The run of an id, a beginning of one, or a folder; or what the store says if there is none."""
    home, name = store, text
    folder = Path(text)
    if folders.is_folder_path(folder) and folders.is_file_path(folder.resolve().parent.parent / DATABASE):
        home, name = folder.resolve().parent.parent, folder.resolve().name
    if not folders.is_file_path(home / DATABASE):
        return RunNotFoundError(f"There is no store in {str(home)!r}.", hint="Name its folder with --store.")
    from zoo.store import Store

    with Store(home, reading=True) as opened:
        try:
            record = opened.get(name)
        except RunNotFoundError as error:
            return error
        return FoundRun(record, opened.folder(record.id))


def _is_ambiguous(text: str, *, store: Path) -> bool:
    return sum(one.startswith(text) for one in _ids(store)) > 1


def _unknown(text: str, name: str, catalog: Catalog, *, store: Path, kind: str | None) -> UnknownNameError:
    known = [item for one in KINDS if kind in (None, one) for item in catalog.names(one)]
    if kind is not None:
        return UnknownNameError(kind, text, known)
    near = difflib.get_close_matches(name, [*known, *_ids(store)], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`zoo list` shows all items, `zoo leaderboard` all runs."
    return UnknownNameError(f"item or run in {str(store)!r}", text, known, hint=hint)


def _ids(store: Path) -> tuple[str, ...]:
    if not folders.is_file_path(store / DATABASE):
        return ()
    from zoo.store import Store

    with Store(store, reading=True) as opened:
        return tuple(record.id for record in opened.runs())


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
