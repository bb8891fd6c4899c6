"""Reading input files with errors that name the place."""

import codecs
from pathlib import Path

from ner11.errors import Ner11Error


def read_utf8(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark, its line ends untouched.

    Raises:
        Ner11Error: If the file is missing or is not UTF-8; the message names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise Ner11Error(f"cannot be read ({e.strerror})", where=path, fix="Check the path and its permissions") from e
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise Ner11Error(
            f"byte 0x{data[e.start]:02x} is not UTF-8", where=f"{path}:{line}", fix="Convert the file to UTF-8"
        ) from e
