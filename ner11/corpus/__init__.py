"""The corpus: documents on disk, duplicates and leaks, and the weighted reader that training uses."""
