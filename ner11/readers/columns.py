"""CoNLL-style columns: one token a line, a blank line after each sentence, tags in one or more columns."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, validate_call

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.readers import readers
from ner11.readers.detokenize import detokenize
from ner11.readers.files import read_lines

NO_TAG = "?"
"""The label of a token whose tag is missing or damaged; its span is always unknown."""
DAMAGED_TAG = "a damaged tag"
_PREFIXES = frozenset("BIESLU")


def tag_spans(tags: Sequence[str], *, bare: bool = False) -> list[tuple[int, int, str]]:
    """Turn tags into spans of tokens, whatever the scheme: IOB1, BIO, BIOES, BILUO, or bare labels.

    Args:
        tags: One tag a token. A span starts at B-, S- or U-, and at an I-, E- or L- whose label is not open.
        bare: Tags are labels without prefixes; neighbors of the same label are one span.

    Returns:
        (first token, one past the last, label) of each span; a tag that is none becomes a span of its own token with
        the label `NO_TAG`.
    """
    spans: list[tuple[int, int, str]] = []
    label, start = "", 0
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = ("I", "", "" if tag == "O" else tag or NO_TAG) if bare else tag.partition("-")
        if tag != "O" and not (name and prefix in _PREFIXES and prefix):
            prefix, name = "S", NO_TAG
        if label and (name != label or prefix in ("B", "S", "U")):
            spans.append((start, i, label))
            label = ""
        if name and not label:
            label, start = name, i
        if label and prefix in ("E", "S", "L", "U"):
            spans.append((start, i + 1, label))
            label = ""
    return spans


def tagged_text(
    tokens: Sequence[str], layers: Sequence[Sequence[str]], *, where: str, line: int, bare: bool = False
) -> AnnotatedText:
    """Build a text from tokens and their tags.

    Args:
        tokens: Tokens; an empty one takes no room, one of blanks only is a blank.
        layers: For each tag column one tag a token. Spans of different layers may overlap.
        where: File, for messages.
        line: Line of the first token.
        bare: Tags are labels without prefixes.

    Returns:
        The text; a token without a usable tag is an unknown span, an entity without a token a dropped one.
    """
    problems = ["a tag without a token"] * tokens.count("") if "" in tokens else []
    tokens = [token.strip() for token in tokens]
    text, starts = detokenize(tokens)
    annotated = AnnotatedText(text, where=where, line=line, problems=problems)
    for tags in layers:
        if set(tags) == {"O"}:
            continue
        for first, last, label in tag_spans(tags, bare=bare):
            filled = [i for i in range(first, last) if tokens[i]]
            if not filled:
                if label != NO_TAG:
                    span = LabelledSpan(starts[first], starts[first], label, outcome="dropped", reason="a tag without a token")
                    annotated.spans.append(span)
                continue
            span = LabelledSpan(starts[filled[0]], starts[filled[-1]] + len(tokens[filled[-1]]), label)
            if label == NO_TAG:
                span.outcome, span.reason = "unknown", DAMAGED_TAG if tags[first] else "a token without a tag"
                annotated.problems.append(span.reason)
            annotated.spans.append(span)
    return annotated


@readers("columns")
@validate_call
def read_columns(
    path: Path,
    *,
    separator: Annotated[str, Field(min_length=1)] = "\t",
    columns: Annotated[int | None, Field(ge=2)] = None,
    token_column: int = 0,
    tag_columns: Annotated[list[int], Field(min_length=1)] = [-1],  # noqa: B006  (never changed)
    bare: bool = False,
    comment: str | None = None,
    document_mark: str | None = None,
    group: str | None = None,
) -> Iterator[AnnotatedText]:
    r"""Read a file of token and tag columns; each sentence becomes a text.

    Args:
        path: The file, UTF-8. Lines end with LF or CRLF; other line separators are part of a token.
        separator: What stands between columns; a blank means any run of blanks. A line without a token (blank, or
            separators only) ends a sentence; a token that is only a blank, such as a no-break space, is a blank of the text.
        columns: How many columns a line has, if that is certain; the tag of a line with more is not trusted.
        token_column: Column that holds the token.
        tag_columns: Columns that hold tags, layer by layer; spans of different layers may overlap.
        bare: Tags are labels without B- or I-; neighbors of the same label are one span.
        comment: Lines that begin so are comments.
        document_mark: Token of the lines between documents, such as -DOCSTART-; sentences in between form a group.
        group: Regular expression for a line (comment or not) that names the document of what follows by its first
            bracket, such as `^# newdoc id = (.*)`.

    Yields:
        Texts. A line with a token and no tag makes an unknown span, one with a tag and no token takes no room; a
        sentence with a damaged line comes out as damage.

    Raises:
        Ner11Error: If the file is missing, unreadable, or UTF-16.
    """
    needed = max(2, *(column + 1 if column >= 0 else -column for column in (token_column, *tag_columns)))
    pattern = re.compile(group) if group else None
    cut = None if separator == " " else separator
    tokens: list[str] = []
    layers: list[list[str]] = [[] for _ in tag_columns]
    first_line, document, name, damage = 1, 0, "", ""
    plain = not (pattern or comment or document_mark) and len(tag_columns) == 1
    most = columns or sys.maxsize

    def sentence() -> AnnotatedText:
        nonlocal tokens, layers, damage
        text = tagged_text(tokens, layers, where=str(path), line=first_line, bare=bare)
        text.group = name or (f"{path.stem}-{document}" if document_mark else f"{path.stem}:{first_line}")
        text.damage = damage
        tokens, layers, damage = [], [[] for _ in tag_columns], ""
        return text

    for number, line, broken in read_lines(path):
        if plain and not broken:  # nearly all lines: one token with its tag, or the end of a sentence
            row = line.split(cut)
            if needed <= len(row) <= most and row[token_column].strip():
                if not tokens:
                    first_line = number
                tokens.append(row[token_column])
                layers[0].append(row[tag_columns[0]].strip())
                continue
            if not line:
                if tokens:
                    yield sentence()
                continue
        if broken:
            if not tokens:
                first_line = number
            tokens.append(line.split(cut)[0] if line else "?")
            for tags in layers:
                tags.append("")
            damage = damage or f"line {number}: {broken}"
            continue
        if pattern or comment:
            found = pattern.match(line) if pattern else None
            if found and tokens:
                yield sentence()
            name = found[1] if found else name
            if found or (comment and line.startswith(comment)):
                continue
        row = line.split(cut)
        if len(row) < needed and (row == ["O"] or (cut is None and line[:1] == " ")):
            row.insert(0, "")  # a tag that should have followed a token, with or without the blank between them
        token = row[token_column] if -len(row) <= token_column < len(row) else ""
        if document_mark is not None and token.strip() == document_mark:
            if tokens:
                yield sentence()
            document += 1
        elif not any(map(str.strip, row)):
            if tokens:
                yield sentence()
        else:
            if not tokens:
                first_line = number
            tokens.append(token)
            trusted = needed <= len(row) <= most
            for column, tags in zip(tag_columns, layers, strict=True):
                tags.append(row[column].strip() if trusted else "" if len(row) < needed else f"{len(row)} columns")
    if tokens:
        yield sentence()
