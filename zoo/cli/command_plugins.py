"""`zoo plugins`: what became of every plugin."""

import typer

from zoo.cli import screen
from zoo.cli.options import Json
from zoo.cli.session import session_of

FORMAT = 1


def plugins(context: typer.Context, json: Json = False) -> None:
    """Show every plugin: loaded, failed (and why) or blocked."""
    session = session_of(context)
    catalog = session.catalog(quiet=True)
    if json:
        records = [
            {
                "name": record.name,
                "distribution": record.distribution,
                "version": record.version,
                "status": record.status,
                "items": record.items,
                "cause": record.cause,
                "api_level": record.api_level,
                "milliseconds": record.milliseconds,
                **({"traceback": record.traceback} if session.debug else {}),
            }
            for record in catalog.plugins
        ]
        screen.write_json({"format": FORMAT, "plugins": records})
        return
    from zoo.cli.render_plugins import show_plugins

    screen.show(lambda page: show_plugins(page, catalog.plugins, debug=session.debug))
