"""The data sets of a domain, as `datasets.yml` declares them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from ner11.errors import Ner11Error
from ner11.schema import Pattern, load_yaml, yaml_line

SPLITS = ("train", "dev", "test")
Split = Literal["train", "dev", "test"]
Tier = Literal["gold", "expert", "silver"]
TIERS = ("gold", "expert", "silver")
PRESENT = "present"
Fraction = Annotated[float, Field(gt=0, lt=1)]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Files(_Config):
    """What makes up a split: files, folders or globs below the path of the data set, and options of the reader for them."""

    files: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
    options: dict[str, Any] = {}


def _as_files(value: Any) -> Any:
    return value if isinstance(value, dict) else {"files": value}


class Groups(_Config):
    """Documents of a data set that cover less, or other, labels than the rest."""

    match: str = Field(title="Glob for the names of the documents")
    coverage: list[str] = Field(title="Nodes that these documents cover")


class Dataset(_Config):
    """One data set: where it is, how to read it, how far to trust it, and what its labels mean."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", title="Name of the data set")
    path: Path = Field(title="Folder, relative to the project")
    url: str = Field(title="Where it comes from")
    commit: str | None = Field(default=None, title="Commit of the repository it comes from")
    license: str = Field(title="Licence, as an SPDX identifier where there is one")
    format: str = Field(title="Name of a reader")
    options: dict[str, Any] = Field(default={}, title="Options of the reader")
    splits: dict[Split, Annotated[Files, BeforeValidator(_as_files)]] = Field(min_length=1, title="Files of each split")
    hold_out: dict[Literal["dev", "test"], Fraction] = Field(
        default={}, title="Fractions of train, by document, for a set without official dev or test"
    )
    tier: Tier = Field(title="Trust in the annotation")
    weight: float | None = Field(default=None, gt=0, allow_inf_nan=False, title="Draws an epoch; the tier's weight by default")
    labels: dict[str, str | list[str]] | Literal["schema"] = Field(
        title="Label of the source to node(s) of the schema or 'drop'; 'schema' if they are the same"
    )
    coverage: list[str] | None = Field(default=None, title="Nodes that it covers; by default those that the map can produce")
    partial: list[str] = Field(default=[], title="Nodes that are mapped but not annotated throughout")
    groups: list[Groups] = Field(default=[], title="Documents with another coverage; the first that matches counts")
    repair: bool = Field(default=False, title="Put text right that was decoded wrongly (mojibake)")
    skip: Pattern | None = Field(default=None, title="Regular expression; texts that begin so are left out")
    max_tokens: int = Field(default=512, gt=0, title="Longer texts are split or dropped")
    long_texts: Literal["split", "drop"] = Field(default="split", title="What is done to longer texts")

    _declared: tuple[Path, int] | None = PrivateAttr(default=None)

    def where(self, *keys: str) -> str:
        """Name the file and line of a key of the entry, for messages."""
        if self._declared is None:
            return f"data set {self.name}"
        path, i = self._declared
        return f"{path}:{yaml_line(path, ('datasets', i, *keys))}: data set {self.name}"

    @model_validator(mode="after")
    def _check_hold_out(self) -> "Dataset":
        if self.hold_out:
            if "train" not in self.splits:
                raise ValueError("hold_out takes from train, which is not among the splits")
            if both := sorted(self.hold_out.keys() & self.splits.keys()):
                raise ValueError(f"{both[0]} is held out and among the splits")
            if sum(self.hold_out.values()) >= 1:
                raise ValueError("hold_out leaves nothing for train")
        return self

    def files(self, split: Split, root: Path) -> list[Path]:
        """List the files and folders of a split, in the order of the entry and of their names.

        Args:
            split: A split of the data set.
            root: The project's folder.
        """
        folder = root / self.path
        return [path for pattern in self.splits[split].files for path in _expand(folder, pattern)]


def _expand(folder: Path, pattern: str) -> Iterator[Path]:
    if (folder / pattern).exists() or not any(mark in pattern for mark in "*?["):
        yield folder / pattern
    else:
        try:
            yield from sorted(folder.glob(pattern))
        except (NotImplementedError, ValueError) as e:
            raise Ner11Error(f"'{pattern}' is no glob below the path ({e})", where=folder, fix="Correct it in splits") from e


class _DatasetsConfig(_Config):
    weights: dict[Tier, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(title="Draws an epoch, by tier")
    datasets: list[Dataset] = Field(min_length=1)


def load_datasets(path: Path) -> list[Dataset]:
    """Load and check the data sets of a domain, each with its weight filled in.

    Raises:
        Ner11Error: If the file is missing, damaged, or names a data set twice; the message names line and key.
    """
    config = load_yaml(path, _DatasetsConfig)
    seen: set[str] = set()
    for i, dataset in enumerate(config.datasets):
        if dataset.name in seen:
            line = yaml_line(path, ("datasets", i, "name"))
            raise Ner11Error(f"'{dataset.name}' stands here twice", where=f"{path}:{line}", fix="Rename one of them")
        seen.add(dataset.name)
        dataset._declared = (path, i)
        if dataset.weight is None:
            if dataset.tier not in config.weights:
                line = yaml_line(path, ("datasets", i, "tier"))
                raise Ner11Error(f"no weight for the tier {dataset.tier}", where=f"{path}:{line}", fix="Add it to weights")
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
    present = [dataset for dataset in chosen if _is_there(dataset, root)]
    if not present:
        raise Ner11Error(
            f"none of the chosen data sets is there ({'; '.join(map(expected_files, chosen)) or 'none chosen'})",
            where="datasets",
            fix="Put the files there, fetch them ('spacy project assets --extra', 'fetch'), or choose others (--vars.datasets)",
        )
    return present, [dataset for dataset in chosen if dataset not in present]


def expected_files(dataset: Dataset) -> str:
    """Name a data set and the files that it is made of."""
    files = ", ".join(file for split in dataset.splits.values() for file in split.files)
    return f"{dataset.name}: expected {files} in {dataset.path}"


def _is_there(dataset: Dataset, root: Path) -> bool:
    found = [dataset.files(split, root) for split in dataset.splits]
    return all(files and all(file.exists() for file in files) for files in found)
