"""The catalog: everything that can be chosen, by kind and name, with where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

from zoo.contracts import API_LEVEL, Augmentation, Backbone, Head, Policy, Source
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.contracts import Item

Kind = Literal["source", "backbone", "head", "policy", "augmentation"]
"""What an item is."""

KINDS: Mapping[Kind, type[Item]] = MappingProxyType(
    {"source": Source, "backbone": Backbone, "head": Head, "policy": Policy, "augmentation": Augmentation}
)
"""The record class of each kind."""

HOOKS: Mapping[str, Kind] = MappingProxyType(
    {
        "zoo_sources": "source",
        "zoo_backbones": "backbone",
        "zoo_heads": "head",
        "zoo_policies": "policy",
        "zoo_augmentations": "augmentation",
    }
)
"""What each hook of `zoo.hookspecs` contributes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An item and where it came from, such as `keras-zoo 0.1.0 (zoo.builtin.head_gap)`."""

    item: Item
    origin: str


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """What became of one plugin.

    Attributes:
        name: Name of its entry point, or of the module for a built-in one.
        distribution: Name of the installed distribution it belongs to, "" if it was given in this process.
        version: Version of that distribution, "" as above.
        status: Whether it contributes. A failed or blocked plugin contributes nothing.
        items: What it contributes, as `backbone efficientnet-lite0`; for a failed plugin what it would have
            contributed, as far as that is known.
        cause: Why it failed or was blocked, in one line.
        traceback: The traceback of a failure, "" if there is none.
        api_level: Level of the contracts it was written for.
        milliseconds: Time to import it and call its hooks.
    """

    name: str
    distribution: str
    version: str
    status: Literal["loaded", "failed", "blocked"]
    items: tuple[str, ...] = ()
    cause: str = ""
    traceback: str = ""
    api_level: int = API_LEVEL
    milliseconds: float = 0.0

    @property
    def title(self) -> str:
        """The plugin and its distribution in words."""
        return (
            f"plugin {self.name!r} of {f'distribution {self.distribution!r}' if self.distribution else 'this process'}"
        )


@dataclass(frozen=True, slots=True)
class Catalog:
    """All items that loaded, and the fate of all plugins. A value: nothing can be added to it.

    Attributes:
        entries: Items with their origin; no two of one kind have the same name.
        plugins: One record for each plugin that was found, built-in ones first.
    """

    entries: tuple[Entry, ...] = ()
    plugins: tuple[PluginRecord, ...] = ()

    @property
    def failures(self) -> tuple[PluginRecord, ...]:
        """The plugins that failed."""
        return tuple(record for record in self.plugins if record.status == "failed")

    def get(self, kind: Kind, name: str) -> Item:
        """The item of that kind and name.

        Raises:
            UnknownNameError: There is none. The hint names plugins that failed or were blocked.
        """
        return self._entry(kind, name).item

    def origin(self, kind: Kind, name: str) -> str:
        """Where the item came from.

        Raises:
            UnknownNameError: There is none.
        """
        return self._entry(kind, name).origin

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Names of all items of a kind, sorted."""
        return tuple(item.name for item in self.items(kind))

    def items(self, kind: Kind) -> tuple[Item, ...]:
        """All items of a kind, sorted by name."""
        found = (entry.item for entry in self.entries if type(entry.item) is KINDS[kind])
        return tuple(sorted(found, key=lambda item: item.name))

    def source(self, name: str) -> Source:
        """The source of that name; raises `UnknownNameError`."""
        return cast("Source", self.get("source", name))

    def backbone(self, name: str) -> Backbone:
        """The backbone of that name; raises `UnknownNameError`."""
        return cast("Backbone", self.get("backbone", name))

    def head(self, name: str) -> Head:
        """The head of that name; raises `UnknownNameError`."""
        return cast("Head", self.get("head", name))

    def policy(self, name: str) -> Policy:
        """The policy of that name; raises `UnknownNameError`."""
        return cast("Policy", self.get("policy", name))

    def augmentation(self, name: str) -> Augmentation:
        """The augmentation of that name; raises `UnknownNameError`."""
        return cast("Augmentation", self.get("augmentation", name))

    def _entry(self, kind: Kind, name: str) -> Entry:
        for entry in self.entries:
            if entry.item.name == name and type(entry.item) is KINDS[kind]:
                return entry
        error = UnknownNameError(kind, name, self.names(kind))
        hint = " ".join((error.hint, *self._absent(f"{kind} {name}")))
        raise UnknownNameError(kind, name, self.names(kind), hint=hint)

    def _absent(self, item: str) -> list[str]:
        """Sentences about plugins that might have provided an item: the ones known to, else all that are absent."""
        absent = [record for record in self.plugins if record.status != "loaded"]
        suspects = [record for record in absent if item in record.items] or absent
        return [
            f"The {record.title} failed to load: {record.cause.rstrip('.')}; see `zoo plugins`."
            if record.status == "failed"
            else f"The {record.title} is blocked: {record.cause.rstrip('.')}."
            for record in suspects
        ]
