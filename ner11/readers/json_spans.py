"""How a record of JSON data becomes a text with spans."""

from collections.abc import Callable, Sequence
from typing import Any

from ner11.annotation import LEFT_OUT, AnnotatedText, LabelledSpan
from ner11.readers.columns import tagged_text
from ner11.readers.detokenize import detokenize
from ner11.readers.json_layout import Layout, make_collect, make_get
from ner11.readers.standoff import lost_span, make_span, to_label


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


def _collect_list(collect: Callable[[Any], list[Any] | None], record: Any) -> list[Any] | None:
    found = collect(record)
    return None if found is None else [item for each in found for item in (each if isinstance(each, list) else [each])]


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
        self._tags = [(path, make_collect(path)) for path in layout.tags or []]
        self._tokens = make_collect(layout.tokens or "")
        self._only = [(make_get(path), path, value) for path, value in layout.only.items()]
        self._by_tokens = layout.unit == "tokens"

    def parse(self, record: Any) -> AnnotatedText:
        """Turn a record into a text; `where`, `line` and, without a name of the document, `group` are left to the caller."""
        layout = self.layout
        if layout.tags is not None:
            result = self._parse_tags(record)
        else:
            result = self._parse_spans(record) if layout.chunks is None else self._parse_chunks(record)
            result.problems += [span.reason for span in result.spans if span.reason]
        if layout.group is not None:
            group = self._group(record)
            if isinstance(group, str | int) and not isinstance(group, bool) and group != "":
                result.group = str(group)
            else:
                result.problems.append(f"no document at '{layout.group}'")
        for get, path, value in self._only:
            if get(record) != value:
                result.damage = f"{LEFT_OUT} 'only': {path}"
        return result

    def _parse_tags(self, record: Any) -> AnnotatedText:
        tokens, damage = self._find_tokens(record)
        layers = []
        for path, collect in self._tags:
            found = _collect_list(collect, record)
            tags, fault = self._name_tags(found or [])
            if found is None:
                fault = f"no tags at '{path}'"
            elif len(tags) != len(tokens):
                fault = f"{len(tags)} tags for {len(tokens)} tokens"
            damage = damage or fault
            layers.append(tags)
        # Of lists that do not fit each other the tags only say what is lost.
        length = max(len(tokens), *map(len, layers))
        tokens, *layers = ([*given, *[""] * (length - len(given))] for given in (tokens, *layers))
        result = tagged_text(tokens, layers, where="", line=1, bare=self.layout.bare)
        result.damage = damage
        return result

    def _name_tags(self, values: list[Any]) -> tuple[list[str], str]:
        names, tags, fault = self.layout.names, [], ""
        for value in values:
            tag = value if isinstance(value, str) else ""
            if isinstance(value, int) and not isinstance(value, bool):
                if names is not None and 0 <= value < len(names):
                    tag = names[value]
                else:
                    fault = f"no name for the tag {value}" if names else "tags that are integers, and no 'names' for them"
            elif not isinstance(value, str):
                fault = "a tag that is neither string nor integer"
            tags.append(tag)
        return tags, fault

    def _parse_chunks(self, record: Any) -> AnnotatedText:
        result = AnnotatedText("")
        chunks = self._chunks(record)
        if not isinstance(chunks, list):
            result.damage, chunks = f"no list of chunks at '{self.layout.chunks}'", []
        parts: list[str] = []
        length = 0
        for chunk in chunks:
            part = self._text(chunk)
            if not isinstance(part, str):
                result.damage, part = "a chunk without text", ""
            parts.append(part)
            label = self._label(chunk)
            if label is not None and label != "":
                result.spans.append(self._shorten(make_span(length, length + len(part), label)))
            length += len(part)
        result.text = "".join(parts)
        return result

    def _parse_spans(self, record: Any) -> AnnotatedText:
        result = AnnotatedText("")
        text = self._text(record)
        tokens: list[str] = []
        starts: list[int] = []
        if self._by_tokens:
            tokens, result.damage = self._find_tokens(record)
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
            missing = f"no text at '{self.layout.text}'" if text is None else "a text that is no string"
            result.damage = result.damage or missing
        for path, collect in self._spans:
            values = collect(record)
            if values is None:
                result.problems.append(f"nothing at '{path}'")
            for value in values or []:
                several = isinstance(value, list) and (not value or any(isinstance(each, dict | list) for each in value))
                result.spans += [self._parse_span(item, tokens, starts) for item in (value if several else [value])]
        return result

    def _find_tokens(self, record: Any) -> tuple[list[str], str]:
        tokens = _collect_list(self._tokens, record)
        if not tokens:
            return [], f"no tokens at '{self.layout.tokens}'"
        return (tokens, "") if all(isinstance(token, str) for token in tokens) else ([], "a token that is no string")

    def _parse_span(self, item: Any, tokens: list[str], starts: list[int]) -> LabelledSpan:
        if not isinstance(item, dict | list):
            return lost_span(to_label(None)[0], "no span but a single value")
        span = self._shorten(make_span(self._start(item), self._end(item), self._label(item), self._surface(item)))
        if span.outcome == "dropped":
            return span
        span.end += self.layout.inclusive_end
        if self._by_tokens:
            first, last = span.start, span.end
            if not 0 <= first < last <= len(tokens):
                return lost_span(span.origin, "no token" if first == last else "an offset outside the tokens")
            span.start, span.end = starts[first], starts[last - 1] + len(tokens[last - 1])
        return span

    def _shorten(self, span: LabelledSpan) -> LabelledSpan:
        if self.layout.label_depth is not None and span.outcome != "unknown":
            span.origin = "/".join(span.origin.split("/")[: self.layout.label_depth])
        return span
