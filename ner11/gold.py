"""Checks on a gold set that go beyond what reading it needs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from spacy.tokens import Doc

from ner11.annotation import AnnotatedText
from ner11.corpus.docs import TokenBorders
from ner11.datasets import SPLITS
from ner11.readers.inline import read_inline
from ner11.schema import Schema


def _problems(text: AnnotatedText, schema: Schema, make_doc: Callable[[str], Doc]) -> Iterator[str]:
    doc = make_doc(text.text)
    borders = TokenBorders(doc)
    for span in text.spans:
        surface = text.text[span.start : span.end]
        if span.origin not in schema:
            yield f"{text.place(span)}: unknown label '{span.origin}' on '{surface}'"
        first, last = borders.touched(span)
        if any(map(str.isalnum, borders.outside(text.text, span, first, last))):
            yield f"{text.place(span)}: '{surface}' ({span.origin}) cuts the token '{doc[first:last]}'"


def check_gold(folder: Path, *, schema: Schema, make_doc: Callable[[str], Doc]) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Check a gold set.

    Args:
        folder: Folder with `train/`, `dev/` and `test/`.
        schema: The label tree.
        make_doc: The tokenizer of the pipeline.

    Returns:
        Spans by active label (or reserved node) and split, and a list of problems, each naming file and line: unknown
        labels, borders inside a token, a document in two splits.

    Raises:
        Ner11Error: If the markup of a file is damaged, or a split is missing.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    problems: list[str] = []
    seen: dict[str, str] = {}
    for split in SPLITS:
        for text in read_inline(folder / split):
            problems.extend(_problems(text, schema, make_doc))
            if text.text in seen:
                problems.append(f"{text.where}: the same text as {seen[text.text]}")
            seen[text.text] = text.where
            for span in text.spans:
                if span.origin in schema:
                    allowed = schema.allowed(span.origin)
                    label = next(iter(allowed)) if len(allowed) == 1 else span.origin
                    counts[label][split] += 1
    return {label: dict(count) for label, count in counts.items()}, problems
