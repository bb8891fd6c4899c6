"""The gazetteers of a domain, as `gazetteers.yml` declares them."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ner11.errors import Ner11Error
from ner11.schema import Pattern, Schema, load_yaml


class Gazetteer(BaseModel):
    """One list of names: where it is, how to read it, and which node of the schema its names belong to."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", title="Name of the gazetteer")
    path: Path = Field(title="Folder, relative to the project")
    url: str = Field(title="Where it comes from")
    license: str = Field(title="Licence, as an SPDX identifier where there is one")
    files: str = Field(min_length=1, title="Glob for its files, below the path")
    format: Literal["stix", "misp", "csv", "json", "jsonl", "list"] = Field(title="Format of its files")
    nodes: dict[str, str] = Field(
        min_length=1, title="STIX type, MISP cluster file, column or field, or 'name' for a list, to a node of the schema"
    )
    well_known: list[str] = Field(
        default=[], title="Those nodes whose names are common in everyday language too, such as countries and companies"
    )
    prefix: dict[str, str] = Field(default={}, title="Column or field to the one whose value is cut off its front")
    split: Pattern | None = Field(default=None, title="Regular expression for what stands between names in one cell")
    remove: Pattern | None = Field(default=None, title="Regular expression for what is cut out of a name")
    skip: list[str] = Field(default=[], title="Values that are no names, in any case")


class Silver(BaseModel):
    """The silver data set that the gazetteers make of the training texts of the others."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(default="silver", pattern=r"^[a-z0-9][a-z0-9-]*$", title="Name of the data set")
    weight: float = Field(gt=0, title="Draws an epoch")
    labels: list[str] = Field(min_length=1, title="Nodes whose names are precise enough, as `gazetteer` measured")


class Gazetteers(BaseModel):
    """What `gazetteers.yml` declares."""

    model_config = ConfigDict(extra="forbid")
    silver: Silver = Field(title="What becomes of the names found in texts")
    gazetteers: list[Gazetteer] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_names(self) -> "Gazetteers":
        names = [gazetteer.name for gazetteer in self.gazetteers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two gazetteers are called '{twice[0]}'")
        return self


def load_gazetteers(path: Path, schema: Schema) -> Gazetteers:
    """Load and check the gazetteers of a domain.

    Args:
        path: A `gazetteers.yml`.
        schema: Label tree of the domain.

    Raises:
        Ner11Error: If the file is missing, breaks a rule, or names a node that the schema does not have.
    """
    declared = load_yaml(path, Gazetteers)
    nodes = [(g.name, node) for g in declared.gazetteers for node in [*g.nodes.values(), *g.well_known]]
    for name, node in [*nodes, *(("silver", label) for label in declared.silver.labels)]:
        try:
            schema.node(node)
        except Ner11Error as e:
            raise Ner11Error(f"{name}: {e.what}", where=path, fix=e.fix) from e
    return declared
