"""Release: the pip-installable package and the check that it works where nothing else is installed."""
