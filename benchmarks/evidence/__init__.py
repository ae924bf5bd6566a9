"""Measured answers about BatchNorm, shifts, batches, heads and scores; `benchmarks/measure.py` runs them."""
