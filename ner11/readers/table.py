"""Rows of a delimited file as a stream, with damage named by line."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ner11.errors import Ner11Error
from ner11.readers.files import MAX_LINE, open_input


class Row(NamedTuple):
    """A row: the line at which it begins, its cells, and why it cannot be trusted ("" if it can)."""

    line: int
    cells: list[str]
    damage: str


def _read_lines(path: Path, damage: list[str]) -> Iterator[str]:
    """Stream lines with their line ends, which inside quotes are part of a cell; damage goes to the list."""
    with open_input(path) as file:
        while raw := file.readline(MAX_LINE + 2):
            if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
                damage.append(f"a line over {MAX_LINE >> 20} MiB")
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_LINE)
                raw = b"\n"
            try:
                line = raw.decode("utf8")
            except UnicodeDecodeError as e:
                damage.append(f"byte 0x{raw[e.start]:02x} is not UTF-8")
                line = raw.decode("utf8", errors="replace")
            if "\0" in line:
                damage.append("a NUL byte")
            yield line


def _read_rows(path: Path, *, delimiter: str, quoting: bool) -> Iterator[Row]:
    damage: list[str] = []
    csv.field_size_limit(MAX_LINE)
    # Strict: else a quote that is never closed swallows the rest of the file without a word.
    reader = csv.reader(
        _read_lines(path, damage),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        damage.clear()
        line, cells = reader.line_num + 1, []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            damage.append(f"cannot be read up to line {reader.line_num} ({e})")
        if any(cell.strip() for cell in cells) or damage:
            yield Row(line, cells, damage[0] if damage else "")


def read_table(path: Path, *, columns: Sequence[str], delimiter: str = ",", quoting: bool = True) -> Iterator[Row]:
    """Stream the rows below a header; rows of blank cells only are left out.

    Args:
        path: The file, UTF-8.
        columns: Names of the columns wanted.
        delimiter: One character between cells.
        quoting: Whether quotes hold cells together; else they are characters like others.

    Yields:
        Rows with the wanted cells, in the wanted order, empty where they are missing; a row with missing or surplus
        cells, with bytes that are no UTF-8, a NUL byte, or quotes out of place says so in `damage`.

    Raises:
        Ner11Error: If the file is missing, unreadable, or UTF-16, or the header is damaged or lacks a column.
    """
    rows = _read_rows(path, delimiter=delimiter, quoting=quoting)
    header = next(rows, None)
    if header is None:
        return
    if header.damage:
        raise Ner11Error(f"header: {header.damage}", where=f"{path}:{header.line}", fix="Correct the header")
    names = [cell.strip() for cell in header.cells]
    for column in columns:
        if column not in names:
            there = ", ".join(names)
            fix = "Correct the columns or the delimiter in datasets.yml"
            raise Ner11Error(f"no column '{column}', only {there}", where=f"{path}:{header.line}", fix=fix)
    places = [names.index(column) for column in columns]
    for line, cells, damage in rows:
        if not damage and not max(places) < len(cells) <= len(names):
            damage = f"{len(cells)} cells, expected {len(names)}"
        yield Row(line, [cells[place] if place < len(cells) else "" for place in places], damage)
