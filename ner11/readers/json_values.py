"""Parsing one record of JSON, which never fails but says what is wrong with it."""

import json
import re
from typing import Any, NamedTuple

from ner11.readers.files import Line

_HALF = r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"\\u[dD][89abAB][0-9a-fA-F]{{2}}\\u[dD][c-fC-F][0-9a-fA-F]{{2}}|({_HALF})|\\.", re.DOTALL)
"""An escape; the group is half of a surrogate pair without the other, which cannot be written as UTF-8."""


class Record(NamedTuple):
    """The value of a record, the line on which it begins, why it cannot be trusted ("" if it can), and what was mended."""

    line: int
    value: Any
    damage: str
    problems: list[str]


def parse_record(record: Line) -> Record:
    """Parse a record, also one that others would refuse: with NaN, keys twice, or control characters in a string.

    Half of a surrogate pair becomes U+FFFD, so that offsets stay.
    """
    line, text, damage = record
    value, problems = None, []
    if re.search(_HALF, text):
        mended = _ESCAPE.sub(lambda match: r"\ufffd" if match[1] else match[0], text)
        problems = ["half of a surrogate pair"] * (mended != text)
        text = mended
    try:
        value = json.loads(text, strict=False)
    except RecursionError:
        damage = damage or "nested too deeply"
    except json.JSONDecodeError as e:
        damage = damage or f"line {line + e.lineno - 1}: no JSON ({e.msg})"
    except ValueError:
        damage = damage or "a number of thousands of digits"  # Python refuses to read it
    return Record(line, value, damage, problems)
