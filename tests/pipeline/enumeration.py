"""The chain of tags by brute force: every legal sequence, one by one."""

import itertools

import numpy as np

from ner11.pipeline.tags import TagScheme


def split(tag: str) -> tuple[str, str]:
    return ("O", "") if tag == "O" else (tag[0], tag[2:])


def may_follow(scheme: str, before: str, tag: str) -> bool:
    """The rules as they are written in textbooks, apart from how the code under test states them."""
    (a, label), (b, following) = split(before), split(tag)
    if scheme == "IO":
        return True
    if scheme == "BIO":
        return b != "I" or (a in "BI" and label == following)
    return (b in "IL" and label == following) if a in "BI" else b in "OBU"


def may_end(scheme: str, tag: str) -> bool:
    return scheme != "BILUO" or tag[0] in "OLU"


def legal_sequences(scheme: TagScheme, length: int) -> list[tuple[int, ...]]:
    names = scheme.tags
    return [
        sequence
        for sequence in itertools.product(range(len(names)), repeat=length)
        if all(
            may_follow(scheme.name, names[a] if a is not None else "O", names[b])
            for a, b in itertools.pairwise((None, *sequence))
        )
        and may_end(scheme.name, names[sequence[-1]])
    ]


def score(logits: np.ndarray, sequence: tuple[int, ...]) -> float:
    return float(logits[np.arange(len(sequence)), list(sequence)].sum())
