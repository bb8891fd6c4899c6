"""Reading input files as streams, with damage named by line and nothing held in memory."""

import codecs
from collections.abc import Iterator
from functools import partial
from itertools import count, repeat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ner11.errors import Ner11Error

MAX_LINE = 16 * 2**20
"""Bytes of the longest line that is read; a longer one is damage."""
_BLOCK = 2**20
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Line(NamedTuple):
    """A line without its line end, its number from 1, and why it cannot be trusted ("" if it can)."""

    number: int
    text: str
    damage: str


def open_input(path: Path) -> BinaryIO:
    """Open an input file, past its UTF-8 byte order mark if it has one.

    Raises:
        Ner11Error: If the file is missing, unreadable, or UTF-16.
    """
    try:
        file = path.open("rb")
        start = file.read(3)
    except OSError as e:
        raise Ner11Error(f"cannot be read ({e.strerror})", where=path, fix="Check the path and its permissions") from e
    if start.startswith(_WIDE):
        file.close()
        raise Ner11Error("UTF-16, expected UTF-8", where=f"{path}:1", fix="Convert the file to UTF-8")
    file.seek(3 if start == codecs.BOM_UTF8 else 0)
    return file


def decode_line(number: int, raw: bytes) -> Line:
    """Decode a line, or say what is wrong with it."""
    raw = raw.removesuffix(b"\r")
    if len(raw) > MAX_LINE:
        return Line(number, "", f"a line over {MAX_LINE >> 20} MiB")
    try:
        text = raw.decode("utf8")
    except UnicodeDecodeError as e:
        return Line(number, raw.decode("utf8", errors="replace"), f"byte 0x{raw[e.start]:02x} is not UTF-8")
    return Line(number, text, "a NUL byte" if "\0" in text else "")


_make_line = partial(tuple.__new__, Line)


def _decode_block(number: int, block: bytes) -> Iterator[Line]:
    """Decode whole lines, together where nothing is wrong with any of them."""
    try:
        text = block.decode("utf8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or len(block) > MAX_LINE:
        return map(decode_line, count(number), block.split(b"\n"))
    lines = text.split("\n")
    if "\r" in text:
        lines = [line.removesuffix("\r") for line in lines]
    return map(_make_line, zip(count(number), lines, repeat("")))


def read_lines(path: Path) -> Iterator[Line]:
    """Stream the lines of a UTF-8 file, with or without a byte order mark; LF or CRLF ends a line, nothing else does.

    Args:
        path: The file.

    Yields:
        Lines; one that is no UTF-8, holds a NUL byte, or is over `MAX_LINE` says so in `damage`.

    Raises:
        Ner11Error: If the file is missing, unreadable, or UTF-16.
    """
    number = 1
    with open_input(path) as file:
        rest = b""
        while block := file.read(_BLOCK):
            whole, end, tail = block.rpartition(b"\n")
            if not end:
                # Of a line without end no more is kept than it takes to know that it is too long.
                rest = (rest + tail)[: MAX_LINE + 1]
                continue
            if len(rest) > MAX_LINE:
                yield decode_line(number, rest)
                number += 1
                _, end, whole = whole.partition(b"\n")
                rest = b""
            if end:
                yield from _decode_block(number, rest + whole)
                number += whole.count(b"\n") + 1
            rest = tail
        if rest:
            yield decode_line(number, rest)


def read_utf8(path: Path) -> str:
    """Read a UTF-8 file whole, with or without a byte order mark, its line ends untouched.

    Raises:
        Ner11Error: If the file is missing or is not UTF-8; the message names the line.
    """
    with open_input(path) as file:
        data = file.read()
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise Ner11Error(
            f"byte 0x{data[e.start]:02x} is not UTF-8", where=f"{path}:{line}", fix="Convert the file to UTF-8"
        ) from e


def list_files(folder: Path, pattern: str) -> list[Path]:
    """List the files of a folder that fit a pattern, in the order of their names.

    Raises:
        Ner11Error: If there is none.
    """
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not files:
        raise Ner11Error(f"no {pattern} files here", where=folder, fix="Put them there or correct the path")
    return files
