"""Choosing the texts to annotate next from a pool that is read once, as a stream; only the best ones are kept."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ner11.active.candidates import CANDIDATES, Candidates, Wishes, batch_texts, uncertainty
from ner11.active.model import Floats, FoundSpan, PoolModel
from ner11.active.near import KnownTexts, key_of
from ner11.active.pool import PoolText
from ner11.errors import Ner11Error

CENTERS = 2_000
"""Annotated texts that a strategy that compares texts keeps away from; random ones, where there are more."""
NEAR = "nearly the same as another"


@dataclass
class Chosen:
    """A text that is to be annotated.

    Attributes:
        text: The text.
        at_random: Whether it was drawn rather than chosen.
        score: What the strategy gave it, the higher the sooner; None where it gives no scores.
        uncertainty: 1 - the geometric mean of the probabilities of its tokens' tags on the best path, 0 to 1.
        spans: What the model finds in it.
    """

    text: PoolText
    at_random: bool
    score: float | None
    uncertainty: float = 0.0
    spans: list[FoundSpan] = field(default_factory=list)


@dataclass
class Selection:
    """The chosen texts, best first, and how many texts were left out by reason; `read` of them were looked at."""

    chosen: list[Chosen]
    left_out: Counter[str]
    read: int


_Entry = tuple[float | None, PoolText, Floats | None]
"""Score, text and vector."""


def select(pool: Iterable[PoolText], model: PoolModel, wishes: Wishes, *, annotated: Sequence[str] = ()) -> Selection:
    """Choose texts.

    Near duplicates of annotated texts and of chosen ones are passed over, by the MinHash of the corpus (Jaccard similarity of
    words and pairs of words of 0.9), among the candidates alone, which are `SPARE` times as many as wished. A strategy that
    compares texts with each other chooses among `CANDIDATES` random ones. So the memory does not grow with the pool, but for
    a hash of each text.

    Args:
        pool: The texts, read once.
        model: Reads them.
        wishes: What is to be chosen.
        annotated: Texts that are annotated, or must never be, such as those of test sets.

    Returns:
        The chosen ones, those that were drawn at random spread evenly among the others.

    Raises:
        Ner11Error: If nothing is left to choose from, or the model cannot give what the strategy needs.
    """
    left_out: Counter[str] = Counter()
    candidates = Candidates(wishes, model, left_out)
    read = candidates.run(pool, {key_of(text) for text in annotated})
    known = KnownTexts()
    known.add(annotated)
    drawn = _pass_over([(None, text, None) for _, text, _ in candidates.drawn.ranked()], known, wishes.drawn_of(read), left_out)
    rest = wishes.count - len(drawn)
    taken = {text.text for _, text, _ in drawn}
    best: list[_Entry] = [entry for entry in candidates.best.ranked() if entry[1].text not in taken]
    if wishes.strategy.choose:
        others = _pass_over([(None, text, vector) for _, text, vector in best], known, CANDIDATES, left_out)
        ranked = _compare(others, rest, model, wishes, annotated)
    else:
        ranked = _pass_over(best, known, rest, left_out)
    if not drawn and not ranked:
        raise Ner11Error("no text is left to choose", where="pool", fix="Give more texts, or a lower uncertainty threshold")
    chosen = _mix([Chosen(text, False, score) for score, text, _ in ranked], [Chosen(text, True, None) for _, text, _ in drawn])
    _annotate(chosen, model)
    return Selection(chosen, left_out, read)


def _pass_over(entries: Sequence[_Entry], known: KnownTexts, count: int, left_out: Counter[str]) -> list[_Entry]:
    """Take so many entries that are not nearly known."""
    taken: list[_Entry] = []
    for entry in entries:
        if len(taken) == count:
            break
        (new,) = known.add_new([entry[1].text])
        left_out[NEAR] += not new
        taken += [entry] * new
    return taken


def _compare(
    candidates: Sequence[_Entry], count: int, model: PoolModel, wishes: Wishes, annotated: Sequence[str]
) -> list[_Entry]:
    if not candidates:
        return []
    vectors = np.stack([vector for _, _, vector in candidates if vector is not None])
    some = random.Random(wishes.seed).sample(annotated, min(CENTERS, len(annotated)))
    centers = [model.read([t.text for t in batch], vectors=True).vectors for batch in batch_texts(map(PoolText, some))]
    flat = np.concatenate([np.zeros((0, vectors.shape[1])), *(block for block in centers if block is not None)])
    assert wishes.strategy.choose
    return [candidates[i] for i in wishes.strategy.choose(vectors, count, centers=flat, seed=wishes.seed)]


def _mix(ranked: Sequence[Chosen], drawn: Sequence[Chosen]) -> list[Chosen]:
    """Spread the drawn ones evenly among the others: who stops early has annotated their share, too."""
    places = [((i + 0.5) / len(group), chosen) for group in (ranked, drawn) for i, chosen in enumerate(group)]
    return [chosen for _, chosen in sorted(places, key=lambda place: place[0])]


def _annotate(chosen: Sequence[Chosen], model: PoolModel) -> None:
    """Add what the model finds in the texts."""
    done = 0
    for batch in batch_texts([one.text for one in chosen]):
        reading = model.read([text.text for text in batch], spans=True)
        values = uncertainty(reading, model)
        assert reading.spans is not None
        for one, value, spans in zip(chosen[done : done + len(batch)], values.tolist(), reading.spans, strict=True):
            one.uncertainty, one.spans = value, spans
        done += len(batch)
