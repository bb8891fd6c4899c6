"""Active learning: which texts to annotate next."""
