"""The training texts of each variant, made from the merged corpus: variants differ in what the annotation says, not in texts."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ner11.annotation import SEPARATOR
from ner11.evaluation.texts import find_blocks
from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE

JOINT = "+"
"""Joins the labels of a set that became a label of its own, where `SEPARATOR` would make it a set again."""
UNKNOWN = "?"


def joint_label(label: str) -> str:
    """Name the label of its own that stands for a set of labels."""
    return JOINT.join(label.split(SEPARATOR))


def find_joint_labels(docs: Iterable[Doc]) -> set[str]:
    """Find the sets of several labels in a corpus, by the names of their own labels."""
    found = {span.label_ for doc in docs for span in doc.spans.get(AMBIGUOUS, ())}
    return {joint_label(label) for label in found if SEPARATOR in label}


def annotate(doc: Doc, entities: Sequence[Span], unclear: Sequence[Span], coverage: Sequence[str] | None) -> Doc:
    """Copy a document's text and user data and put another annotation on it.

    Args:
        doc: The document.
        entities: Its fully known spans.
        unclear: Its ambiguous and unknown spans.
        coverage: Labels whose absence means something; None for all.
    """
    made = Doc(doc.vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc])
    made.user_data = {key: value for key, value in doc.user_data.items() if key != COVERAGE}
    if coverage is not None:
        made.user_data[COVERAGE] = sorted(coverage)
    known = {i for span in entities for i in range(span.start, span.end)}
    hidden = {i for span in unclear for i in range(span.start, span.end)} - known
    made.set_ents(
        [Span(made, span.start, span.end, span.label_) for span in entities],
        missing=[made[i : i + 1] for i in sorted(hidden)],
        default="missing" if coverage is not None and not coverage else "outside",
    )
    made.spans[AMBIGUOUS] = [Span(made, span.start, span.end, span.label_) for span in unclear]
    return made


def vary(docs: Sequence[Doc], *, coverage: bool, sets: bool) -> list[Doc]:
    """Make the training texts of a variant.

    Args:
        docs: Documents of the merged corpus.
        coverage: Keep what each document covers; else all its tokens outside of spans are O.
        sets: Keep spans with several labels as sets; else each set becomes a label of its own.
    """
    joint = find_joint_labels(docs)
    made = []
    for doc in docs:
        entities, unclear = list(doc.ents), list(doc.spans.get(AMBIGUOUS, ()))
        covered = list(doc.user_data[COVERAGE]) if coverage else None
        if not sets:
            own = [Span(doc, s.start, s.end, joint_label(s.label_)) for s in unclear if s.label_ != UNKNOWN]
            entities = filter_spans([*entities, *own])
            unclear = [span for span in unclear if span.label_ == UNKNOWN]
            if covered is not None:
                # Where all labels of a set are covered, so is the set: O means that it is not there.
                covered += [label for label in joint if set(label.split(JOINT)) <= set(covered)]
        made.append(annotate(doc, entities, unclear, covered))
    return made


def find_documents(docs: Sequence[Doc]) -> list[str]:
    """Name the document that each text belongs to, for resampling and for cutting a corpus."""
    return find_blocks([(doc.user_data["source"], doc.user_data["tier"], doc.user_data["group"]) for doc in docs])


def sample(docs: Sequence[Doc], max_words: int, *, seed: int) -> list[Doc]:
    """Draw whole documents of each source until it has about so many words; 0 takes all. The order stays."""
    chosen: set[int] = set()
    sources = [doc.user_data["source"] for doc in docs]
    documents = find_documents(docs)
    for source in sorted(set(sources)):
        members: defaultdict[str, list[int]] = defaultdict(list)
        for i in range(len(docs)):
            if sources[i] == source:
                members[documents[i]].append(i)
        names = sorted(members)
        random.Random(f"{seed}-{source}").shuffle(names)
        words = 0
        for name in names:
            if max_words and words >= max_words:
                break
            chosen.update(members[name])
            words += sum(len(docs[i]) for i in members[name])
    return [docs[i] for i in sorted(chosen)]


def flatten(docs: Sequence[Doc]) -> list[Doc]:
    """Take the annotation as complete and every set as a label of its own: the source as its authors meant it."""
    return vary(docs, coverage=False, sets=False)


def deal_labels(docs: Iterable[Doc]) -> tuple[set[str], set[str]]:
    """Divide the labels in two halves of about as many spans: by frequency, the first to one, the next two to the other, ..."""
    counts = Counter(span.label_ for doc in docs for span in doc.ents)
    ranked = [label for label, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    first = {label for i, label in enumerate(ranked) if i % 4 in (0, 3)}
    return first, set(ranked) - first


def halve(docs: Sequence[Doc], *, coverage: bool, seed: int) -> list[Doc]:
    """Cut a fully annotated corpus in two halves that each keep the spans of half of the labels.

    Args:
        docs: Documents as `flatten` gives them.
        coverage: Say which labels a half covers; else its O is O.
        seed: Seed of what goes into which half; documents stay whole.
    """
    halves = deal_labels(docs)
    documents = find_documents(docs)
    names = sorted(set(documents))
    random.Random(seed).shuffle(names)
    first = set(names[: len(names) // 2])
    made = []
    for doc, name in zip(docs, documents, strict=True):
        labels = halves[0 if name in first else 1]
        kept = [span for span in doc.ents if span.label_ in labels]
        made.append(annotate(doc, kept, list(doc.spans.get(AMBIGUOUS, ())), sorted(labels) if coverage else None))
    return made


def is_short(doc: Doc) -> bool:
    """Tell whether a text of the gold set is one of the short ones: a line of a .txt file, not a document."""
    return ":" in doc.user_data["group"]


def count_training(docs: Iterable[Doc]) -> dict[str, int]:
    """Count the fully known spans by label."""
    return dict(sorted(Counter(chain.from_iterable((span.label_ for span in doc.ents) for doc in docs)).items()))
