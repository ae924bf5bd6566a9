"""The command line. The only part of the library that imports typer and rich."""
