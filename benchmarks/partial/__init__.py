"""What `benchmarks/partial_labels.py` is made of: transformations of the corpus, one training, scores with intervals."""
