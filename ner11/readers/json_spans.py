"""What the records of JSON data look like, and how one becomes a text with spans."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ner11.annotation import UNKNOWN, AnnotatedText, LabelledSpan
from ner11.readers.detokenize import detokenize

_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"\s*-?[0-9]{1,18}\s*", re.ASCII)

Key = str | int
Get = Callable[[Any], Any]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Layout(BaseModel):
    """Where things stand in a record. A path is a key, or keys and positions in lists with dots between them.

    Attributes:
        text: Path of the text; with `chunks`, of a chunk's text inside the chunk; null if the record has only tokens.
        group: Path of the name of the document; by default each record is its own.
        tokens: Path of the list of tokens.
        spans: Path(s) of the spans. `*` steps through each element of a list or each value of an object. What stands there
            is a list of spans or one span.
        chunks: Path of the list of chunks of which the text consists, instead of `spans`; one with a label is a span.
        start: Path of a span's first character (or token) inside the span; 0 if the span is a list and begins with it.
        end: Path of one past its last character (or token).
        label: Path of its label; a list counts as a label if it holds one.
        surface: Path of the characters that it says stand there.
        label_depth: How many parts of a label such as `A/B/C` count.
        unit: Whether offsets count characters (code points) or tokens.
        inclusive_end: The end is the last character (or token) itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str | None = "text"
    group: str | None = None
    tokens: str | None = None
    spans: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)] = ["spans"]
    chunks: str | None = None
    start: Key = "start"
    end: Key = "end"
    label: Key = "label"
    surface: Key | None = None
    label_depth: Annotated[int | None, Field(ge=1)] = None
    unit: Literal["characters", "tokens"] = "characters"
    inclusive_end: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Layout":
        if self.unit == "tokens" and self.tokens is None:
            raise ValueError("offsets count tokens, so 'tokens' must say where they stand")
        if self.text is None and (self.tokens is None or self.unit == "characters"):
            raise ValueError("'text' can only be left out where offsets count tokens")
        if self.chunks is not None and self.model_fields_set & {"spans", "tokens", "unit", "start", "end", "surface"}:
            raise ValueError("with 'chunks' nothing but 'text' and 'label' says what a span is")
        return self


def make_get(path: Key | None) -> Get:
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


def mend(text: str) -> str:
    """Replace each half of a surrogate pair, which cannot be written as UTF-8, by U+FFFD; offsets stay."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def to_integer(value: Any) -> int | None:
    """Read an offset: an integer, a float without a fraction, or digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else None


def to_label(value: Any, depth: int | None = None) -> tuple[str, str]:
    """Read a label; the second string says why it is not known ("" if it is)."""
    if isinstance(value, list):
        if len(value) > 1 and all(isinstance(each, str) for each in value):
            return mend("|".join(value)), "several labels"
        value = value[0] if len(value) == 1 else (value or None)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        return UNKNOWN, "no label"
    if not isinstance(value, str):
        return UNKNOWN, "a label that is no string"
    return mend(value if depth is None else "/".join(value.split("/")[:depth])), ""


def align(tokens: Sequence[str], text: str) -> list[int] | None:
    """Find where each token begins in a text that has only blanks between them; None if it has anything else."""
    starts, at = [], 0
    for token in tokens:
        while token and text[at : at + 1].isspace():
            at += 1
        if not text.startswith(token, at):
            return None
        starts.append(at)
        at += len(token)
    return None if text[at:].strip() else starts


