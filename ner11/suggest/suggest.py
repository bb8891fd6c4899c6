"""From a path to a suggested entry."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal

from ner11.datasets import Dataset, Split
from ner11.errors import Ner11Error
from ner11.gazetteer.entities import Entity
from ner11.readers import readers
from ner11.schema import Schema
from ner11.suggest.choose import choose
from ner11.suggest.detect import Part, choose_parts, read_group, try_reading
from ner11.suggest.entry import write_entry
from ner11.suggest.evidence import compare, compare_name, look_up
from ner11.suggest.files import find_groups, split_of
from ner11.suggest.labels import Labels, overlaps, read_labels

_ORDER: tuple[Split, ...] = ("train", "dev", "test")
_LISTED = 3
"""Files of a split that are listed one by one; more are a glob where there is one."""
_MANY = 20
_MARK = "-DOCSTART-"
_MOST = 0.8


def suggest(
    path: Path,
    *,
    schema: Schema,
    datasets: Iterable[Dataset],
    entities: Iterable[Entity] = (),
    name: str | None = None,
    taken: Collection[str] = (),
    root: Path,
) -> str:
    """Suggest an entry of `datasets.yml` for files that nobody configured yet.

    Args:
        path: A file, or a folder with files anywhere below it.
        schema: Label tree.
        datasets: Configured data sets that are there, to compare with; those made of the same files are left out.
        entities: Names of gazetteers.
        name: Name of the data set; by default that of the folder or file.
        taken: Names that other data sets have.
        root: The project's folder.

    Returns:
        The entry, with what speaks for each line as comments.

    Raises:
        Ner11Error: If there is nothing that a reader can read.
    """
    groups = find_groups(path)
    parts = [part for group in groups if (part := read_group(group))]
    chosen, rest = choose_parts(parts)
    if not chosen:
        tried = ", ".join(sorted(readers.get_all()))
        count = sum(len(group.files) for group in groups)
        what = f"no annotation found in {count} file{'s' * (count > 1)} (tried the readers {tried})"
        raise Ner11Error(what, where=path, fix="Write a reader, or the entry by hand as docs/data.md describes")
    dataset, notes = _make_dataset(path, chosen, name=name, taken=taken, root=root)
    notes += [f"Also annotated, but other labels or another format: {part.group.folder} ({part.reading.format})" for part in rest]
    labels = read_labels(dataset, schema, root=root)
    _hold_out(dataset, labels, notes)
    if labels.damaged:
        notes.append(f"{labels.damaged:,} texts are damaged")
    own = [each for part in chosen for each in part.inputs]
    evidence = compare(labels, [each for each in datasets if not overlaps(each, own, root=root)], schema, root=root)
    look_up(labels, entities, evidence)
    for label, found in evidence.items():
        found.name, found.near = compare_name(label, schema)
    choices = {label: choose(evidence[label], labels.surfaces[label], schema) for label in labels.counts}
    return write_entry(dataset, labels, choices, notes)


def _make_dataset(
    path: Path, chosen: list[Part], *, name: str | None, taken: Collection[str], root: Path
) -> tuple[Dataset, list[str]]:
    top = path.parent if path.is_file() else path
    main = max(chosen, key=lambda part: part.weight).reading
    options, notes = dict(main.options), []
    by_split: dict[Split, list[Part]] = defaultdict(list)
    for part in chosen:
        found: dict[Split, list[Path]] = defaultdict(list)
        named = {each: split_of(each, top) for each in part.inputs}
        # Of many documents a few have such words in their titles.
        titles = len(named) >= _MANY and sum(map(bool, named.values())) < _MOST * len(named)
        for each in part.inputs:
            found[(split_of(part.group.folder, top) if titles else named[each]) or "train"].append(each)
        for split, inputs in found.items():
            by_split[split].append(Part(part.group, tuple(inputs), part.reading))
    if "train" not in by_split and len(by_split) == 1:
        by_split = defaultdict(list, {"train": [part for parts in by_split.values() for part in parts]})
    splits: dict[str, Any] = {}
    for split in _ORDER:
        if not by_split[split]:
            continue
        files, own, left = _files_of(by_split[split], main.options, top)
        notes += left
        splits[split] = {"files": files, "options": own}
        many = sum(len(part.inputs) for part in by_split[split]) >= _MANY
        if main.format == "columns" and many and not {"document_mark", "group"} & options.keys():
            options["document_mark"] = _MARK
            notes.append(f"{_MARK} stands in no file: with a mark of documents each file is one")
    if "tag_columns" in options:
        notes.append("Columns whose labels stand in those of tag_columns too are left out: see what they are")
    if "names" in options:
        notes.append("TODO: the tags are integers; give their names under options")
    dataset = Dataset(
        name=_name(path, name, taken),
        path=Path(_relative(top, root)),
        url="TODO",
        license="TODO",
        format=main.format,
        options=options,
        splits=splits,  # type: ignore[arg-type]
        tier="expert",
        weight=1,
        labels={},
    )
    return dataset, notes


def _relative(path: Path, root: Path) -> str:
    """Give a path relative to the project, if it is in there, without following links."""
    there, here = Path(os.path.abspath(path)), Path(os.path.abspath(root))  # noqa: PTH100  (links stay)
    return there.relative_to(here).as_posix() if there.is_relative_to(here) else there.as_posix()


def _name(path: Path, name: str | None, taken: Collection[str]) -> str:
    if name is not None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) or name in taken:
            what = f"'{name}' is taken" if name in taken else f"'{name}' is no name (small letters, digits and hyphens)"
            raise Ner11Error(what, where="--name", fix="Choose another one")
        return name
    base = path.stem if path.is_file() and split_of(path, path.parent) is None else path.resolve().name
    if path.is_file() and split_of(path, path.parent):
        base = path.resolve().parent.name
    base = re.sub(r"[^a-z0-9]+", "-", base.lower()).strip("-") or "new"
    made, number = base, 2
    while made in taken:
        made, number = f"{base}-{number}", number + 1
    return made


def _files_of(parts: list[Part], options: dict[str, Any], top: Path) -> tuple[list[str], dict[str, Any], list[str]]:
    """Give the files of a split, as globs where they are many; options of its own; and notes on what is left out."""
    own = {key: value for key, value in parts[0].reading.options.items() if options.get(key) != value}
    files: list[str] = []
    notes: list[str] = []
    seen: list[tuple[Path, set[str]]] = []
    for part in parts:
        if {key: value for key, value in part.reading.options.items() if options.get(key) != value} != own:
            notes.append(f"Left out, for it needs options of its own: {part.group.folder}")
            continue
        kept = []
        for each in part.inputs:
            keys = try_reading([each], part.reading.format, part.reading.options).keys
            twin = next((other for other, there in seen if _repeats(keys, there)), None)
            if twin is None:
                kept.append(each)
                seen += [(each, keys)] * (len(keys) >= _MANY)
            else:
                notes.append(f"Left out, for it has the texts of {twin.relative_to(top)}: {each.relative_to(top)}")
        files += _globs(kept, part, top)
    return files, own, notes


def _repeats(keys: set[str], there: set[str]) -> bool:
    return len(keys & there) >= _MOST * max(len(keys), len(there), 1)


def _globs(inputs: list[Path], part: Part, top: Path) -> list[str]:
    names = [each.relative_to(top).as_posix() for each in inputs]
    folder = part.group.folder
    if len(inputs) > _LISTED and inputs[0].is_file():
        words = Counter(word for each in inputs for word in set(re.findall(r"[A-Za-z]+", each.stem)))
        patterns = [f"*{part.group.suffix}", *(f"*{word}*{part.group.suffix}" for word, n in words.items() if n == len(inputs))]
        for pattern in patterns:
            if sorted(folder.glob(pattern)) == sorted(inputs):
                return [(folder.relative_to(top) / pattern).as_posix()]
    return names


def _hold_out(dataset: Dataset, labels: Labels, notes: list[str]) -> None:
    held: tuple[Literal["dev", "test"], ...] = ("dev", "test")
    missing = [split for split in held if split not in dataset.splits]
    if "train" not in dataset.splits or not missing:
        return
    if len(labels.groups) < _MANY:
        notes.append(f"TODO: too few documents ({len(labels.groups)}) to hold out {' and '.join(missing)}")
        return
    dataset.hold_out = dict.fromkeys(missing, 0.1)
