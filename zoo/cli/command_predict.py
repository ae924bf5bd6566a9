"""`zoo predict`: classes of pictures by the model of a run."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import options, screen
from zoo.errors import UsageError

_UNREADABLE = 4  # the exit code of a DataError

Run = Annotated[str, typer.Argument(metavar="RUN", help="Run id, beginning of one, or a run's folder.")]
Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATHS…", help="Pictures, or folders of them. After -- also names that start with a dash."),
]
Csv = Annotated[bool, typer.Option("--csv", help="Write CSV to stdout, with the probability of each class.")]


def predict(
    run: Run,
    paths: Paths,
    store: options.Store = None,
    json: options.Json = False,
    csv: Csv = False,
) -> None:
    """Predict the class of pictures.

    A picture that cannot be read is listed with the reason, and the exit code is 4.
    """
    if json and csv:
        raise UsageError("--json and --csv cannot both be written to stdout.", hint="Choose one.")
    from zoo import runs
    from zoo.cli import render_predictions

    handle = runs.load(run, store=store or options.STORE)
    console = screen.errors()
    waiting = console.status("reading and classifying pictures") if screen.is_live(sys.stderr) else None
    with contextlib.redirect_stdout(sys.stderr), waiting or contextlib.nullcontext():
        predictions = handle.predict([Path(path) for path in paths])
    if json:
        screen.write_json(render_predictions.document(handle.id, handle.classes, predictions))
    elif csv:
        render_predictions.write_csv(handle.classes, predictions)
    else:
        render_predictions.show(screen.results(), predictions)
    if any(prediction.error for prediction in predictions):
        raise typer.Exit(_UNREADABLE)
