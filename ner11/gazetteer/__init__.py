"""Gazetteers: lists of names from other projects, made one list of entities and matched in texts as silver labels.

`config` declares them, `sources` reads them, `entities` merges their names, `hazards` leaves out the names that would
match where they mean something else, `matcher` finds the rest in a text, and `silver` turns the finds into annotated
texts and measures them against annotated sets.
"""
