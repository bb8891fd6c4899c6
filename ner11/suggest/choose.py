"""From evidence to the line of a label: a node, a list of nodes, or drop, and why."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ner11.harmonize import DROP
from ner11.schema import Schema
from ner11.suggest.evidence import BARE, Evidence, Votes

ENOUGH = 10
"""Spans or names from which a share means something."""
CLEAR = 0.75
SHARED = 0.2
_SLIGHT = 0.1
_MOST = 3
_COMMON = 0.6
_TOLD = 0.05

Group = frozenset[str] | str
"""What a model tells apart: active labels, or the name of a reserved node."""


class Choice(NamedTuple):
    """Nodes that a label is mapped to (none: drop), nodes to think about instead, and the evidence in words."""

    nodes: list[str]
    candidates: list[str]
    reasons: list[str]


def _group(node: str, schema: Schema) -> Group:
    return schema.allowed(node) or schema.node(node).name


def _merge(votes: Votes, schema: Schema, preferred: str) -> list[tuple[str, float]]:
    """Add up votes for nodes that count as the same label, and name each sum after the finest node that covers it."""
    groups: dict[Group, Votes] = {}
    for node, count in votes.items():
        if node in schema:
            groups.setdefault(_group(node, schema), Counter())[schema.node(node).name] += count
    merged = []
    for group, inside in groups.items():
        name = preferred if preferred and _group(preferred, schema) == group else _cover(inside, schema)
        merged.append((name, float(inside.total())))
    return sorted(merged, key=lambda each: (-each[1], each[0]))


def _cover(votes: Votes, schema: Schema) -> str:
    often = [node for node, count in votes.items() if count >= _SLIGHT * votes.total()]
    paths = [[up.name for up in schema.node(node).ancestors()] for node in often]
    return next((name for name in paths[0] if all(name in path for path in paths)), votes.most_common(1)[0][0])


def _decide(votes: Votes, schema: Schema, name: str) -> list[str]:
    """Choose what votes speak for clearly; nothing if they do not."""
    merged = _merge(votes, schema, name)
    total = sum(count for _, count in merged)
    if not merged or votes[DROP] >= total:
        return []
    often = [node for node, count in merged if count >= SHARED * total]
    if merged[0][1] >= CLEAR * total:
        return [merged[0][0]]
    enough = sum(count for node, count in merged if node in often) >= CLEAR * total
    return often if enough and 1 < len(often) <= _MOST else []


def choose(evidence: Evidence, surfaces: Counter[str], schema: Schema) -> Choice:
    """Choose nodes for a label: what shared spans say, else known names, else the label's own name.

    Args:
        evidence: What speaks for which node.
        surfaces: What is labelled so.
        schema: Label tree.
    """
    spans, known = evidence.spans.copy(), evidence.names + evidence.listed
    bare = spans.pop(BARE, 0)
    name, distinct = evidence.name, len(surfaces)
    if spans.total() >= max(ENOUGH, bare / 4):
        nodes = _decide(spans, schema, name)
    elif known.total() >= max(ENOUGH, _SLIGHT * distinct):
        nodes = _decide(known, schema, name)
        shares = dict(_merge(known, schema, name))
        if name and not nodes and shares.get(name, 0) >= SHARED * known.total():
            nodes = [name]
    else:
        nodes = [name] if name else []
    ranked = [*nodes, *(node for votes in (spans, known) for node, count in _merge(votes, schema, name) if count >= 1)]
    candidates = list(dict.fromkeys([*ranked, *([name] if name else []), *evidence.near]))
    reasons = list(_spans_said(spans, bare, evidence, schema))
    if spans.total() < ENOUGH:
        reasons += _names_said(evidence, distinct, schema)
    if name:
        reasons.append("name" if name in nodes else f"name says {name}")
    common = _common_share(surfaces)
    if nodes and common >= _COMMON and all(_is_proper(node, schema) for node in nodes):
        reasons.append(f"{common:.0%} in small letters, where {' or '.join(nodes)} means names")
        nodes = []
    return Choice(nodes, candidates[:_MOST], reasons)


def _say(votes: Votes, schema: Schema, name: str) -> str:
    merged = [*_merge(votes, schema, name), *([(DROP, votes[DROP])] if votes[DROP] else [])]
    best = sorted(merged, key=lambda each: -each[1])[:_MOST]
    best = [each for i, each in enumerate(best) if not i or each[1] >= _TOLD * votes.total()]
    return ", ".join(f"{node} {count / votes.total():.0%}" for node, count in best)


def _spans_said(spans: Votes, bare: float, evidence: Evidence, schema: Schema) -> Iterable[str]:
    if spans:
        where = ", ".join(sorted(evidence.sources))
        yield f"{_say(spans, schema, evidence.name)} of {spans.total():.0f} shared spans ({where})"
    if bare:
        yield f"{bare:.0f} spans bare there"


def _names_said(evidence: Evidence, distinct: int, schema: Schema) -> Iterable[str]:
    for votes, where in ((evidence.names, "other sets"), (evidence.listed, "gazetteers")):
        if votes.total() >= _MOST:
            yield f"{_say(votes, schema, evidence.name)} of {votes.total():.0f} in {distinct} names that {where} have"


def _is_proper(node: str, schema: Schema) -> bool:
    """Tell whether a node means proper names, by its examples."""
    return not any(_is_common(example) for example in schema.node(node).examples)


def _is_common(surface: str) -> bool:
    return surface.islower() and not any(map(str.isdigit, surface)) and surface.replace(" ", "").isalpha()


def _common_share(surfaces: Counter[str]) -> float:
    return sum(count for surface, count in surfaces.items() if _is_common(surface)) / max(surfaces.total(), 1)
