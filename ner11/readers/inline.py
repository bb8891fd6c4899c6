r"""Inline markup, as in Rasa's training files: `[APT28](THREAT_ACTOR) used [Mimikatz](TOOL).`

`\[` and `\]` are literal brackets; any other backslash is itself. A `.md` file is one text; a `.txt` file holds short texts, one
a line. Each text is a group of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import validate_call

from ner11.annotation import AnnotatedText, LabelledSpan
from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.files import read_utf8

_TOKEN = re.compile(r"\\[\[\]]|\[|\](?:\((?P<label>[^()\s]*)\))?")
_KINDS = (".md", ".txt")


def parse_inline(markup: str, *, where: str, line: int = 1) -> AnnotatedText:
    """Parse one marked-up text.

    Args:
        markup: The text with its markup.
        where: Name of the file, for messages.
        line: Line of the file at which the text begins.

    Raises:
        Ner11Error: If a bracket has no partner, markup is nested, a span is empty, crosses a line break or has a
            blank at its edge, or a label is missing; the message names line and column.
    """

    def damaged(what: str, at: int, fix: str) -> Ner11Error:
        row, column = line + markup.count("\n", 0, at), at - markup.rfind("\n", 0, at)
        return Ner11Error(what, where=f"{where}:{row}:{column}", fix=fix)

    parts: list[str] = []
    spans: list[LabelledSpan] = []
    length = last = 0
    opened: tuple[int, int, int] | None = None  # (place in the markup, place in the text, parts before it)

    def literal(piece: str) -> None:
        nonlocal length
        parts.append(piece)
        length += len(piece)

    for match in _TOKEN.finditer(markup):
        literal(markup[last : match.start()])
        last = match.end()
        token = match.group()
        if token.startswith("\\"):
            literal(token[1])
        elif token == "[":
            if opened:
                raise damaged("a '[' inside an entity", match.start(), r"Write a literal bracket as \[")
            opened = match.start(), length, len(parts)
        else:
            if not opened:
                raise damaged("a ']' without its '['", match.start(), r"Write a literal bracket as \]")
            if not match["label"]:
                raise damaged("an entity without (LABEL) behind its ']'", match.start(), "Write [surface](LABEL)")
            at, start, before = opened
            surface = "".join(parts[before:])
            if not surface or surface != surface.strip() or "\n" in surface:
                problem = "an empty entity" if not surface else "an entity with a blank at its edge or a line break"
                raise damaged(problem, at, "Mark the bare name on one line")
            spans.append(LabelledSpan(start, length, match["label"]))
            opened = None
    if opened:
        raise damaged("a '[' without its ']'", opened[0], r"Close the entity, or write a literal bracket as \[")
    literal(markup[last:])
    return AnnotatedText("".join(parts), spans, where=where, line=line)


@readers("inline")
@validate_call
def read_inline(path: Path) -> Iterator[AnnotatedText]:
    """Read a folder of `.md` files, one text each, and `.txt` files, one short text a line, in the order of their names.

    Args:
        path: The folder. A `.md` file is the group `<stem>`, a line of a `.txt` file `<stem>:<line>`; blank lines are skipped.

    Raises:
        Ner11Error: If a file is damaged, or the folder is missing or holds none.
    """
    files = sorted(file for file in path.glob("*") if file.suffix in _KINDS and file.is_file())
    if not files:
        raise Ner11Error("no *.md files here, and no *.txt files", where=path, fix="Put them there or correct the path")
    for file in files:
        content = read_utf8(file).replace("\r\n", "\n").rstrip("\n")
        if file.suffix == ".md":
            text = parse_inline(content, where=str(file))
            text.group = file.stem
            yield text
            continue
        for number, line in enumerate(content.split("\n"), start=1):
            if line.strip():
                text = parse_inline(line.rstrip(), where=str(file), line=number)
                text.group = f"{file.stem}:{number}"
                yield text
