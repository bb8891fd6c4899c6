"""The entity list: names of all gazetteers merged, each with one node and all its provenance, and those left out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import srsly

from ner11.errors import Ner11Error
from ner11.gazetteer.hazards import find_hazard, is_phrase
from ner11.gazetteer.sources import Name
from ner11.schema import Schema


class Entity(NamedTuple):
    """A name to match, its node, whether it is matched in any case, and the names in gazetteers that it comes from.

    Several words are matched in any case, unless they are an everyday phrase: measured on annotated reports, "social
    media" or "user interface" is never the name that "Social Media" is, and single words in another case are hardly
    ever right either.
    """

    name: str
    node: str
    any_case: bool
    sources: tuple[Name, ...]


class Excluded(NamedTuple):
    """A name that is not matched, the nodes that gazetteers give it, and why."""

    name: str
    nodes: tuple[str, ...]
    reason: str
    sources: tuple[Name, ...]


def common_node(nodes: Iterable[str], schema: Schema) -> str | None:
    """Give the one node that several stand for.

    Returns:
        The deepest node if all lie on one path; else the lowest above all of them, if it still is one label (a worm
        and a wiper are both malware); None if they are of different types.
    """
    found = sorted({schema.node(name).name for name in nodes}, key=lambda name: (-schema.node(name).level, name))
    above = [{up.name for up in schema.node(name).ancestors()} for name in found]
    if above[0].issuperset(found):
        return found[0]
    shared = set.intersection(*above)
    lowest = max(shared, key=lambda name: schema.node(name).level, default=None)
    return lowest if lowest and len(schema.allowed(lowest)) == 1 else None


def build_entities(
    names: Iterable[Name], *, schema: Schema, probabilities: Mapping[str, float], count_tokens: Callable[[str], int]
) -> tuple[list[Entity], list[Excluded]]:
    """Merge names to entities and leave hazards out.

    Args:
        names: Names of all gazetteers, in any order.
        schema: Label tree.
        probabilities: Log probabilities of word forms.
        count_tokens: Counts the tokens of a name.

    Returns:
        Entities and excluded names, each in the order of their names. Every name given is in the sources of one of
        them. Names that differ in case only are entities of their own, but of the same node.
    """
    by_lower: dict[str, set[Name]] = defaultdict(set)
    excluded: list[Excluded] = []
    revoked: dict[str, set[Name]] = defaultdict(set)
    for name in names:
        if name.revoked:
            revoked[name.name].add(name)
        else:
            by_lower[name.name.lower()].add(name)
    for text, found in revoked.items():
        excluded.append(_exclude(text, found, "revoked or deprecated"))
    entities: list[Entity] = []
    for group in by_lower.values():
        node = common_node({name.node for name in group}, schema)
        by_name: dict[str, set[Name]] = defaultdict(set)
        for name in group:
            by_name[name.name].add(name)
        for text, found in by_name.items():
            reason = find_hazard(text, probabilities, count_tokens, well_known=any(name.well_known for name in found))
            reason = reason or ("" if node else "names two types")
            if node and not reason:
                any_case = " " in text and not is_phrase(text, probabilities)
                entities.append(Entity(text, node, any_case, tuple(sorted(found))))
            else:
                nodes = {name.node for name in group}
                excluded.append(_exclude(text, found, reason, nodes))
    return sorted(entities), sorted(excluded)


def _exclude(text: str, found: set[Name], reason: str, nodes: set[str] | None = None) -> Excluded:
    return Excluded(text, tuple(sorted(nodes or {name.node for name in found})), reason, tuple(sorted(found)))


def to_row(record: Entity | Excluded) -> dict[str, Any]:
    """Give a record as JSON."""
    fields = ("gazetteer", "file", "id", "of", "node")
    sources = [{field: getattr(name, field) for field in fields} for name in record.sources]
    return {**record._asdict(), "sources": sources}


def read_entities(path: Path) -> list[Entity]:
    """Read an entity list that `to_row` wrote; provenance is left out, for matching does not need it.

    Raises:
        Ner11Error: If the file is missing or damaged.
    """
    try:
        return [Entity(row["name"], row["node"], row["any_case"], ()) for row in srsly.read_jsonl(path)]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise Ner11Error("no entity list", where=path, fix="Run 'spacy project run gazetteer'") from e


def select_entities(entities: Iterable[Entity], labels: Iterable[str], schema: Schema) -> list[Entity]:
    """Choose the entities whose active labels all belong to the given nodes."""
    wanted = frozenset[str]().union(*(schema.allowed(label) for label in labels))
    return [entity for entity in entities if schema.allowed(entity.node) and schema.allowed(entity.node) <= wanted]
