"""What looks inconsistent in an annotated set, for people to judge: conflicting labels, names left bare, similar sentences."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ner11.annotation import AnnotatedText, LabelledSpan

PLACES = 20
"""Places of bare names that are kept, of each name."""
SHORTEST = 3
"""Characters of the shortest names that are looked for outside of spans."""
MIN_WORDS = 5
SIMILARITY = 0.7
_PIECE = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"\ue000|\w+")
_NUMBER = re.compile(r"\d+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_MASK = "\ue000"


def find_conflicts(texts: Iterable[AnnotatedText]) -> list[dict[str, Any]]:
    """Find surfaces, case folded, that have several labels: surface, count and first place by label; the most frequent first."""
    found: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for text in texts:
        for span in text.spans:
            surface = text.text[span.start : span.end].casefold()
            found[surface].setdefault(span.origin, {"count": 0, "place": text.place(span)})["count"] += 1
    conflicts = [{"surface": surface, "labels": labels} for surface, labels in found.items() if len(labels) > 1]
    return sorted(conflicts, key=lambda entry: (-sum(label["count"] for label in entry["labels"].values()), entry["surface"]))


def find_bare(texts: Sequence[AnnotatedText]) -> list[dict[str, Any]]:
    """Find surfaces that are annotated in one place and left bare, in the same case and on word borders, in another.

    Within a longer bare surface a shorter one does not count.

    Returns:
        Surface, its most frequent label, how often it is annotated and bare, first bare places; the most often bare first.
    """
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        for span in text.spans:
            labels[text.text[span.start : span.end]][span.origin] += 1
    starting: defaultdict[str, list[str]] = defaultdict(list)
    for surface in sorted(labels, key=len, reverse=True):
        if len(surface) >= SHORTEST and (piece := _PIECE.match(surface)):
            starting[piece.group()].append(surface)
    bare: defaultdict[str, list[str]] = defaultdict(list)
    for text in texts:
        for start, surface in _outside(text, starting):
            bare[surface].append(text.place(LabelledSpan(start, start + len(surface), "")))
    found = []
    for surface, places in bare.items():
        count = labels[surface]
        entry = {"surface": surface, "label": count.most_common(1)[0][0], "annotated": count.total(), "bare": len(places)}
        found.append({**entry, "places": places[:PLACES]})
    return sorted(found, key=lambda entry: (-entry["bare"], entry["surface"]))


def _outside(text: AnnotatedText, starting: dict[str, list[str]]) -> Iterator[tuple[int, str]]:
    """Yield first character and surface of those that stand outside of every span; `starting` has the longer ones first."""
    content, spans = text.text, sorted(text.spans, key=lambda span: span.start)
    free = upcoming = 0
    for piece in _PIECE.finditer(content):
        start = piece.start()
        while upcoming < len(spans) and spans[upcoming].start <= start:
            free = max(free, spans[upcoming].end)
            upcoming += 1
        if start < free:
            continue
        limit = spans[upcoming].start if upcoming < len(spans) else len(content)
        for surface in starting.get(piece.group(), ()):
            end = start + len(surface)
            if end <= limit and content.startswith(surface, start) and not _inside_word(content, start, end):
                yield start, surface
                free = end
                break


def _inside_word(content: str, start: int, end: int) -> bool:
    around = content[start - 1 : start] + content[end : end + 1]
    return any(character.isalnum() or character == "_" for character in around)


def find_similar(texts: Iterable[AnnotatedText]) -> list[dict[str, Any]]:
    """Find sentences that are nearly the same but for their entities and numbers, as if made from one template.

    Entities are masked by their labels and numbers by 0; of what is left a sentence needs five words, a mask being one. Two
    are similar if the Jaccard similarity of their triples of words is 0.7 or more. Triples of masks alone do not count: the
    rows of a table are no template.

    Returns:
        Groups of similar sentences: number of files, and place and text of each; groups over most files first.
    """
    sentences: list[tuple[AnnotatedText, int, str]] = []
    triples: list[frozenset[tuple[str, ...]]] = []
    having: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    leader: list[int] = []

    def lead(i: int) -> int:
        while leader[i] != i:
            i = leader[i]
        return i

    for text in texts:
        for row, sentence, made in _masked_sentences(text):
            this = len(sentences)
            leader.append(this)
            shared = Counter(other for triple in made for other in having[triple])
            for other, count in shared.items():
                if count >= SIMILARITY * (len(made) + len(triples[other]) - count):
                    leader[max(lead(this), lead(other))] = min(lead(this), lead(other))
            for triple in made:
                having[triple].append(this)
            sentences.append((text, row, sentence))
            triples.append(made)
    groups: defaultdict[int, list[tuple[AnnotatedText, int, str]]] = defaultdict(list)
    for i, sentence_ in enumerate(sentences):
        groups[lead(i)].append(sentence_)
    found = [
        {
            "files": len({text.where for text, _, _ in group}),
            "sentences": [{"place": f"{text.where}:{row}", "text": sentence} for text, row, sentence in group],
        }
        for group in groups.values()
        if len(group) > 1
    ]
    return sorted(found, key=lambda group: (-group["files"], -len(group["sentences"])))


def _masked_sentences(text: AnnotatedText) -> Iterator[tuple[int, str, frozenset[tuple[str, ...]]]]:
    """Yield line, text and triples of masked words of the sentences that have words enough; spans must not overlap."""
    parts, last = [], 0
    spans = sorted(text.spans, key=lambda span: span.start)
    for span in spans:
        parts += [text.text[last : span.start].replace(_MASK, " "), _MASK]
        last = span.end
    masked = "".join([*parts, text.text[last:].replace(_MASK, " ")])
    surfaces = iter([text.text[span.start : span.end] for span in spans])
    labels = iter([f"<{span.origin}>" for span in spans])
    for row, line in enumerate(masked.split("\n"), start=text.line):
        for piece in _SENTENCE_END.split(line):
            sentence = re.sub(_MASK, lambda _: next(surfaces), piece).strip()
            words = [next(labels) if word == _MASK else _NUMBER.sub("0", word.casefold()) for word in _WORD.findall(piece)]
            triples = zip(words, words[1:], words[2:], strict=False)
            kept = frozenset(triple for triple in triples if not all(word == "0" or word[0] == "<" for word in triple))
            if kept and len(words) >= MIN_WORDS:
                yield row, sentence, kept
