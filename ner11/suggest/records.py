"""Guesses at JSON: where records stand in a file, and where text, tokens, tags and spans stand in a record."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ner11.errors import Ner11Error
from ner11.readers.files import open_input, read_lines, read_utf8
from ner11.readers.json_records import split_records
from ner11.readers.json_values import parse_record
from ner11.suggest.columns import tag_scheme
from ner11.suggest.spans import Sample, as_options, guess_spans, span_label

RECORDS = 200
"""Records of a file that are looked at."""
_DEPTH = 8
_INSIDE = 30
_KEYS = 60
"""An object with more keys is a list of equals."""
_WHOLE = 256 * 2**20
"""Bytes of the largest file that is read whole, to see where its records stand."""
_TASK_KEYS = frozenset(["annotator", "annotation_id", "lead_time"])
_REGIONS = frozenset(["labels", "hypertextlabels", "paragraphlabels"])

Values = dict[str, list[Any]]


def _is_tuple(value: list[Any]) -> bool:
    """Tell a list whose places have meanings, such as [text, annotation], from a list of equals."""
    return 2 <= len(value) <= 4 and isinstance(value[0], str) and any(isinstance(each, dict | list) for each in value)


def _visit(value: Any, found: Values, path: str = "", depth: int = 0) -> None:
    """Gather the values at each path of a record; `*` steps through lists, and through objects of objects."""
    found[path].append(value)
    if depth == _DEPTH or not isinstance(value, dict | list):
        return
    under = f"{path}." if path else ""
    if isinstance(value, dict):
        for key, inside in value.items() if len(value) <= _KEYS else ():
            if key not in ("", "*") and "." not in key:
                _visit(inside, found, f"{under}{key}", depth + 1)
    if isinstance(value, list) and _is_tuple(value):
        for i, inside in enumerate(value):
            _visit(inside, found, f"{under}{i}", depth + 1)
    elif isinstance(value, list) or (value and all(isinstance(each, dict) for each in value.values())):
        for inside in islice(value if isinstance(value, list) else value.values(), _INSIDE):
            if isinstance(inside, dict | list) or isinstance(value, list):
                _visit(inside, found, f"{under}*", depth + 1)


def _paths_of(record: Any) -> Values:
    found: Values = defaultdict(list)
    _visit(record, found)
    return found


def _find_records(path: Path) -> Iterator[tuple[str, str, list[Any]]]:
    """Give (format, path of the records, first records) of each place where a JSON file may have its records."""
    with open_input(path) as file:
        start = file.read(4096).lstrip()[:1]
    if start not in (b"{", b"["):
        return
    lines = [line for line in islice(read_lines(path), RECORDS) if line.text.strip()]
    values = [parse_record(line) for line in lines]
    if len([value for value in values if not value.damage]) > 0.5 * len(values) and (len(values) > 1 or path.suffix == ".jsonl"):
        yield "jsonl", "", [value.value for value in values if not value.damage]
        return
    if start == b"[":
        records = [parse_record(record) for record in islice(split_records(path, "item"), RECORDS)]
        yield "json", "item", [record.value for record in records if not record.damage]
        return
    if path.stat().st_size > _WHOLE:
        return
    try:
        whole = json.loads(read_utf8(path), strict=False)
    except (ValueError, RecursionError, Ner11Error):
        return
    yield from (("json", where, records) for where, records in _lists_in(whole))
    yield "json", "", [whole]


def _lists_in(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, list[Any]]]:
    if not isinstance(value, dict) or depth == 3 or any("." in key for key in value):
        return
    under = f"{path}." if path else ""
    if len(value) > 1 and all(isinstance(each, dict) for each in value.values()):
        yield f"{under}*", list(value.values())[:RECORDS]
    for key, inside in value.items():
        if isinstance(inside, list) and inside and isinstance(inside[0], dict | list):
            yield f"{under}{key}.item", inside[:RECORDS]
        yield from _lists_in(inside, f"{under}{key}", depth + 1)


def guess_json(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give (format, options) under which a JSON file looks annotated.

    Raises:
        Ner11Error: If the file cannot be read.
    """
    for kind, where, records in _find_records(path):
        if any(map(_is_task, records)):
            yield "label_studio", _task_options(records)
        for layout in _guess_layouts(records):
            yield kind, {**({"records": where} if kind == "json" and where != "item" else {}), **layout}


