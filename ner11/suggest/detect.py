"""The format and the options of files: what their content speaks for, tried out with the readers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ner11.corpus.index import text_key
from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.files import read_lines
from ner11.suggest.columns import LINES, guess_columns
from ner11.suggest.files import Group
from ner11.suggest.records import guess_json
from ner11.suggest.tables import guess_table

TEXTS = 300
"""Texts of a file that are read to see how well a reading fits."""
GOOD = 0.5
"""Quality below which a reading is none."""
_ALIKE = 0.05
_TABLES = frozenset([".csv", ".tsv", ".tab"])

Options = dict[str, Any]


@dataclass
class Reading:
    """How well files can be read in one way.

    Attributes:
        format: Name of the reader.
        options: Its options.
        spans: Usable spans by label.
        quality: Share of texts that are not damaged, times that of spans that can be used; problems count half.
        keys: The `text_key` of each text.
        harmless: There are texts, and nothing in them speaks for or against the reading.
    """

    format: str
    options: Options
    spans: Counter[str] = field(default_factory=Counter)
    quality: float = 0.0
    keys: set[str] = field(default_factory=set)
    harmless: bool = False


@dataclass
class Part:
    """A group of files, what the reader is given of it (the files, or their folder), and the best reading."""

    group: Group
    inputs: tuple[Path, ...]
    reading: Reading

    @property
    def weight(self) -> float:
        """Usable spans of the whole group, by estimate."""
        sampled = len(self.group.sample) if self.inputs == self.group.files else 1
        return self.reading.quality * self.reading.spans.total() * len(self.inputs) / sampled

    def sample(self, kind: str, options: Options) -> Iterable[Path]:
        """Give what to read to see how a reading fits."""
        inputs = inputs_of(self.group, kind, options)
        return self.group.sample if inputs == self.group.files else inputs


def _guess_text(path: Path) -> Iterator[tuple[str, Options]]:
    with path.open("rb") as file:
        if b"\0" in file.read(2**16):
            return
    yield from guess_json(path)
    if path.suffix.lower() in _TABLES:
        yield from guess_table(path)
    yield from _guess_columns([path])


def _guess_columns(paths: Iterable[Path]) -> Iterator[tuple[str, Options]]:
    """Guess at several files as if they were one: a layer of tags may be empty in some of them."""
    lines = [line.text for path in paths for line in islice(read_lines(path), LINES) if not line.damage]
    yield from (("columns", options) for options in guess_columns(lines))


def _guess_docbin(path: Path) -> Iterator[tuple[str, Options]]:
    yield "docbin", {}
    yield "docbin", {"spans_key": "sc"}


_BY_SUFFIX: dict[str, Callable[[Path], Iterator[tuple[str, Options]]]] = {
    ".ann": lambda path: iter([("brat", {})]),
    ".md": lambda path: iter([("inline", {})]),
    ".spacy": _guess_docbin,
}
_FOLDERS = frozenset(["brat", "inline"])
"""Formats whose reader takes the folder of the files."""


def inputs_of(group: Group, kind: str, options: Options) -> tuple[Path, ...]:
    """Give what a reader is given of a group of files: the files, or their folder."""
    tables = options.get("layout") == "standoff" and len(group.files) > 1
    return (group.folder,) if kind in _FOLDERS or tables else group.files


def try_reading(inputs: Iterable[Path], kind: str, options: Options) -> Reading:
    """Read the first texts of some files in one way; the quality is 0 where that fails."""
    reading = Reading(kind, options)
    texts = damaged = lost = problems = 0
    try:
        for path in inputs:
            for text in islice(readers.get(kind)(path, **options), TEXTS):
                texts += 1
                problems += bool(text.problems)
                damaged += bool(text.damage)
                reading.keys.add(text_key(text.text))
                for span in text.spans:
                    if span.outcome == "kept" and not text.damage:
                        reading.spans[span.origin] += 1
                    else:
                        lost += 1
    except (Ner11Error, ValidationError):
        return Reading(kind, options)
    if kind == "label_studio":  # tasks that nobody, or that several people annotated are its nature
        damaged = problems = 0
    kept = reading.spans.total()
    reading.harmless = not kept and bool(texts) and not (damaged or lost or problems)
    if kept:
        reading.quality = (1 - damaged / texts) * kept / (kept + lost) * (1 - problems / texts / 2)
    return reading


def read_group(group: Group) -> Part | None:
    """Find the best reading of a group of files; None if there is none.

    Files that cannot be read so are left out of the part's group.
    """
    best: Reading | None = None
    for path in group.sample:
        try:
            guesses = list(_BY_SUFFIX.get(group.suffix, _guess_text)(path))
        except Ner11Error:
            continue
        for kind, options in guesses:
            inputs = inputs_of(group, kind, options)
            reading = try_reading([path] if inputs == group.files else inputs, kind, options)
            # A later guess must be better by far, or in every respect: the likelier ones come first.
            if reading.quality >= GOOD and (best is None or _is_better(reading, best)):
                best = reading
    if best is None:
        return None
    inputs = inputs_of(group, best.format, best.options)
    if inputs == group.files:
        readings = {file: try_reading([file], best.format, best.options) for file in group.files}
        files = tuple(file for file, reading in readings.items() if reading.quality >= GOOD or reading.harmless)
        group, inputs = replace(group, files=files), files
        best = try_reading(group.sample, best.format, best.options)
    return Part(group, inputs, best)


def _is_better(reading: Reading, best: Reading) -> bool:
    if reading.quality > best.quality + _ALIKE:
        return True
    if reading.quality > best.quality and reading.spans.total() >= best.spans.total():
        return True
    more = reading.spans.total() > 1.5 * best.spans.total()
    return reading.quality > best.quality - _ALIKE and more


def choose_parts(parts: list[Part]) -> tuple[list[Part], list[Part]]:
    """Choose the groups that make one data set: those that can be read alike and have labels in common.

    Returns:
        The chosen parts, each with its reading, which may differ from that of the first one in a few options; and the rest.
    """
    best: tuple[float, list[Part]] | None = None
    columns = [path for part in parts if part.reading.format == "columns" for path in part.group.sample]
    for kind, options in [*_guess_columns(columns), *_distinct(parts)]:
        chosen: list[Part] = []
        weight = 0.0
        for part in sorted(parts, key=lambda part: -part.weight):
            reading = try_reading(part.sample(kind, options), kind, options)
            if reading.quality < part.reading.quality - _ALIKE and part.reading.format == kind:
                merged = {**options, **part.reading.options}
                reading = part.reading if merged.keys() == options.keys() else reading
            if reading.quality >= part.reading.quality - _ALIKE and (not chosen or _share_labels(reading, chosen[0].reading)):
                chosen.append(Part(part.group, inputs_of(part.group, kind, reading.options), reading))
                weight += part.weight
        if chosen and (best is None or weight > best[0] * (1 + _ALIKE)):
            best = weight, chosen
    chosen = best[1] if best else []
    groups = {part.group for part in chosen}
    return chosen, [part for part in parts if part.group not in groups]


def _distinct(parts: list[Part]) -> list[tuple[str, Options]]:
    found: list[tuple[str, Options]] = []
    for part in sorted(parts, key=lambda part: -part.weight):
        if (part.reading.format, part.reading.options) not in found:
            found.append((part.reading.format, part.reading.options))
    return found


def _share_labels(reading: Reading, main: Reading) -> bool:
    return sum(count for label, count in reading.spans.items() if label in main.spans) >= 0.5 * reading.spans.total()
