"""Readers: one module per file format, each a function from a path to a stream of annotated texts.

A reader gives labels as its source has them and raises `Ner11Error` with file and line where a record is damaged.
A new format registers itself with `@readers("name")`, also from another package by the entry point group `ner11_readers`;
`pydantic.validate_call` checks the options that `datasets.yml` gives it.
"""

from collections.abc import Callable, Iterator

import catalogue

from ner11.annotation import AnnotatedText

Reader = Callable[..., Iterator[AnnotatedText]]

readers = catalogue.create("ner11", "readers", entry_points=True)

from ner11.readers import columns, inline  # noqa: E402, F401  (register themselves)
