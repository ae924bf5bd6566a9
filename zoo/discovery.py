"""Finding plugins, without importing any: built-in modules, entry points of installed distributions, given objects."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from zoo import installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib import metadata

GROUP = "zoo"
"""The entry-point group of plugins."""

_HOST = "keras-zoo"
_ABSENT = "(not installed)"
_SECTION = re.compile(rf"^\s*\[\s*{GROUP}\s*\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that was found and not yet loaded.

    Attributes:
        name: Name of its entry point, or of the module for a built-in one.
        distribution: Name of its distribution, "" if it was given in this process.
        version: Version of its distribution.
        origin: Where it comes from, in words.
        module: Module in which `ZOO_API_LEVEL` may stand.
        builtin: Whether it belongs to keras-zoo itself.
        load: Imports it and returns the plugin object. May raise anything.
    """

    name: str
    distribution: str
    version: str
    origin: str
    module: str
    builtin: bool
    load: Callable[[], object]

    @property
    def id(self) -> str:
        """Name with distribution: two distributions may use the same entry-point name."""
        return f"{self.distribution}:{self.name}" if self.distribution else self.name

    def answers_to(self, selector: str) -> bool:
        """Whether a person means it by its name, its distribution's name, or `distribution:name`."""
        distribution, colon, name = selector.partition(":")
        same_distribution = bool(self.distribution) and _normal(distribution) == _normal(self.distribution)
        if colon:
            return same_distribution and name == self.name
        return same_distribution or selector == self.name


def builtin_candidates() -> list[Candidate]:
    """Modules of the package `zoo.builtin` whose names do not start with `_`, sorted."""
    package = importlib.import_module("zoo.builtin")
    version = host_version()
    found = []
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        if name.startswith("_"):
            continue
        module = f"{package.__name__}.{name}"
        found.append(
            Candidate(
                name=name,
                distribution=_HOST,
                version=version,
                origin=f"{_HOST} {version} ({module})",
                module=module,
                builtin=True,
                load=partial(importlib.import_module, module),
            )
        )
    return found


def installed_candidates() -> list[Candidate]:
    """Entry points of the group `zoo`, sorted by distribution and name, so that `sys.path` does not decide.

    A distribution that is installed twice counts once: the copy that Python sees first. Metadata that cannot be read
    become a candidate that raises when it is loaded, so that they are reported instead of stopping the others.
    """
    try:
        found = [
            _candidate(point, one.name, one.version) for one in installed.with_group(GROUP) for point in one.points
        ]
    except installed.UnusualError:
        found = _told_by_metadata()
    return sorted(found, key=lambda candidate: (_normal(candidate.distribution), candidate.name, candidate.module))


def given_candidates(plugins: Iterable[object]) -> list[Candidate]:
    """Plugin objects or modules that were handed over in this process, in their order."""
    found = []
    for plugin in plugins:
        name = str(getattr(plugin, "__name__", type(plugin).__name__))
        module = name if name in sys.modules else str(getattr(plugin, "__module__", ""))
        found.append(
            Candidate(
                name=name,
                distribution="",
                version="",
                origin="given in this process",
                module=module,
                builtin=False,
                load=partial(_itself, plugin),
            )
        )
    return found


def _told_by_metadata() -> list[Candidate]:
    """The same as `importlib.metadata` has it."""
    from importlib import metadata

    found: list[Candidate] = []
    names: set[str] = set()
    for distribution in metadata.distributions():
        if not _mentions_group(distribution):
            continue
        try:
            names.add(_normal(distribution.metadata["Name"]))
        except Exception as error:  # noqa: BLE001 — damaged metadata of a stranger are reported, not fatal
            found.append(_damaged("unknown distribution", error))
    for name in names:
        try:
            found.extend(_entry_points(metadata.distribution(name)))
        except Exception as error:  # noqa: BLE001 — as above
            found.append(_damaged(name, error))
    return found


def _mentions_group(distribution: metadata.Distribution) -> bool:
    try:
        return _SECTION.search(distribution.read_text("entry_points.txt") or "") is not None
    except (OSError, ValueError):  # unreadable or not UTF-8: whatever it is, it cannot be a plugin of ours
        return False


def _entry_points(distribution: metadata.Distribution) -> list[Candidate]:
    title = distribution.metadata["Name"]
    version = distribution.version or "without version"
    points = {(point.name, point.value): point for point in distribution.entry_points if point.group == GROUP}
    return [_candidate(point, title, version) for _, point in sorted(points.items())]


def _candidate(point: metadata.EntryPoint | installed.Point, distribution: str, version: str) -> Candidate:
    return Candidate(
        name=point.name,
        distribution=distribution,
        version=version,
        origin=f"{distribution} {version} (entry point {point.name})",
        module=point.value.partition(":")[0].strip(),
        builtin=False,
        load=point.load,
    )


def _damaged(distribution: str, error: Exception) -> Candidate:
    return Candidate(
        name=distribution,
        distribution=distribution,
        version="",
        origin=f"{distribution} (damaged metadata)",
        module="",
        builtin=False,
        load=partial(_refuse, error),
    )


def _refuse(error: Exception) -> NoReturn:
    raise error


def _itself(plugin: object) -> object:
    return plugin


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def host_version() -> str:
    """The version of keras-zoo, or words for its being on the path without being installed."""
    try:
        return installed.version_of(_HOST) or _ABSENT
    except installed.UnusualError:
        from importlib import metadata

        try:
            return metadata.version(_HOST)
        except metadata.PackageNotFoundError:
            return _ABSENT