def _is_task(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    annotations = record.get("annotations")
    if isinstance(annotations, list) and any(isinstance(each, dict) and "result" in each for each in annotations):
        return True
    lists = [value for value in record.values() if isinstance(value, list)]
    regions = (each for value in lists for each in value if isinstance(each, dict))
    return bool(_TASK_KEYS & record.keys()) and any(_REGIONS & each.keys() for each in regions)


def _task_options(records: list[Any]) -> dict[str, Any]:
    tasks = [record for record in records if isinstance(record, dict)]
    data = [record["data"] if isinstance(record.get("data"), dict) else record for record in tasks]
    lengths: Counter[str] = Counter()
    for each in data:
        lengths.update({key: len(value) for key, value in each.items() if isinstance(value, str) and key not in _TASK_KEYS})
    longest = lengths.most_common(1)
    return {} if not longest or "text" in lengths else {"text": longest[0][0]}


def _guess_layouts(records: list[Any]) -> Iterator[dict[str, Any]]:
    """Give layouts for these records, the likelier first."""
    visited = [_paths_of(record) for record in records]
    paths = list(dict.fromkeys(path for found in visited for path in found))
    texts = _text_paths(visited, [path for path in paths if "*" not in path.split(".")])
    sequences = {path: lists for path in paths if (lists := _sequences(visited, path))}
    sequences = {
        path: lists for path, lists in sequences.items() if path.removesuffix(".*") == path or path[:-2] not in sequences
    }
    tags = {path: scheme for path, lists in sequences.items() if (scheme := tag_scheme([tag for one in lists for tag in one]))}
    tokens = [path for path in sequences if path not in tags]
    for text in [*texts[:3], None] if tokens else texts[:3]:
        yield from _with_spans(visited, paths, text, {path: sequences[path] for path in tokens})
    yield from _with_tags(visited, paths, sequences, tokens, tags)
    yield from _with_chunks(visited, paths)


def _text_paths(visited: list[Values], paths: list[str]) -> list[str]:
    """Give the paths where nearly every record has a string, the longest strings first."""
    lengths: Counter[str] = Counter()
    for path in paths:
        strings = [found[path][0] for found in visited if path in found and isinstance(found[path][0], str)]
        if len(strings) >= 0.8 * len(visited):
            lengths[path] = sum(map(len, strings))
    return [path for path, _ in lengths.most_common()]


def _sequences(visited: list[Values], path: str) -> list[list[str]] | None:
    """Give the list of strings that each record has at a path; None if most have none."""
    lists = []
    for found in visited:
        values = [each for value in found.get(path, []) for each in (value if isinstance(value, list) else [value])]
        starred = "*" in path.split(".") or any(isinstance(value, list) for value in found.get(path, []))
        lists.append(values if starred and values and all(isinstance(each, str) for each in values) else [])
    return lists if path and sum(map(bool, lists)) >= 0.8 * len(visited) else None


def _with_spans(
    visited: list[Values], paths: list[str], text: str | None, tokens: dict[str, list[list[str]]]
) -> Iterator[dict[str, Any]]:
    guesses = []
    for path in paths:
        samples = []
        # What a span says of itself is no token.
        others = [each for each in tokens if not each.startswith(f"{path}.")]
        longest = max(others, key=lambda each: sum(map(len, tokens[each])), default=None)
        for i, found in enumerate(visited):
            content = found[text][0] if text is not None and text in found else None
            count = len(tokens[longest][i]) if longest is not None else None
            for value in found.get(path, []):
                several = isinstance(value, list) and any(isinstance(each, dict | list) for each in value)
                spans = value if several else [value] if isinstance(value, dict) and path.endswith(".*") else []
                samples += [Sample(span, content if isinstance(content, str) else None, count) for span in spans]
        guess = guess_spans(samples[:2000])
        by_tokens = guess is not None and guess.get("unit") == "tokens"
        if guess is None or (text is None and not by_tokens):
            continue
        labels = {label for sample in samples if (label := span_label(sample.span, guess))}
        options: dict[str, Any] = {"text": text} if text != "text" else {}
        if by_tokens:
            options["tokens"] = longest
        if path != "spans":
            options["spans"] = path
        options |= as_options(guess)
        if len(labels) > 40 and sum("/" in label for label in labels) > 0.5 * len(labels):
            options["label_depth"] = 2
        guesses.append((len(samples), options))
    yield from (options for _, options in sorted(guesses, key=lambda guess: -guess[0]))


def _with_tags(
    visited: list[Values], paths: list[str], sequences: dict[str, list[list[str]]], tokens: list[str], tags: dict[str, str]
) -> Iterator[dict[str, Any]]:
    def match(lists: list[list[Any]], token: str) -> bool:
        same = [len(a) == len(b) for a, b in zip(lists, sequences[token], strict=True)]
        return sum(same) >= 0.8 * len(same)

    for token in sorted(tokens, key=lambda path: -len({word for one in sequences[path] for word in one})):
        for scheme in ("prefixed", "bare"):
            fitting = [path for path in tags if tags[path] == scheme and match(sequences[path], token)]
            if fitting:
                layers = fitting[0] if len(fitting) == 1 else fitting
                yield {"tokens": token, "tags": layers, **({"bare": True} if scheme == "bare" else {})}
        for path in paths:
            numbers = _numbers(visited, path)
            if numbers and match(numbers, token):
                highest = max(max(one, default=0) for one in numbers)
                names = [f"{'BI'[i % 2]}-{i // 2 + 1}" for i in range(highest + highest % 2)]
                yield {"tokens": token, "tags": path, "names": ["O", *names]}


def _numbers(visited: list[Values], path: str) -> list[list[int]] | None:
    """Give the list of tags as integers, B- odd and I- even, that each record has at a path; None if that is not so."""
    lists = []
    get: Callable[[Values], Any] = lambda found: found[path][0] if len(found.get(path, [])) == 1 else None  # noqa: E731
    for found in visited:
        value = get(found)
        if not isinstance(value, list) or not all(type(each) is int and 0 <= each < 400 for each in value):
            return None
        # An I- follows its own B- or itself.
        if any(tag and tag % 2 == 0 and before not in (tag, tag - 1) for before, tag in zip([0, *value], value, strict=False)):
            return None
        lists.append(value)
    return lists if any(map(any, lists)) else None


def _with_chunks(visited: list[Values], paths: list[str]) -> Iterator[dict[str, Any]]:
    for path in paths:
        lists = [found[path][0] for found in visited if path in found]
        chunks = [chunk for each in lists if isinstance(each, list) for chunk in each]
        if not path or "*" in path.split(".") or not chunks or not all(isinstance(chunk, dict) for chunk in chunks):
            continue
        filled = Counter(key for chunk in chunks for key, value in chunk.items() if isinstance(value, str))
        # Pieces of running text have blanks at their edges.
        cut = {key: sum(isinstance(c.get(key), str) and c[key] != c[key].strip() for c in chunks) for key in filled}
        always = [key for key, count in filled.items() if count == len(chunks) and cut[key] >= 0.1 * count]
        for key, count in filled.most_common():
            labels = {chunk[key] for chunk in chunks if isinstance(chunk.get(key), str)}
            if count < len(chunks) and always and len(labels) <= max(3, count / 5):
                text = {"text": always[0]} if always[0] != "text" else {}
                yield {"chunks": path, **text, **({"label": key} if key != "label" else {})}
