"""Texts that are known already, exactly or nearly: the MinHash of the corpus, over texts that come one after the other."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.strings import StringStore, get_string_id
from spacy.util import minibatch

from ner11.corpus.duplicates import SIMILARITY
from ner11.corpus.index import sign, text_key

_WORD = re.compile(r"\w+")
_AT_ONCE = 256


def key_of(text: str) -> int:
    """Give the hash under which two texts are the same: case folded, without white space."""
    return int(get_string_id(text_key(text)))


def _sign(texts: Sequence[str]) -> tuple[NDArray[np.uint16], NDArray[np.uint64]]:
    strings = StringStore()
    words = [[strings.add(word) for word in _WORD.findall(text)] for text in texts]
    flat = np.array([word for own in words for word in own], dtype=np.uint64)
    return sign(flat, np.array([len(own) for own in words], dtype=np.int64), strings)


class KnownTexts:
    """Tells whether a text is known, or nearly the same as a known one."""

    def __init__(self) -> None:
        self._keys: set[int] = set()
        self._signatures: list[NDArray[np.uint16]] = []
        self._bands: defaultdict[int, list[int]] = defaultdict(list)

    def __contains__(self, text: str) -> bool:
        """Tell whether exactly this text is known, but for case and white space."""
        return key_of(text) in self._keys

    def add(self, texts: Iterable[str]) -> None:
        """Learn texts."""
        for _ in self.add_new(texts, only_new=False):
            pass

    def add_new(self, texts: Iterable[str], *, only_new: bool = True) -> Iterator[bool]:
        """Tell of each text whether it is new, and learn it; with `only_new` only if it is, so that of a chain of neighbors
        some stay."""
        for batch in minibatch(texts, _AT_ONCE):
            for text, signature, bands in zip(batch, *_sign(batch), strict=True):
                key = key_of(text)
                new = key not in self._keys and not self._resembles(signature, bands)
                if new or not only_new:
                    self._keys.add(key)
                    self._learn(signature, bands)
                yield new

    def _resembles(self, signature: NDArray[np.uint16], bands: NDArray[np.uint64]) -> bool:
        if not bands[0]:  # too short to be nearly the same as another
            return False
        others = {other for band in bands.tolist() for other in self._bands.get(band, ())}
        return any((self._signatures[other] == signature).mean() >= SIMILARITY for other in others)

    def _learn(self, signature: NDArray[np.uint16], bands: NDArray[np.uint64]) -> None:
        if bands[0]:
            for band in bands.tolist():
                self._bands[band].append(len(self._signatures))
            self._signatures.append(signature)
