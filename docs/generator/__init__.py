"""The parts of `docs/generate.py`: one module for each page, and the Markdown they share."""
