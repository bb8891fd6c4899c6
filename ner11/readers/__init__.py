"""Readers: one module per file format, each a function from a file to a stream of annotated texts.

A reader gives labels as its source has them and never loses a record silently: one that it cannot use comes out with
`damage`, what it could live with stands in `problems`, and a span that cannot be an entity has the outcome "unknown" or
"dropped" with a reason. It raises `Ner11Error` only where the file as a whole cannot be read; `inline` too, for a
mistake in hand-written markup is to be mended.
A new format registers itself with `@readers("name")`, also from another package by the entry point group `ner11_readers`;
`pydantic.validate_call` checks the options that `datasets.yml` gives it.
"""

from collections.abc import Callable, Iterator

import catalogue

from ner11.annotation import AnnotatedText

Reader = Callable[..., Iterator[AnnotatedText]]

readers = catalogue.create("ner11", "readers", entry_points=True)

from ner11.readers import brackets, brat, columns, csv, docbin, inline, json, label_studio  # noqa: E402, F401  (register themselves)
