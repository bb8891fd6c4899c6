"""CoNLL-style columns: one token a line, a blank line after each sentence, tags in one or more columns."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, validate_call

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.detokenize import detokenize
from ner11.readers.files import read_utf8


def tag_spans(tags: Sequence[str], *, where: str) -> list[tuple[int, int, str]]:
    """Turn tags into spans of tokens, whatever the scheme: IOB1, BIO, BIOES or BILUO.

    Args:
        tags: One tag a token. A span starts at B-, S- or U-, and at an I-, E- or L- whose label is not open.
        where: File and line of the first tag, for messages.

    Returns:
        (first token, one past the last, label) of each span.

    Raises:
        Ner11Error: If a tag is neither O nor prefix-label.
    """
    spans: list[tuple[int, int, str]] = []
    label, start = "", 0
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if tag != "O" and not (name and prefix in ("B", "I", "E", "S", "L", "U")):
            raise Ner11Error(f"'{tag}' is no tag", where=where, fix="Expected O, or B-, I-, E-, S-, L- or U- and a label")
        if label and (name != label or prefix in ("B", "S", "U")):
            spans.append((start, i, label))
            label = ""
        if name and not label:
            label, start = name, i
        if label and prefix in ("E", "S", "L", "U"):
            spans.append((start, i + 1, label))
            label = ""
    return spans


def _sentence(rows: list[list[str]], *, tag_columns: Sequence[int], path: Path, line: int) -> AnnotatedText:
    tokens = [row[0].strip() for row in rows]
    text, starts = detokenize(tokens)
    spans = []
    for column in tag_columns:
        for first, last, label in tag_spans([row[column] for row in rows], where=f"{path}:{line}"):
            filled = [i for i in range(first, last) if tokens[i]] or [first]
            end = starts[filled[-1]] + len(tokens[filled[-1]])
            spans.append(LabelledSpan(starts[filled[0]], end, frozenset({label}), origin=label))
    return AnnotatedText(text, spans, where=str(path), line=line)


@readers("columns")
@validate_call
def read_columns(
    path: Path,
    *,
    separator: Annotated[str, Field(min_length=1)] = "\t",
    tag_columns: Annotated[list[int], Field(min_length=1)] = [-1],  # noqa: B006  (never changed)
    document_mark: str | None = None,
) -> Iterator[AnnotatedText]:
    """Read a file of token and tag columns; each sentence becomes a text.

    Args:
        path: The file, UTF-8. Lines end with LF or CRLF; other line separators are part of a token.
        separator: What stands between columns. A line without a token (blank, or separators only) ends a sentence; a
            token that is only a blank, such as a no-break space, is a blank of the text.
        tag_columns: Columns that hold tags, layer by layer; spans of different layers may overlap.
        document_mark: First column of the lines between documents; sentences in between form a group.

    Raises:
        Ner11Error: If the file is not UTF-8, a line has too few columns, or a tag is damaged.
    """
    needed = max(column + 1 if column >= 0 else -column for column in tag_columns)
    rows: list[list[str]] = []
    first_line, document = 1, 0

    def group() -> str:
        return f"{path.stem}-{document}" if document_mark else f"{path.stem}:{first_line}"

    for number, line in enumerate([*read_utf8(path).split("\n"), ""], start=1):
        row = line.removesuffix("\r").split(separator)
        marked = document_mark is not None and row[0].strip() == document_mark
        if row[0] and not marked and "".join(row).strip():
            if len(row) < max(needed, 2):
                raise Ner11Error(
                    f"{len(row)} columns, expected at least {max(needed, 2)}",
                    where=f"{path}:{number}",
                    fix="Correct the line, or the separator and the tag columns in datasets.yml",
                )
            if not rows:
                first_line = number
            rows.append(row)
        elif rows:
            text = _sentence(rows, tag_columns=tag_columns, path=path, line=first_line)
            text.group = group()
            yield text
            rows = []
        document += marked
