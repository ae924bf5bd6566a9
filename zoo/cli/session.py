"""The options that stand before the command, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.cli.collector import at_rest

if TYPE_CHECKING:
    import typer

    from zoo.registry import Catalog


class Session(NamedTuple):
    """One call of the command line.

    Attributes:
        blocked: Plugins that are left out.
        strict: Whether a plugin that fails to load is an error.
        debug: Whether tracebacks are shown.
    """

    blocked: tuple[str, ...] = ()
    strict: bool = False
    debug: bool = False

    def catalog(self, *, quiet: bool = False) -> Catalog:
        """All items. Plugins that failed are named on stderr in one line, unless `quiet`.

        Raises:
            UnknownNameError: A blocked plugin does not exist.
            PluginLoadError: A plugin failed, and `strict` is set.
        """
        catalog = load_catalog(blocked=self.blocked, strict=self.strict)
        if catalog.failures and not quiet:
            from zoo import figures
            from zoo.cli import screen

            names = ", ".join(record.name for record in catalog.failures)
            said = f"{figures.counted(len(catalog.failures), 'plugin')} failed to load: {names}; `zoo plugins` says why"
            screen.say(screen.errors(), said, label="warning")
        return catalog


def load_catalog(**wanted: Any) -> Catalog:  # noqa: ANN401 - as there
    """What `zoo.plugins.load_catalog` returns; it is imported now, since help does without."""
    with at_rest():
        from zoo import plugins

        return plugins.load_catalog(**wanted)


def session_of(context: typer.Context) -> Session:
    """The session of a command's context."""
    session = context.find_object(Session)
    return session if session is not None else Session()
