"""Finding the names of entities in a text."""

from collections import defaultdict
from collections.abc import Iterable

from spacy.matcher import PhraseMatcher
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ner11.gazetteer.entities import Entity


class GazetteerMatcher:
    """Finds entities by name: token by token, the longest first, each in any case or in its own only, as it says.

    Args:
        entities: What to find; no name has two nodes.
        tokenizer: Splits names as the texts are split.
    """

    def __init__(self, entities: Iterable[Entity], tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._matchers = (PhraseMatcher(tokenizer.vocab, attr="ORTH"), PhraseMatcher(tokenizer.vocab, attr="LOWER"))
        names: dict[tuple[bool, str], list[str]] = defaultdict(list)
        for entity in entities:
            names[entity.any_case, entity.node].append(entity.name)
        for (any_case, node), found in names.items():
            self._matchers[any_case].add(node, list(tokenizer.pipe(found)))

    def match(self, doc: Doc) -> list[tuple[int, int, str]]:
        """Find entities.

        Args:
            doc: A text, made by the same tokenizer.

        Returns:
            (first character, one past the last, node) of each, in the order of the text, none overlapping another.
        """
        spans: list[Span] = [span for matcher in self._matchers for span in matcher(doc, as_spans=True)]
        return [(span.start_char, span.end_char, span.label_) for span in filter_spans(spans)]
