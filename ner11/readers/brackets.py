"""Nested brackets in a column of a table, as in TOP: `[IN:SET_ALARM wake me [SL:DATE_TIME at six ] ]`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, validate_call

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.readers import readers
from ner11.readers.detokenize import detokenize
from ner11.readers.standoff import lost_span
from ner11.readers.table import read_table

_OPEN = re.compile(r"\[[A-Z]+:\S+")
"""What begins a bracket; any other "[" is a token of the text."""
_SLOT = "SL:"
"""What labels of spans begin with; other brackets are intents, of which none is a span."""


def parse_brackets(parse: str) -> AnnotatedText:
    """Parse one text in bracket notation.

    Args:
        parse: Tokens and brackets with blanks between; only a "]" that stands alone closes.

    Returns:
        The text with its spans, nested ones too; with brackets that do not match it is damage.
    """
    tokens: list[str] = []
    opened: list[tuple[str, int]] = []
    closed: list[tuple[int, int, str]] = []
    damage = ""
    for piece in parse.split():
        if _OPEN.fullmatch(piece):
            opened.append((piece[1:], len(tokens)))
        elif piece != "]":
            tokens.append(piece)
        elif opened:
            label, first = opened.pop()
            closed.append((first, len(tokens), label))
        else:
            damage = "a ']' without its '['"
    if opened:
        damage = damage or "a '[' without its ']'"
        closed.extend((first, len(tokens), label) for label, first in opened)
    text, starts = detokenize(tokens)
    annotated = AnnotatedText(text, damage=damage)
    for first, last, label in closed:
        if not label.startswith(_SLOT):
            continue
        label = label.removeprefix(_SLOT)
        if first < last:
            annotated.spans.append(LabelledSpan(starts[first], starts[last - 1] + len(tokens[last - 1]), label))
        else:
            annotated.spans.append(lost_span(label, "a bracket without a token"))
            annotated.problems.append("a bracket without a token")
    return annotated


@readers("brackets")
@validate_call
def read_brackets(
    path: Path,
    *,
    parse: str,
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = "\t",
) -> Iterator[AnnotatedText]:
    """Read a table with a header and a column in bracket notation; each row becomes a text, put together from its tokens.

    Args:
        path: The table, UTF-8; quotes are characters like others.
        parse: The column.
        delimiter: The character between cells.

    Yields:
        Texts, each its own document; one with brackets that do not match is damage.

    Raises:
        Ner11Error: If the file is missing, unreadable, or UTF-16, or its header lacks the column.
    """
    for line, (cell,), damage in read_table(path, columns=[parse], delimiter=delimiter, quoting=False):
        annotated = parse_brackets(cell)
        annotated.group, annotated.where, annotated.line = f"{path.stem}:{line}", str(path), line
        annotated.damage = damage or annotated.damage or ("" if annotated.text else "no text")
        yield annotated
