"""The label tree: load and check it, look labels up, roll them up, and turn any node into its set of active labels."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import srsly
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from srsly import ruamel_yaml

from ner11.errors import Ner11Error

T = TypeVar("T", bound=BaseModel)
LABEL_PATTERN = r"^[A-Z][A-Z0-9_]*$"


def _is_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as e:
        raise ValueError(f"'{value}' is no regular expression ({e})") from e
    return value


Pattern = Annotated[str, AfterValidator(_is_pattern)]
"""A regular expression in a configuration."""


def _is_sentence(value: str) -> str:
    if not value.endswith("."):
        raise ValueError(f"'{value}' does not end with a full stop")
    return value


_Name = Annotated[str, Field(pattern=LABEL_PATTERN)]
_Sentence = Annotated[str, Field(min_length=1), AfterValidator(_is_sentence)]


class _NodeConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: _Name = Field(title="Name of the node, in capitals")
    definition: _Sentence = Field(title="One sentence")
    examples: list[str] = Field(min_length=2, title="Surface forms")
    aliases: list[_Name] = Field(default=[], title="Other names of the same type, in capitals")
    active: bool = Field(default=False, title="Whether the model predicts it")
    children: list["_NodeConfig"] = Field(default=[], title="Finer nodes")


class _LeftOutConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    names: list[_Name] = Field(min_length=1, title="Names that are no entity type")
    reason: _Sentence = Field(title="Why, in one sentence")


class _SchemaConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    domain: str
    nodes: list[_NodeConfig] = Field(min_length=1)
    left_out: list[_LeftOutConfig] = Field(default=[], title="Names that were considered and are no entity type")


@dataclass(eq=False)
class Node:
    """A node of the label tree. `level` is its depth: 1 tier, 2 category, 3 label, 4 and more finer labels."""

    name: str
    definition: str
    examples: list[str]
    aliases: list[str]
    active: bool
    level: int
    parent: "Node | None"
    children: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """Yield the node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def ancestors(self) -> Iterator["Node"]:
        """Yield the node and all above it, the nearest first."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


def name_form(text: str) -> str:
    """Write what a person calls a type as names are written: "Mirror Stage" as MIRROR_STAGE."""
    return re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_")


class Schema:
    """A checked label tree.

    Attributes:
        domain: Name of the domain.
        roots: The tiers.
        active: The labels that the model predicts, in the order of the tree.
        left_out: Names that are no entity type, with the reason.
    """

    def __init__(self, domain: str, roots: list[Node], *, left_out: Iterable[tuple[str, str]] = ()) -> None:
        self.domain, self.roots = domain, roots
        self.left_out: dict[str, str] = {}
        self._nodes: dict[str, Node] = {}
        for node in (node for root in roots for node in root.walk()):
            for name in (node.name, *node.aliases):
                if name in self._nodes:
                    raise Ner11Error(
                        f"'{name}' names both {self._nodes[name].name} and {node.name}", fix="Give every node its own name"
                    )
                self._nodes[name] = node
            above = next((up.name for up in node.ancestors() if up is not node and up.active), None)
            if node.active and above:
                raise Ner11Error(f"{node.name} is active below the active {above}", fix="Let only one of them be active")
        for name, reason in left_out:
            if name in self._nodes or name in self.left_out:
                other = f"names {self._nodes[name].name} and is left out" if name in self._nodes else "is left out twice"
                raise Ner11Error(f"'{name}' {other}", fix="Let it stand in one place only")
            self.left_out[name] = reason
        self.active = tuple(node.name for root in roots for node in root.walk() if node.active)

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def node(self, name: str) -> Node:
        """Look a node up by name or alias.

        Raises:
            Ner11Error: If there is no such node; the message names the nearest ones, or says why the name is left out.
        """
        if name in self.left_out:
            reason = self.left_out[name].removesuffix(".")
            raise Ner11Error(f"'{name}' is left out: {reason}", fix="Use a node of the schema")
        if name not in self._nodes:
            near = difflib.get_close_matches(name.upper(), self._nodes, n=3, cutoff=0.6)
            raise Ner11Error(
                f"unknown label '{name}'",
                fix=f"Did you mean {' or '.join(near)}" if near else "Add it to the schema or correct it",
            )
        return self._nodes[name]

    def find(self, name: str) -> Node:
        """Look a node up as a person writes it, in any case and with blanks or hyphens. Raises as `node` does."""
        return self.node(name_form(name) or name)

    def state(self, node: Node) -> str:
        """Say what a node is to the model: "active", "counts as A" (below it), "stands for A, B" (above them) or "reserved"."""
        if node.active:
            return "active"
        above = next((up.name for up in node.ancestors() if up.active), None)
        below = [down.name for down in node.walk() if down.active]
        return f"counts as {above}" if above else f"stands for {', '.join(below)}" if below else "reserved"

    def roll_up(self, label: str, level: int) -> str:
        """Name the ancestor of a label at a level (1 tier, 2 category, ...), the node itself if it is not that deep.

        Raises:
            Ner11Error: If there is no such label.
        """
        path = [*self.node(label).ancestors()][::-1]
        return path[min(level, len(path)) - 1].name

    def allowed(self, name: str) -> frozenset[str]:
        """Give the active labels that an annotation as `name` is consistent with.

        Args:
            name: Name or alias of any node.

        Returns:
            The one active label at or above the node; else all active labels below it; the empty set for a
            reserved node.

        Raises:
            Ner11Error: If there is no such node.
        """
        node = self.node(name)
        for up in node.ancestors():
            if up.active:
                return frozenset({up.name})
        return frozenset(below.name for below in node.walk() if below.active)


def _build(config: _NodeConfig, parent: Node | None) -> Node:
    level = 1 if parent is None else parent.level + 1
    node = Node(config.name, config.definition, config.examples, config.aliases, config.active, level, parent)
    node.children = [_build(child, node) for child in config.children]
    return node


def load_schema(path: Path) -> Schema:
    """Load and check a label tree.

    Args:
        path: A `schema.yml`.

    Raises:
        Ner11Error: If the file is missing, is no YAML, or breaks a rule of the tree.
    """
    config = load_yaml(path, _SchemaConfig)
    try:
        left_out = [(name, group.reason) for group in config.left_out for name in group.names]
        return Schema(config.domain, [_build(node, None) for node in config.nodes], left_out=left_out)
    except Ner11Error as e:
        raise Ner11Error(e.what, where=path, fix=e.fix) from e


def load_yaml(path: Path, model: type[T]) -> T:
    """Read a YAML file into a pydantic model.

    Raises:
        Ner11Error: If the file is missing, is no YAML, or does not fit the model; the message names line and key.
    """
    if not path.is_file():
        raise Ner11Error("no such file", where=path, fix="Check the name of the domain")
    try:
        data = srsly.read_yaml(path)
    except (ValueError, UnicodeDecodeError) as e:
        raise Ner11Error(f"no valid YAML ({' '.join(str(e).split())})", where=path, fix="Correct the file") from e
    try:
        return model.model_validate(data)
    except ValidationError as e:
        line = yaml_line(path, e.errors()[0]["loc"])
        raise Ner11Error(first_problem(e), where=f"{path}:{line}", fix="Correct this key") from e


def yaml_line(path: Path, keys: Sequence[str | int]) -> int:
    """Find the line of a YAML file at which a key stands; the nearest one above it where the key is not there itself."""
    with path.open(encoding="utf8") as file:
        node: Any = ruamel_yaml.YAML(typ="rt").load(file)
    line = 0
    for key in keys:
        try:
            places = node.lc
            line = places.key(key)[0] if isinstance(node, dict) else places.item(key)[0]
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return int(line) + 1


def first_problem(error: ValidationError) -> str:
    """Name the first key that a validation complains about, and what is wrong with it."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "top level"
    return f"{key}: {first['msg']}"
