"""The data sets of a domain, as `datasets.yml` declares them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ner11.errors import Ner11Error
from ner11.schema import load_yaml

SPLITS = ("train", "dev", "test")
Split = Literal["train", "dev", "test"]
Tier = Literal["gold", "expert", "silver"]
PRESENT = "present"


class Dataset(BaseModel):
    """One data set: where it is, how to read it, how far to trust it, and what its labels mean."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", title="Name of the data set")
    path: Path = Field(title="Folder, relative to the project")
    url: str = Field(title="Where it comes from")
    license: str = Field(title="Licence, as an SPDX identifier where there is one")
    format: str = Field(title="Name of a reader")
    options: dict[str, Any] = Field(default={}, title="Options of the reader")
    splits: dict[Split, Path] = Field(min_length=1, title="File or folder of each split, below the path")
    tier: Tier = Field(title="Trust in the annotation")
    weight: float | None = Field(default=None, gt=0, title="Draws an epoch; the tier's weight by default")
    labels: dict[str, str | list[str]] | Literal["schema"] = Field(
        title="Label of the source to node(s) of the schema or 'drop'; 'schema' if they are the same"
    )
    partial: list[str] = Field(default=[], title="Nodes that are mapped but not annotated throughout")
    max_tokens: int = Field(default=1000, gt=0, title="Longer texts are page dumps and are left out")


class _DatasetsConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    weights: dict[Tier, Annotated[float, Field(gt=0)]] = Field(title="Draws an epoch, by tier")
    datasets: list[Dataset] = Field(min_length=1)


def load_datasets(path: Path) -> list[Dataset]:
    """Load and check the data sets of a domain, each with its weight filled in.

    Raises:
        Ner11Error: If the file is missing, damaged, or names a data set twice.
    """
    config = load_yaml(path, _DatasetsConfig)
    names = [dataset.name for dataset in config.datasets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Ner11Error(f"'{twice[0]}' stands here twice", where=path, fix="Rename one of them")
    for dataset in config.datasets:
        if dataset.weight is None:
            if dataset.tier not in config.weights:
                raise Ner11Error(
                    f"no weight for the tier {dataset.tier}", where=f"{path}: {dataset.name}", fix="Add it to weights"
                )
            dataset.weight = config.weights[dataset.tier]
    return config.datasets


def select_datasets(datasets: list[Dataset], wanted: str, *, root: Path) -> tuple[list[Dataset], list[Dataset]]:
    """Choose data sets by name.

    Args:
        datasets: All data sets of the domain.
        wanted: Names separated by commas, or "present" for all that are there.
        root: The project's folder.

    Returns:
        The chosen ones that are there, and the chosen ones that are missing.

    Raises:
        Ner11Error: If a name is unknown, or none of the chosen ones is there.
    """
    if wanted == PRESENT:
        chosen = datasets
    else:
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        known = {dataset.name: dataset for dataset in datasets}
        for name in names:
            if name not in known:
                raise Ner11Error(f"unknown data set '{name}'", where="datasets", fix=f"Choose from {', '.join(known)}")
        chosen = [known[name] for name in dict.fromkeys(names)]
    present = [d for d in chosen if all((root / d.path / file).exists() for file in d.splits.values())]
    if not present:
        raise Ner11Error(
            f"none of the chosen data sets is there ({', '.join(d.name for d in chosen) or 'none chosen'})",
            where="datasets",
            fix="Run 'spacy project assets --extra' or choose others with --vars.datasets",
        )
    return present, [d for d in chosen if d not in present]
