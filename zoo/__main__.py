"""`python -m zoo` is the command `zoo`."""

from __future__ import annotations

from zoo.cli.collector import at_rest


def main() -> None:
    """Entry point of the console script."""
    with at_rest():
        from zoo.cli.app import main as command
    command()


if __name__ == "__main__":
    main()
