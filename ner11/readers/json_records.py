"""The records of a JSON file as a stream: each is cut out as it stands, with its line, to be parsed on its own.

So damage inside one record costs no other, and neither the size of the file nor the depth of its nesting matters.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ner11.errors import Ner11Error
from ner11.readers.files import MAX_LINE, Line, decode_line, open_input

_BLOCK = 2**20
_STRING = rb'"(?:[^"\\\n]++|\\[^\n])*+"?'  # one that is not closed ends with its line, so that it does not swallow the rest
_NO_BLANK = re.compile(rb"[^ \t\r\n]")
_TOKEN = re.compile(rb"%b|[\[\]{}:,]|[^\s\"\[\]{}:,]++" % _STRING)
_BRACKET = re.compile(rb"(?:[^\"\[\]{}]++|%b)*+([\[\]{}])" % _STRING)


class _BrokenError(Exception):
    """The file is no JSON from here on."""


class _Scanner:
    """A JSON file as a stream of bytes, of which no more is held than one block and the value that is being read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.buffer, self.at = file, b"", 0
        self.line, self.counted = 1, 0

    def fill(self) -> bool:
        self.tell()
        block = self.file.read(_BLOCK)
        self.buffer, self.at, self.counted = self.buffer[self.at :] + block, 0, 0
        if len(self.buffer) > MAX_LINE + _BLOCK:
            raise _BrokenError(f"a value over {MAX_LINE >> 20} MiB")
        return bool(block)

    def tell(self) -> int:
        self.line += self.buffer.count(b"\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def peek(self) -> bytes:
        """The first byte of the next token; nothing at the end."""
        while True:
            if match := _NO_BLANK.search(self.buffer, self.at):
                self.at = match.start()
                return match[0]
            self.at = len(self.buffer)
            if not self.fill():
                return b""

    def take(self) -> bytes:
        """The next token; nothing at the end."""
        self.peek()
        # A token that touches the end of the buffer may go on behind it.
        while (match := _TOKEN.match(self.buffer, self.at)) is None or match.end() >= len(self.buffer) - 1:
            if not self.fill():
                break
        token = match[0] if match else b""
        self.at += len(token)
        return token

    def value(self, *, keep: bool = True) -> bytes:
        """The next value as it stands in the file, or nothing if it is not to be kept."""
        if self.peek() not in (b"{", b"["):
            token = self.take()
            if token in (b"", b"]", b"}", b":", b","):
                raise _BrokenError(f"'{token.decode()}' instead of a value" if token else "the file ends too early")
            return token
        depth = length = 0
        while True:
            match = _BRACKET.match(self.buffer, self.at + length)
            if match is None:
                if not keep:
                    self.at, length = self.at + length, 0
                if not self.fill():
                    raise _BrokenError("the file ends inside a record")
                continue
            length = match.end() - self.at
            depth += 1 if match[1] in b"[{" else -1
            if not depth:
                start, self.at = self.at, match.end()
                return self.buffer[start : self.at] if keep else b""


def _expect(scanner: _Scanner, *tokens: bytes) -> bytes:
    token = scanner.take()
    if token not in tokens:
        wanted = " or ".join(f"'{each.decode()}'" for each in tokens)
        raise _BrokenError(f"no {wanted} where one belongs" if token else "the file ends too early")
    return token


def _walk(scanner: _Scanner, steps: list[str]) -> Iterator[bytes | None]:
    """Give the values at a path, and None for a list or object that may hold them."""
    opening = scanner.peek()
    if not steps:
        yield scanner.value()
    elif opening == b"[" and steps[0] in ("item", "*"):
        yield from _walk_children(scanner, steps, b"]")
    elif opening == b"{":
        yield from _walk_children(scanner, steps, b"}")
    else:
        scanner.value(keep=False)


def _walk_children(scanner: _Scanner, steps: list[str], closing: bytes) -> Iterator[bytes | None]:
    if steps == ["*"] or (closing == b"]" and len(steps) == 1):
        yield None
    scanner.take()
    if scanner.peek() == closing:
        scanner.take()
        return
    while True:
        key = steps[0]
        if closing == b"}":
            try:
                key = json.loads(token := scanner.take())
            except ValueError:
                raise _BrokenError("no key where one belongs" if token else "the file ends too early") from None
            _expect(scanner, b":")
        if closing == b"]" or steps[0] in (key, "*"):
            yield from _walk(scanner, steps[1:])
        else:
            scanner.value(keep=False)
        if _expect(scanner, b",", closing) == closing:
            return


def split_records(path: Path, records: str, *, fix: str = "Correct 'records' in datasets.yml") -> Iterator[Line]:
    """Stream the records of a JSON file, each with the line on which it begins.

    Args:
        path: The file, UTF-8.
        records: Keys from the top of the file to the records, with dots between them; `item` steps through a list, `*`
            through a list or the values of an object, and nothing at all means that the file is one record.
        fix: What to do where there are none.

    Yields:
        Records. Where the file is broken the last one says so and the rest of the file is not read.

    Raises:
        Ner11Error: If the file is missing, unreadable, or UTF-16, or has no list of records there.
    """
    with open_input(path) as file:
        scanner, found = _Scanner(file), False
        try:
            if not scanner.peek():
                return
            for raw in _walk(scanner, records.split(".") if records else []):
                found = True
                if raw is not None:
                    # The scanner stands behind the record.
                    yield decode_line(scanner.tell() - raw.count(b"\n"), raw)
            if scanner.peek():
                raise _BrokenError("more behind the end of the JSON value")
        except _BrokenError as e:
            yield Line(scanner.tell(), "", f"{e}; the rest of the file is not read")
            return
    if not found:
        raise Ner11Error(f"no records at '{records}'", where=f"{path}:1", fix=fix)
