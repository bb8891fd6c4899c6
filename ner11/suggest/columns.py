"""Guesses at files of columns: what separates them, and which hold tokens and tags."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

LINES = 20_000
"""Lines of a file that are looked at."""
_PREFIXED = re.compile(r"[BIESLU]-\S+")
_LABEL = re.compile(r"[A-Za-z][\w./&|-]*")
_MARK = re.compile(r"\W*doc[-_ ]?start\W*", re.I)
_NUMBER = re.compile(r"[\d.,-]+")
_CHUNKS = frozenset(["NP", "VP", "PP", "ADJP", "ADVP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"])
_NEW_DOCUMENT = "# newdoc id = "
_MOST_LABELS = 400


def tag_scheme(values: Sequence[str]) -> str | None:
    """Tell what a column of tags is: "prefixed", "bare", or None if these are no tags of entities."""
    counts = Counter(values)
    outside = counts.pop("O", 0)
    tagged = sum(counts.values())
    if not tagged or len(counts) > _MOST_LABELS:
        return None
    prefixed = {tag: count for tag, count in counts.items() if _PREFIXED.fullmatch(tag)}
    if sum(prefixed.values()) >= 0.9 * tagged:
        return None if {tag[2:] for tag in prefixed} <= _CHUNKS else "prefixed"
    named = sum(count for tag, count in counts.items() if _LABEL.fullmatch(tag))
    few = len(counts) <= max(3, len(values) / 20)
    return "bare" if outside >= 0.3 * len(values) and named >= 0.9 * tagged and few else None


def token_column(rows: Sequence[Sequence[str]], others: Iterable[int]) -> int | None:
    """Choose the column with the most different values that are no numbers; the first of equal ones."""
    taken = set(others)
    best: tuple[int, int] | None = None
    for column in range(len(rows[0])):
        words = {row[column] for row in rows if not _NUMBER.fullmatch(row[column])}
        if column not in taken and words and (best is None or len(words) > best[0]):
            best = len(words), column
    return best[1] if best else None


def _layers(columns: dict[int, list[str]]) -> list[int]:
    """Leave out columns whose labels others have too, such as one of all layers merged; the later go first."""
    labels = {column: {tag.partition("-")[2] or tag for tag in tags if tag != "O"} for column, tags in columns.items()}
    kept = sorted(columns)
    for column in sorted(columns, reverse=True):
        if labels[column] <= set().union(*(labels[other] for other in kept if other != column)):
            kept.remove(column)
    return kept


def guess_columns(lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give options of the reader `columns` under which these lines look like tokens and tags.

    Args:
        lines: The first lines of a file, blank ones too.

    Yields:
        Options, those that are the default left out.
    """
    if len(lines) > 1000 and all(map(str.strip, lines)):
        return  # no sentence ever ends
    for separator in ("\t", " ", ",", ";"):
        cut = None if separator == " " else separator
        split = [line.split(cut) for line in lines if line.strip(separator + " \t")]
        widths = Counter(map(len, split))
        width = max(widths, key=lambda each: widths[each] * (each > 1), default=0)
        rows = [row for row in split if len(row) == width and not _MARK.fullmatch(row[0])]
        if width < 2 or not rows or widths[width] < 0.6 * len(split):
            continue
        schemes = {column: tag_scheme([row[column].strip() for row in rows]) for column in range(width)}
        wanted = "prefixed" if "prefixed" in schemes.values() else "bare"
        tags = _layers({c: [row[c].strip() for row in rows] for c, scheme in schemes.items() if scheme == wanted})
        token = token_column(rows, [column for column, scheme in schemes.items() if scheme])
        if not tags or token is None:
            continue
        options: dict[str, Any] = {} if separator == "\t" else {"separator": separator}
        if separator == " " and width == 2 and max(widths) > 2:
            options["columns"] = 2
        if token:
            options["token_column"] = token
        if tags != [width - 1]:
            options["tag_columns"] = tags
        if wanted == "bare":
            options["bare"] = True
        yield {**options, **_marks(lines, split, width)}


def _marks(lines: Sequence[str], split: list[list[str]], width: int) -> dict[str, Any]:
    """Find comments and what stands between documents."""
    marks: dict[str, Any] = {}
    comments = [row for row in split if row[0] == "#" or row[0].startswith("# ")]
    if comments and all(len(row) != width for row in comments):
        marks["comment"] = "# "
    if any(line.startswith(_NEW_DOCUMENT) for line in lines):
        marks["group"] = f"^{_NEW_DOCUMENT}(.*)"
    found = Counter(row[0].strip() for row in split if _MARK.fullmatch(row[0]))
    if found:
        marks["document_mark"] = found.most_common(1)[0][0]
    return marks
