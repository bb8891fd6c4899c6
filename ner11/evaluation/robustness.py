"""What perturbed texts cost: lower case, typos, and names that training has not seen."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from spacy.language import Language

from ner11.annotation import SEPARATOR, UNKNOWN
from ner11.evaluation.bootstrap import CountTable, as_interval, count_events, label_events, measure, percentiles, ratios, resample
from ner11.evaluation.mentions import Mentions
from ner11.evaluation.texts import TestText, predict_again, token_borders
from ner11.pipeline.scoring import SpanKey

TYPO_SHARE = 0.1
"""Share of the words that get a typo."""
_WORD = re.compile(r"(?<!\w)[^\W\d_]{4,}(?!\w)")
_F1 = 2
"""Place of F1 in what `ratios` gives."""

Perturb = Callable[[TestText], tuple[str, list[SpanKey]]]
"""Gives another text, and where the annotated spans lie in it."""


def sample_documents(texts: Sequence[TestText], max_words: int, *, seed: int = 0) -> list[TestText]:
    """Draw whole documents at random, at least one, until the next would bring more than `max_words` tokens.

    Args:
        texts: Texts, each with its document named.
        max_words: Tokens that the sample may have.
        seed: Of the draw.

    Returns:
        The texts of the drawn documents, in their order.
    """
    words: defaultdict[str, int] = defaultdict(int)
    for text in texts:
        words[text.document] += text.words
    names = sorted(words)
    random.Random(seed).shuffle(names)
    ends = np.cumsum([words[name] for name in names])
    chosen = set(names[: max(1, int(np.searchsorted(ends, max_words, side="right")))])
    return [text for text in texts if text.document in chosen]


@contextmanager
def uncalibrated(nlp: Language) -> Iterator[None]:
    """Set the temperatures of a pipeline's components to 1 while the block runs."""
    settings = [cfg for _, pipe in nlp.pipeline if isinstance(cfg := getattr(pipe, "cfg", None), dict) and "temperature" in cfg]
    temperatures = [cfg["temperature"] for cfg in settings]
    try:
        for cfg in settings:
            cfg["temperature"] = 1.0
        yield
    finally:
        for cfg, temperature in zip(settings, temperatures, strict=True):
            cfg["temperature"] = temperature


def lower_case(text: TestText) -> tuple[str, list[SpanKey]]:
    """Write a text in lower case; a character whose lower form has another length stays, so that no span moves."""
    return "".join(low if len(low := character.lower()) == 1 else character for character in text.text), text.gold


def swap_letters(text: TestText, rng: random.Random) -> tuple[str, list[SpanKey]]:
    """Swap two neighboring inner letters in some words of at least four letters."""

    def with_typo(match: re.Match[str]) -> str:
        word = match[0]
        places = [i for i in range(1, len(word) - 2) if word[i] != word[i + 1]]
        if rng.random() >= TYPO_SHARE or not places:
            return word
        i = rng.choice(places)
        return f"{word[:i]}{word[i + 1]}{word[i]}{word[i + 2 :]}"

    return _WORD.sub(with_typo, text.text), text.gold


def find_unseen_names(texts: Iterable[TestText], mentions: Mentions) -> dict[str, list[str]]:
    """List the distinct surfaces of each label that training has not seen with it, for labels that have at least two."""
    surfaces: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for text in texts:
        for start, end, label in text.gold:
            surface = text.text[start:end]
            if _is_known(label) and not mentions.seen(surface, label):
                surfaces[label].setdefault(surface.casefold(), surface)
    return {label: [found[key] for key in sorted(found)] for label, found in surfaces.items() if len(found) > 1}


def swap_names(text: TestText, names: Mapping[str, Sequence[str]], rng: random.Random) -> tuple[str, list[SpanKey]]:
    """Put another name of the same label in the place of each fully known span, and move all spans accordingly.

    Args:
        text: The text. A span that overlaps another one stays as it is.
        names: At least two names by label; spans of other labels stay.
        rng: Chooses among them.
    """
    chosen: list[tuple[int, int, str]] = []
    for start, end, label in sorted(text.gold):
        alone = sum(start < other_end and other < end for other, other_end, _ in text.gold) == 1
        if alone and label in names:
            old = text.text[start:end].casefold()
            chosen.append((start, end, rng.choice([name for name in names[label] if name.casefold() != old])))
    parts, done = [], 0
    for start, end, name in chosen:
        parts += [text.text[done:start], name]
        done = end
    ends = np.array([end for _, end, _ in chosen])
    grown = np.cumsum([0, *(len(name) - (end - start) for start, end, name in chosen)])

    def moved(place: int) -> int:
        return place + int(grown[np.searchsorted(ends, place, side="right")])

    return "".join([*parts, text.text[done:]]), [(moved(start), moved(end), label) for start, end, label in text.gold]


def _is_known(label: str) -> bool:
    return label != UNKNOWN and SEPARATOR not in label


def _perturbed(texts: Iterable[TestText], perturb: Perturb, nlp: Language) -> Iterator[TestText]:
    for text in texts:
        content, gold = perturb(text)
        starts, ends = token_borders(nlp.make_doc(content))
        yield replace(text, text=content, gold=gold, token_starts=starts, token_ends=ends)


def measure_robustness(
    nlp: Language, texts: Sequence[TestText], *, mentions: Mentions, seed: int = 0, max_words: int = 10_000
) -> dict[str, Any]:
    """Measure what perturbations of the texts cost.

    Args:
        nlp: The pipeline whose predictions the texts have.
        texts: Test texts, each with its document named. Names to swap in come from all of them.
        mentions: What training has seen.
        seed: Of the sample, the perturbations and the resampling.
        max_words: Tokens of the sample of whole documents that is perturbed.

    Returns:
        `texts` and `words` of the sample, its figures as it stands (`plain`), and under `perturbations` the figures of each
        one, with the `loss` of F1 against `plain` and its 95% interval (`loss_interval`), by paired resampling of
        documents; None where undefined. A perturbation that changes none of the texts is left out.
    """
    sample = sample_documents(texts, max_words, seed=seed)
    names = find_unseen_names(texts, mentions)
    perturbations: dict[str, Perturb] = {
        "lower case": lower_case,
        "typos": partial(swap_letters, rng=random.Random(seed)),
        "unseen names": partial(swap_names, names=names, rng=random.Random(seed)),
    }
    documents = sorted({text.document for text in sample})
    tables = {"plain": _count(sample, documents)}
    for name, perturb in perturbations.items():
        found = predict_again(nlp, _perturbed(sample, perturb, nlp))
        if any(text.text != plain.text for text, plain in zip(found, sample, strict=True)):
            tables[name] = _count(found, documents)
    sums = resample({name: table.counts for name, table in tables.items()}, seed=seed)
    measured = {name: measure(table, sums[name])[""] for name, table in tables.items()}
    plain = measured.pop("plain")
    for name, row in measured.items():
        losses = ratios(sums["plain"])[:, 0, _F1] - ratios(sums[name])[:, 0, _F1]
        row["loss"] = None if plain["f1"] is None or row["f1"] is None else plain["f1"] - row["f1"]
        row["loss_interval"] = as_interval(percentiles(losses))
    return {"texts": len(sample), "words": sum(text.words for text in sample), "plain": plain, "perturbations": measured}


def _count(texts: Iterable[TestText], documents: Sequence[str]) -> CountTable:
    return count_events(((text.document, label_events(text.comparison)) for text in texts), documents=documents).total()
