"""What speaks for a node: the same spans and the same names in data sets that are configured, gazetteers, the label's name."""

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ner11.annotation import AnnotatedText
from ner11.corpus.convert import read_split
from ner11.corpus.index import text_key
from ner11.datasets import Dataset
from ner11.gazetteer.entities import Entity
from ner11.harmonize import Harmonizer
from ner11.schema import Schema
from ner11.suggest.labels import Labels, place_spans

BARE = ""
"""What stands for no span at all in the same place of another data set."""
_SHORTEST = 3
_FEW = 3

Votes = Counter[str]


@dataclass
class Evidence:
    """What speaks for the nodes that a label may stand for.

    Attributes:
        spans: Its spans in texts that configured data sets have too, by the node they have there; `BARE` for none.
        sources: The data sets that have those spans.
        names: Its surfaces, each once, by the node that configured data sets give them elsewhere.
        listed: Its surfaces, each once, by the node of the gazetteers.
        name: Nodes by the label's name: one that has this name, an alias, or a name that only begins so; else none.
        near: Nodes whose names are merely similar.
    """

    spans: Votes = field(default_factory=Counter)
    sources: set[str] = field(default_factory=set)
    names: Votes = field(default_factory=Counter)
    listed: Votes = field(default_factory=Counter)
    name: str = ""
    near: list[str] = field(default_factory=list)


def nodes_of(dataset: Dataset, label: str) -> list[str]:
    """Give the nodes that the map of a data set has for a label; `DROP` alone if it is dropped, nothing if it is unknown."""
    if isinstance(dataset.labels, str):
        return [label]
    target = dataset.labels.get(label, [])
    return [target] if isinstance(target, str) else target


def _vote(votes: Votes, nodes: list[str], weight: float = 1) -> None:
    for node in nodes:
        votes[node] += weight / len(nodes)  # type: ignore[assignment]


def compare(labels: Labels, datasets: Iterable[Dataset], schema: Schema, *, root: Path) -> dict[str, Evidence]:
    """Compare a data set with those that are configured, their test splits excepted.

    Args:
        labels: What the new data set holds.
        datasets: Configured data sets that are there.
        schema: Label tree.
        root: The project's folder.

    Returns:
        Evidence for each label, in texts and names that data sets share.
    """
    evidence: dict[str, Evidence] = {label: Evidence() for label in labels.counts}
    wanted = {surface.casefold() for surfaces in labels.surfaces.values() for surface in surfaces}
    found: dict[str, Votes] = defaultdict(Counter)
    for dataset in datasets:
        harmonize = Harmonizer(dataset, schema)
        for split in dataset.splits:
            for text in read_split(dataset, split, root=root) if split != "test" else ():
                if harmonize(text).damage:
                    continue
                for span in text.spans:
                    surface = text.text[span.start : span.end].casefold()
                    if surface in wanted and (nodes := nodes_of(dataset, span.origin)):
                        _vote(found[surface], nodes)
                _compare_text(text, dataset, labels, evidence)
    for label, surfaces in labels.surfaces.items():
        for surface in {surface.casefold() for surface in surfaces}:
            if total := found[surface].total():
                for node, count in found[surface].items():
                    _vote(evidence[label].names, [node], count / total)
    return evidence


def _compare_text(text: AnnotatedText, dataset: Dataset, labels: Labels, evidence: dict[str, Evidence]) -> None:
    places = labels.places.get(text_key(text.text))
    if not places:
        return
    there = {(start, end): origin for start, end, origin in place_spans(text)}
    for start, end, label in places:
        if label not in evidence:
            continue
        origin = there.get((start, end))
        nodes = nodes_of(dataset, origin) if origin is not None else [BARE]
        _vote(evidence[label].spans, nodes or [BARE])
        evidence[label].sources.add(dataset.name)


def look_up(labels: Labels, entities: Iterable[Entity], evidence: dict[str, Evidence]) -> None:
    """Look surfaces up in the entity list of the gazetteers."""
    exact: dict[str, str] = {}
    folded: dict[str, str] = {}
    for entity in entities:
        exact[entity.name] = entity.node
        if entity.any_case:
            folded[entity.name.casefold()] = entity.node
    for label, surfaces in labels.surfaces.items():
        for surface in surfaces:
            node = exact.get(surface) or folded.get(surface.casefold())
            if node and label in evidence:
                evidence[label].listed[node] += 1


def _words(name: str) -> list[str]:
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return [part.lower() for part in parts]


def _plain(name: str) -> str:
    joined = "".join(_words(name))
    return joined.removesuffix("s") if len(joined) > _SHORTEST else joined


def compare_name(label: str, schema: Schema) -> tuple[str, list[str]]:
    """Compare a label with the names and aliases of nodes.

    Returns:
        The node with that name (case, blanks and plural aside), or the widest whose name begins so, or ""; and nodes with
        similar names, the most similar first.
    """
    names = {alias: node for root in schema.roots for node in root.walk() for alias in (node.name, *node.aliases)}
    plain = {_plain(alias): node.name for alias, node in names.items()}
    wanted = _plain(label)
    if wanted in plain:
        return plain[wanted], []
    begun = {name for key, name in plain.items() if len(wanted) >= _SHORTEST and key.startswith(wanted)}
    begun |= {node.name for alias, node in names.items() if _words(alias)[0] == wanted}
    # Of the many names and aliases that begin so, one decides only if it is that of a label or of a node above labels.
    wide = {name: schema.node(name).level for name in begun if _plain(name).startswith(wanted) and _is_wide(name, schema)}
    top = {name for name, level in wide.items() if level == min(wide.values())}
    if len(top) == 1:
        return min(top), []
    # Tiers and categories are too wide for a name that is only similar.
    fine = {key: name for key, name in plain.items() if len(schema.allowed(name)) <= 1}
    begun &= set(fine.values())
    words = {_plain(word) for word in _words(label)}
    inside = [name for alias, node in names.items() if (name := node.name) in fine.values() and _within(alias, words)]
    near = difflib.get_close_matches(wanted, fine, n=_FEW, cutoff=0.75)
    return "", list(dict.fromkeys([*inside, *sorted(begun), *(fine[key] for key in near)]))[:_FEW]


def _is_wide(name: str, schema: Schema) -> bool:
    return name in schema.active or len(schema.allowed(name)) > 1


def _within(alias: str, words: set[str]) -> bool:
    return {_plain(word) for word in _words(alias)} <= words
