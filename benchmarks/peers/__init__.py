"""The systems that ner11 is compared with, each trained as its own users would train it."""
