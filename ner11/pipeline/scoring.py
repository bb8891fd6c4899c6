"""Exact-match scores under allowed labels and coverage, as a spaCy scorer."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from spacy import registry
from spacy.tokens import Doc
from spacy.training import Example

AMBIGUOUS = "ambiguous"
"""Key of the span group that holds spans with several allowed labels (`A|B`) or with none (`?`)."""
COVERAGE = "coverage"
"""Key in `doc.user_data` of the labels whose absence means something; without it, all do."""

SpanKey = tuple[int, int, str]


@dataclass
class Comparison:
    """What became of the spans of one document, each as (first character, end, label).

    Attributes:
        hits: Predicted spans with the borders of a gold span and one of its labels.
        spurious: Predicted spans that are wrong.
        missed: Gold spans that no hit met; the label is `A|B` where several are allowed.
        ignored: Predicted spans that are neither right nor wrong: of a label that the source does not cover, or
            over a span whose label is not known. Gold spans of labels that are not covered are left out too.
        met: The annotated label of each hit, `A|B` where several are allowed; empty if they are the predicted ones.
    """

    hits: list[SpanKey] = field(default_factory=list)
    spurious: list[SpanKey] = field(default_factory=list)
    missed: list[SpanKey] = field(default_factory=list)
    ignored: list[SpanKey] = field(default_factory=list)
    met: list[str] = field(default_factory=list)

    @property
    def hit_labels(self) -> list[str]:
        """The annotated label of each hit, which it counts under: a set has hits and misses, or its labels would have hits
        without the misses that belong to them."""
        return self.met or [label for _, _, label in self.hits]


def compare_spans(gold: Iterable[SpanKey], predicted: Iterable[SpanKey], coverage: Collection[str] | None = None) -> Comparison:
    """Compare predicted with gold spans of the same text by their character borders.

    Args:
        gold: Gold spans; the label is `A|B` where several are allowed, "?" where none is known.
        predicted: Predicted spans.
        coverage: Labels whose absence means something; None if all do.
    """
    allowed: dict[tuple[int, int], str] = {}
    unknown = []
    for start, end, label in gold:
        if label == "?":
            unknown.append((start, end))
        # A label that is annotated but not covered counts on neither side: its false positives cannot be told.
        elif coverage is None or not set(label.split("|")).isdisjoint(coverage):
            allowed[start, end] = label
    result = Comparison()
    for start, end, label in predicted:
        if label in allowed.get((start, end), "").split("|"):
            result.hits.append((start, end, label))
            result.met.append(allowed.pop((start, end)))
        elif (coverage is not None and label not in coverage) or any(start < e and s < end for s, e in unknown):
            result.ignored.append((start, end, label))
        else:
            result.spurious.append((start, end, label))
    result.missed = [(start, end, label) for (start, end), label in allowed.items()]
    return result


def entity_keys(doc: Doc) -> list[SpanKey]:
    """Give the entities of a document by their character borders."""
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def gold_keys(doc: Doc) -> list[SpanKey]:
    """Give all annotated spans of a document, the ambiguous and unknown ones too."""
    return [*entity_keys(doc), *((span.start_char, span.end_char, span.label_) for span in doc.spans.get(AMBIGUOUS, ()))]


def compare(reference: Doc, predicted: Doc) -> Comparison:
    """Compare the entities of a document with the annotation of the same text."""
    return compare_spans(gold_keys(reference), entity_keys(predicted), reference.user_data.get(COVERAGE))


@dataclass
class Counts:
    """True positives, false positives and false negatives, and the figures that follow from them (None if undefined)."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def precision(self) -> float | None:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def f1(self) -> float | None:
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp + self.fp + self.fn else None

    def add(self, other: "Counts") -> None:
        self.tp, self.fp, self.fn = self.tp + other.tp, self.fp + other.fp, self.fn + other.fn


def count_labels(comparisons: Iterable[Comparison]) -> dict[str, Counts]:
    """Count by annotated label, wrong predictions by theirs; a span with several allowed labels counts under `A|B`."""
    counts: defaultdict[str, Counts] = defaultdict(Counts)
    for comparison in comparisons:
        for label in comparison.hit_labels:
            counts[label].tp += 1
        for _, _, label in comparison.spurious:
            counts[label].fp += 1
        for _, _, label in comparison.missed:
            counts[label].fn += 1
    return dict(sorted(counts.items()))


def total(counts: Iterable[Counts]) -> Counts:
    """Add counts up, for micro averages."""
    result = Counts()
    for count in counts:
        result.add(count)
    return result


def score_examples(examples: Iterable[Example], **_: Any) -> dict[str, Any]:
    """Score examples with the keys of spaCy's own scorer (ents_p, ents_r, ents_f, ents_per_type).

    Two keys more, `ents_predicted` and `ents_gold`, are the numbers of spans that count on each side.
    """
    counts = count_labels(compare(eg.reference, eg.predicted) for eg in examples)
    micro = total(counts.values())
    return {
        "ents_p": micro.precision,
        "ents_r": micro.recall,
        "ents_f": micro.f1,
        "ents_predicted": micro.tp + micro.fp,
        "ents_gold": micro.tp + micro.fn,
        "ents_per_type": {name: {"p": c.precision, "r": c.recall, "f": c.f1} for name, c in counts.items()},
    }


@registry.scorers("ner11.ner_scorer.v1")
def make_ner_scorer() -> Callable[..., dict[str, Any]]:
    """Make the scorer of the entity recognizer."""
    return score_examples
