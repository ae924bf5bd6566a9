"""`zoo leaderboard`: the board of a store, any time."""

from zoo.cli import options, screen


def leaderboard(
    store: options.Store = None,
    metric: options.RankBy = None,
    json: options.Json = False,
) -> None:
    """Rank all runs of a store that used the same pictures and split as the last one. Trains nothing."""
    from zoo.standings import leaderboard as board_of

    folder = store or options.STORE
    board = board_of(folder, metric=metric or "accuracy")
    from zoo.cli.render_board import board_document, show_board

    if json:
        screen.write_json(board_document(board, store=folder))
    else:
        show_board(screen.results(), board, store=folder)
