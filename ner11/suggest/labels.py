"""The labels of a data set: counts, surfaces, and where their spans stand."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ner11.annotation import AnnotatedText
from ner11.corpus.convert import read_split
from ner11.corpus.index import text_key
from ner11.datasets import Dataset
from ner11.harmonize import Harmonizer
from ner11.schema import Schema

TEXTS = 20_000
"""Texts of a split that are looked at."""
SHORTEST = 20
"""Characters of the shortest text that two data sets share by more than chance."""

Places = list[tuple[int, int, str]]
"""Spans as (characters before it, characters before its end, label), blanks not counted."""


@dataclass
class Labels:
    """What a data set holds.

    Attributes:
        texts: Texts seen.
        damaged: How many of them are damage.
        groups: Documents of the training split, up to some.
        sampled: There are more texts than were looked at.
        counts: Spans by label.
        surfaces: For each label its surfaces with counts.
        places: For each `text_key` the spans of its text.
    """

    texts: int = 0
    damaged: int = 0
    groups: set[str] = field(default_factory=set)
    sampled: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    surfaces: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    places: dict[str, Places] = field(default_factory=dict)


def place_spans(text: AnnotatedText) -> Places:
    """Give the spans of a text in a form that does not depend on blanks."""

    def letters(at: int) -> int:
        return len("".join(text.text[:at].split()))

    usable = (span for span in text.spans if 0 <= span.start < span.end <= len(text.text))
    return [(letters(span.start), letters(span.end), span.origin) for span in usable]


def read_labels(dataset: Dataset, schema: Schema, *, root: Path) -> Labels:
    """Read a data set and gather its labels.

    Args:
        dataset: The data set; its map may be empty.
        schema: Label tree.
        root: The project's folder.

    Raises:
        Ner11Error: If a file cannot be read.
    """
    labels, harmonize = Labels(), Harmonizer(dataset, schema)
    for split in dataset.splits:
        texts = read_split(dataset, split, root=root)
        for text in islice(texts, TEXTS):
            _add(harmonize(text), labels)
            if split == "train":
                labels.groups.add(text.group)
        labels.sampled = labels.sampled or next(texts, None) is not None
    # What the map must have, also for spans of damaged texts.
    labels.counts = harmonize.unmapped.counts
    return labels


def _add(text: AnnotatedText, labels: Labels) -> None:
    labels.texts += 1
    labels.damaged += bool(text.damage)
    if text.damage:
        return
    for span in text.spans:
        if span.outcome not in ("unknown", "dropped"):
            labels.surfaces[span.origin][text.text[span.start : span.end]] += 1
    if len(text.text) >= SHORTEST and text.spans:
        labels.places.setdefault(text_key(text.text), place_spans(text))


def overlaps(dataset: Dataset, paths: Iterable[Path], *, root: Path) -> bool:
    """Tell whether a data set is made of any of these files or folders."""
    theirs = {path.resolve() for path in paths}
    above = {folder for path in theirs for folder in path.parents}
    own = [path.resolve() for split in dataset.splits for path in dataset.files(split, root)]
    return any(path in theirs or path in above or not theirs.isdisjoint(path.parents) for path in own)
