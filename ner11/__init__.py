"""ner11: many disagreeing annotated data sets, one transformer NER model that people can install."""

__version__ = "0.1.0"
