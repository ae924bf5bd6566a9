"""`zoo scout`: rank backbones before any training."""

from typing import Annotated

import typer

from zoo.cli import options, screen
from zoo.cli.session import session_of

FORMAT = 1
_FAILED = 5  # the exit code of a TrainingError

Backbones = Annotated[list[str] | None, options.backbones("default: all with weights on this machine")]
Pictures = Annotated[int | None, options.pictures("training", 1000)]
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
    data: options.Photos = None,
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
    from zoo.cli.request import chosen, location

    data = location(data)
    given = {
        "pictures": pictures,
        "rank_by": None if rank_by is None else rank_by.replace("-", "_"),
        "split": split,
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
            **chosen(given),
        )
    if json:
        screen.write_json({"format": FORMAT, **screen.plain(found)})
    else:
        from zoo.cli.render_ranking import show_ranking

        show_ranking(screen.results(), found, data=data)
    if any(one.reason for one in found.candidates):
        raise typer.Exit(_FAILED)
