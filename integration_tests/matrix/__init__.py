"""Every trouble at every place of every table with every reader, and how each read has to end.

`troubles` and `places` are lists, `cells` crosses them and says by one rule how a cell has to end, `world` is what a
cell happens in, `readers` reads a table, `judgement` tells how that ended, `run` does all this and `tally` counts.
"""
