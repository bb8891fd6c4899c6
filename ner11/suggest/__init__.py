"""A starter entry of `datasets.yml` for a data set that nobody configured yet.

Files that look alike are read with every reader and option that their content speaks for; the best reading wins. What each
label may mean is read off from its name, from data sets that have the same texts or names, and from gazetteers.
"""
