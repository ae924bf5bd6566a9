"""`zoo scout`: rank backbones before any training."""

from typing import Annotated, Any

import typer

from zoo.cli import options, screen
from zoo.cli.session import session_of
from zoo.errors import UsageError

FORMAT = 1
_FAILED = 5  # the exit code of a TrainingError

Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="Folder with one sub-folder of pictures per class (or train/ and val/ above those), a table (.csv, .tsv, "
        ".parquet) with a path and a label in each row, or `demo`.",
        show_default=False,
    ),
]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbone",
        "-b",
        metavar="NAME",
        help="Backbone, such as efficientnetb0:size=160. Can be repeated. [default: all with weights on this machine]",
        show_default=False,
    ),
]
Pictures = Annotated[
    int | None,
    typer.Option(
        "--pictures",
        metavar="N",
        help="Look at so many training pictures at most, drawn evenly from the classes. [default: 1000]",
        show_default=False,
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch weights that are not on this machine; without it nothing is fetched.")
]
RankBy = Annotated[
    str | None,
    typer.Option(
        "--rank-by",
        metavar="SCORE",
        help="Rank by `log-me`, `neighbours` or `probe`. [default: the one that agreed best with fine-tuned scores]",
        show_default=False,
    ),
]


def scout(
    context: typer.Context,
    data: Data = None,
    *,
    backbone: Backbones = None,
    pictures: Pictures = None,
    download: Download = False,
    rank_by: RankBy = None,
    split: options.Split = None,
    split_seed: options.SplitSeed = None,
    source: options.Source = None,
    store: options.Store = None,
    no_cache: options.NoCache = False,
    cache_limit: options.CacheLimit = None,
    json: options.Json = False,
) -> None:
    """Rank backbones by how well their features tell your classes apart, before any training.

    Each backbone sees the training pictures once; validation and test pictures are not looked at. `zoo compare` of the
    same pictures finds what was computed. Without -b all backbones take part whose weights are on this machine.
    """
    if data is None:
        raise UsageError(
            "There are no pictures to work on.",
            hint="Name a folder with one sub-folder per class, or `demo` for made-up pictures.",
        )
    from zoo.grid import parse_split

    given: dict[str, Any] = {
        "pictures": pictures,
        "rank_by": None if rank_by is None else rank_by.replace("-", "_"),
        "split": None if split is None else parse_split(split),
        "split_seed": split_seed,
        "source": source,
    }
    catalog = session_of(context).catalog()
    from zoo import scouting
    from zoo.cli.live import watching

    with watching() as observe:
        found = scouting.scout(
            data,
            backbones=backbone or (),
            download=download,
            store=store or options.STORE,
            cache=not no_cache,
            cache_limit=cache_limit,
            observe=observe,
            catalog=catalog,
            **{name: value for name, value in given.items() if value is not None},
        )
    if json:
        screen.write_json({"format": FORMAT, **screen.plain(found)})
    else:
        from zoo.cli.render_ranking import show_ranking

        show_ranking(screen.results(), found, data=data)
    if any(one.reason for one in found.candidates):
        raise typer.Exit(_FAILED)
