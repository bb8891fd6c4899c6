"""An entry of `datasets.yml` as text: YAML to paste, with the evidence as comments."""

import json
import re
from typing import Any

import srsly

from ner11.datasets import Dataset
from ner11.harmonize import DROP
from ner11.suggest.choose import Choice
from ner11.suggest.labels import Labels

_WIDTH = 130
_EXAMPLES = 3
_LONGEST = 40
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa1-\u1fff\u2030-\ud7ff\uf900-\ufffd\U00010000-\U0010fffd]")


def scalar(value: Any) -> str:
    """Write a value for a flow collection or a mapping."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(scalar, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if re.fullmatch(r"[\w./*<>-]+( [\w./*-]+)*", value, re.ASCII):
        try:
            if srsly.yaml_loads(f"[{value}]") == [value] and srsly.yaml_loads(f"{{{value}: 1}}") == {value: 1}:
                return value
        except ValueError:
            pass
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\U{ord(match[0]):08x}" if ord(match[0]) > 0x1F else match[0], quoted)


def _note(text: str) -> str:
    """Make one line of a comment."""
    return _UNPRINTABLE.sub("\ufffd", " ".join(text.split()))


def _example(surface: str) -> str:
    surface = " ".join(surface.split())
    return surface if len(surface) <= _LONGEST else f"{surface[:_LONGEST]}..."


def label_line(label: str, count: int, examples: list[str], choice: Choice) -> str:
    """Write the line of a label: what it is mapped to, how many spans it has, some of them, and the evidence."""
    nodes = choice.nodes
    target = DROP if not nodes else nodes[0] if len(nodes) == 1 else nodes
    todo = "" if nodes else f"TODO: {' or '.join([*choice.candidates, DROP])}? " if choice.candidates else "TODO: "
    shown = ", ".join(map(_example, examples[:_EXAMPLES]))
    told = "; ".join([f"{count:,} spans{f': {shown}' if shown else ''}", *choice.reasons])
    return f"      {scalar(label)}: {scalar(target)} # {_note(todo + told)}"


def write_entry(dataset: Dataset, labels: Labels, choices: dict[str, Choice], notes: list[str]) -> str:
    """Write an entry.

    Args:
        dataset: The data set with an empty map.
        labels: What it holds.
        choices: What was chosen for each label.
        notes: What else the reader of the entry should know, a line each.
    """
    seen = f"{labels.texts:,} texts, {labels.counts.total():,} spans" + (", the first of each split" if labels.sampled else "")
    lines = [f"# A suggestion: check every line ({seen})", *(f"# {_note(note)}" for note in notes)]
    lines = [f"  {line}" for line in lines]
    lines += [
        f"  - name: {scalar(dataset.name)}",
        f"    path: {scalar(dataset.path.as_posix())}",
        "    url: TODO # where it comes from",
        "    license: TODO # SPDX identifier, or LicenseRef-none-stated: then never pass its texts on",
        f"    format: {dataset.format}",
        *_options(dataset.options),
        "    splits:",
        *(_split(split, dataset) for split in dataset.splits),
    ]
    if dataset.hold_out:
        lines.append(f"    hold_out: {scalar(dict(dataset.hold_out))}")
    lines += ["    tier: expert # gold: by our guideline; silver: found by a program", "    labels:"]
    for label, count in labels.counts.most_common():
        examples = [surface for surface, _ in labels.surfaces[label].most_common(_EXAMPLES)]
        lines.append(label_line(label, count, examples, choices[label]))
    lines += [
        "    # TODO: outside its spans, does O say that none of these nodes is there? Nodes that are bare in many places, or",
        '    # hidden by a dropped label, belong under "partial: [NODE]"; "coverage: []" if all of them do.',
    ]
    return "\n".join(lines) + "\n"


def _options(options: dict[str, Any]) -> list[str]:
    if not options:
        return []
    line = f"    options: {scalar(options)}"
    if len(line) <= _WIDTH:
        return [line]
    return ["    options:", *(f"      {scalar(key)}: {scalar(value)}" for key, value in options.items())]


def _split(split: Any, dataset: Dataset) -> str:
    files, options = dataset.splits[split].files, dataset.splits[split].options
    listed: Any = files[0] if len(files) == 1 else files
    line = f"      {split}: {scalar({'files': listed, 'options': options}) if options else scalar(listed)}"
    if len(line) <= _WIDTH or len(files) == 1 or options:
        return line
    return "\n".join([f"      {split}:", *(f"        - {scalar(file)}" for file in files)])
