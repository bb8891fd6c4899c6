"""Where things stand in the records of JSON data, and looking them up there."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Key = str | int


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_OF_SPANS = frozenset(["spans", "start", "end", "surface", "unit", "inclusive_end"])
_SURPLUS = {"tags": _OF_SPANS | {"text", "chunks", "label", "label_depth"}, "chunks": _OF_SPANS | {"tokens"}}
"""Options without a meaning beside another."""

Paths = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]


class Layout(BaseModel):
    """Where things stand in a record. A path is a key, or keys and positions in lists with dots between them.

    Annotation is what `spans`, `chunks` or `tags` says.

    Attributes:
        only: Paths and the values that a record must have there, such as Prodigy's `{answer: accept}`; others are left out.
        text: Path of the text; with `chunks`, of a chunk's text inside the chunk; null if the record has only tokens.
        group: Path of the name of the document; by default each record is its own.
        tokens: Path of the list of tokens; the lists that `*` steps through are joined.
        spans: Path(s) of the spans. `*` steps through each element of a list or each value of an object. What stands there
            is a list of spans or one span.
        chunks: Path of the list of chunks of which the text consists; one with a label is a span.
        tags: Path(s) of the list of tags, one a token, in any scheme; the text is put together from the tokens. With
            several paths spans of different lists may overlap.
        names: The tags that integers stand for, from 0.
        bare: Tags are labels without B- or I-; neighbors of the same label are one span.
        start: Path of a span's first character (or token) inside the span; 0 if the span is a list and begins with it.
        end: Path of one past its last character (or token).
        label: Path of its label; a list counts as a label if it holds one.
        surface: Path of the characters that it says stand there.
        label_depth: How many parts of a label such as `A/B/C` count.
        unit: Whether offsets count characters (code points) or tokens.
        inclusive_end: The end is the last character (or token) itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    only: dict[str, Any] = {}
    text: str | None = "text"
    group: str | None = None
    tokens: str | None = None
    spans: Paths = ["spans"]
    chunks: str | None = None
    tags: Paths | None = None
    names: Annotated[list[str], Field(min_length=1)] | None = None
    bare: bool = False
    start: Key = "start"
    end: Key = "end"
    label: Key = "label"
    surface: Key | None = None
    label_depth: Annotated[int | None, Field(ge=1)] = None
    unit: Literal["characters", "tokens"] = "characters"
    inclusive_end: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Layout":
        given = self.model_fields_set
        for name, surplus in _SURPLUS.items():
            if getattr(self, name) is not None and (clash := sorted(given & surplus)):
                raise ValueError(f"'{clash[0]}' has no meaning beside '{name}'")
        if self.tags is not None and self.tokens is None:
            raise ValueError("tags belong to tokens, so 'tokens' must say where they stand")
        if self.tags is None and given & {"names", "bare"}:
            raise ValueError("'names' and 'bare' are about tags, so 'tags' must say where they stand")
        if self.unit == "tokens" and self.tokens is None:
            raise ValueError("offsets count tokens, so 'tokens' must say where they stand")
        if self.text is None and (self.tokens is None or self.unit == "characters"):
            raise ValueError("'text' can only be left out where offsets count tokens")
        return self


def make_get(path: Key | None) -> Callable[[Any], Any]:
    """Make the function that looks up a path; it gives None where there is nothing."""
    if path is None:
        return lambda value: None
    names = str(path).split(".") if path != "" else []
    steps = [(name, int(name) if re.fullmatch(r"-?[0-9]{1,9}", name) else None) for name in names]

    def get(value: Any) -> Any:
        for key, index in steps:
            if isinstance(value, dict):
                value = value.get(key)
            elif index is not None and isinstance(value, list) and -len(value) <= index < len(value):
                value = value[index]
            else:
                return None
        return value

    return get


def make_collect(path: str) -> Callable[[Any], list[Any] | None]:
    """Make the function that collects the values at a path with `*`; it gives None if nothing leads to the first `*`."""
    stretches: list[list[str]] = [[]]
    for name in path.split("."):
        if name == "*":
            stretches.append([])
        else:
            stretches[-1].append(name)
    first, *others = [make_get(".".join(stretch)) for stretch in stretches]

    def collect(value: Any) -> list[Any] | None:
        found = first(value)
        if found is None:
            return None
        values = [found]
        for get in others:
            inside: list[Any] = []
            for each in values:
                inside.extend(each if isinstance(each, list) else each.values() if isinstance(each, dict) else [each])
            # What should hold spans and is no list or object is passed on, to be accounted for as a span that is none.
            values = [got for each in inside if (got := get(each) if isinstance(each, list | dict) else each) is not None]
        return values

    return collect
