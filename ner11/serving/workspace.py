"""The folder that a retraining works in: the inputs of the project by link, but a corpus/ and a training/ of its own."""

import shutil
from pathlib import Path
from typing import Any

import srsly

from ner11.corpus.convert import assign_split
from ner11.datasets import load_datasets
from ner11.errors import Ner11Error
from ner11.files import clear
from ner11.readers.label_studio import read_label_studio
from ner11.schema import Schema
from ner11.serving.annotated import NAME, project_file
from ner11.serving.label_studio.config import parse_config

_LINKED = ("requirements.txt", "project.yml", "packages", "benchmarks")


def make_workspace(folder: Path, *, root: Path, domain: str) -> None:
    """Make a new workspace in the place of the one that was there.

    Args:
        folder: The workspace.
        root: The project's folder.
        domain: Domain; the folder of its annotated texts is linked as well.

    Raises:
        Ner11Error: If the project has no such domain.
        OSError: If the disk is full.
    """
    if not (root / "configs" / "domains" / domain).is_dir():
        raise Ner11Error("no such domain", where=root / "configs" / "domains" / domain, fix="Set NER11_DOMAIN to another")
    clear(folder)
    folder.mkdir(parents=True)
    shutil.copytree(root / "configs", folder / "configs")
    assets = root / "assets"
    for path in [*assets.iterdir(), *(root / name for name in _LINKED)]:
        link = folder / path.relative_to(root)
        if path.exists():
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(path.resolve())


def fit_entry(folder: Path, *, domain: str, configs: dict[int, str], seed: int, schema: Schema) -> None:
    """Fit the entry of the annotated texts, in the workspace only, to what they are.

    A project says nothing of labels that it does not offer, so its texts cover the others only. And where the tenth that is
    held out for dev would be nothing or everything, as it may among a few texts, nothing is held out.

    Args:
        folder: The workspace.
        domain: Domain.
        configs: Labeling configurations by project.
        seed: Seed of the split.
        schema: The label tree.
    """
    path = folder / "configs" / "domains" / domain / "datasets.yml"
    dataset = next((one for one in load_datasets(path) if one.name == NAME), None)
    if dataset is None:
        raise Ner11Error(f"no data set '{NAME}'", where=path, fix="Add its entry, as in configs/domains/cyber/datasets.yml")
    changes: dict[str, Any] = {}
    if dataset.labels == "schema" and not dataset.groups:
        files = {project_file(Path(), project).stem: xml for project, xml in configs.items()}
        offered = {stem: _offered(xml, schema) for stem, xml in files.items()}
        groups = [{"match": f"{stem}:*", "coverage": labels} for stem, labels in offered.items() if labels is not None]
        changes["groups"] = groups
    texts = [text for file in dataset.files("train", folder) for text in read_label_studio(file) if not text.damage]
    splits = {assign_split(dataset, text.group, seed) for text in texts}
    if not splits >= {"train", *dataset.hold_out}:
        changes["hold_out"] = {}
    if changes:
        config = srsly.read_yaml(path)
        for entry in config["datasets"]:
            if entry["name"] == NAME:
                entry.update(changes)
        srsly.write_yaml(path, config)


def _offered(xml: str, schema: Schema) -> list[str] | None:
    """List the nodes of the schema that a labeling configuration offers; None if it cannot be read."""
    try:
        labels = parse_config(xml).labels
    except Ner11Error:
        return None
    return sorted(label for label in labels if label in schema)