class RecordParser:
    """Turns parsed records into annotated texts; the paths of the layout are resolved once.

    Args:
        layout: What the records look like.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._text, self._group, self._chunks = make_get(layout.text), make_get(layout.group), make_get(layout.chunks)
        self._start, self._end = make_get(layout.start), make_get(layout.end)
        self._label, self._surface = make_get(layout.label), make_get(layout.surface)
        self._spans = [(path, make_collect(path)) for path in layout.spans]
        self._tokens = make_collect(layout.tokens) if layout.tokens is not None else None
        self._by_tokens = layout.unit == "tokens"

    def parse(self, record: Any) -> AnnotatedText:
        """Turn a record into a text; `where`, `line` and, without a name of the document, `group` are left to the caller."""
        result = AnnotatedText("")
        if self.layout.chunks is not None:
            self._parse_chunks(record, result)
        else:
            self._parse_spans(record, result)
        if (mended := mend(result.text)) != result.text:
            result.text = mended
            result.problems.append("half of a surrogate pair")
        if self.layout.group is not None:
            group = self._group(record)
            if isinstance(group, str | int) and not isinstance(group, bool) and group != "":
                result.group = mend(str(group))
            else:
                result.problems.append(f"no document at '{self.layout.group}'")
        return result

    def _parse_chunks(self, record: Any, result: AnnotatedText) -> None:
        chunks = self._chunks(record)
        if not isinstance(chunks, list):
            result.damage = f"no list of chunks at '{self.layout.chunks}'"
            return
        parts: list[str] = []
        length = 0
        for chunk in chunks:
            part = self._text(chunk)
            if not isinstance(part, str):
                result.damage, part = "a chunk without text", ""
            parts.append(part)
            label = self._label(chunk)
            if label is not None and label != "":
                origin, reason = to_label(label, self.layout.label_depth)
                outcome = "unknown" if reason else "kept"
                result.spans.append(LabelledSpan(length, length + len(part), origin, outcome=outcome, reason=reason))
            length += len(part)
        result.text = "".join(parts)

    def _parse_spans(self, record: Any, result: AnnotatedText) -> None:
        text = self._text(record)
        tokens: list[str] = []
        starts: list[int] = []
        if self._by_tokens and self._tokens is not None:
            found = self._tokens(record)
            if found is None:
                result.damage = f"no tokens at '{self.layout.tokens}'"
            for each in found or []:
                tokens.extend(each if isinstance(each, list) else [each])
            if not all(isinstance(token, str) for token in tokens):
                result.damage, tokens = "a token that is no string", []
            tokens = [token.strip() for token in tokens]
            aligned = align(tokens, text) if isinstance(text, str) else None
            if aligned is not None:
                starts = aligned
            elif tokens:
                if self.layout.text is not None:
                    result.problems.append("the text differs from its tokens" if text is not None else "no text but tokens")
                text, starts = detokenize(tokens)
        if isinstance(text, str):
            result.text = text
        else:
            what = "tokens" if self.layout.text is None else f"text at '{self.layout.text}'"
            result.damage = result.damage or (f"no {what}" if text is None else "a text that is no string")
        for path, collect in self._spans:
            values = collect(record)
            if values is None:
                result.problems.append(f"nothing at '{path}'")
                continue
            for value in values:
                several = isinstance(value, list) and (not value or any(isinstance(each, dict | list) for each in value))
                for item in value if several else [value]:
                    result.spans.append(self._parse_span(item, tokens, starts))

    def _parse_span(self, item: Any, tokens: list[str], starts: list[int]) -> LabelledSpan:
        layout = self.layout
        origin, unknown = to_label(self._label(item), layout.label_depth)
        start, end, surface = to_integer(self._start(item)), to_integer(self._end(item)), self._surface(item)
        fault = ""
        if not isinstance(item, dict | list):
            fault = "no span but a single value"
        elif start is None or end is None:
            fault = "an offset that is no integer"
        else:
            end += layout.inclusive_end
            if start < 0 or end < start:
                fault = "a negative offset" if start < 0 else "the end before the start"
            elif self._by_tokens and (start == end or end > len(tokens)):
                fault = "no token" if start == end else "an offset outside the tokens"
            elif self._by_tokens:
                start, end = starts[start], starts[end - 1] + len(tokens[end - 1])
        if fault or start is None or end is None:
            return LabelledSpan(0, 0, origin, outcome="dropped", reason=fault)
        span = LabelledSpan(start, end, origin, surface=mend(surface) if isinstance(surface, str) else None)
        if unknown:
            span.outcome, span.reason = "unknown", unknown
        return span
