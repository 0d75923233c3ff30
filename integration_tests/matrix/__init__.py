"""Every trouble at every place of every table through every door: what is tried, and how each try has to end.

`troubles` and `places` are lists, `cells` crosses them and says by one rule how a cell has to end, `world` is what a
cell happens in, `doors` reads a table and `judgement` tells how that ended. `tally` counts.
"""
