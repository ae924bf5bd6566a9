"""What `grid.py` is made of: scenarios, the programs that are compared, and what is measured of each."""
