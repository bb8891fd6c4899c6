"""Which modules of ner11 a pipeline needs: they travel inside its package."""

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spacy import registry
from spacy.util import walk_dict

import ner11

PIPELINE = Path(ner11.__file__).parent / "pipeline"
_PREFIX = "ner11.pipeline."


def find_modules(config: dict[str, Any]) -> tuple[str, ...]:
    """Find the modules of `ner11/pipeline` that a pipeline needs when it runs.

    Args:
        config: The pipeline's configuration.

    Returns:
        Names, sorted: the modules with the functions that its `nlp` and `components` name, and what these import.
    """
    names = [
        (path[-1][1:], value)
        for section in ("nlp", "components")
        for path, value in walk_dict(config[section])
        if path[-1].startswith("@")
    ]
    names += [("factories", part["factory"]) for part in config["components"].values() if "factory" in part]
    found = [str(registry.find(kind, name)["module"]) for kind, name in names]
    return follow_imports(module.removeprefix(_PREFIX) for module in found if module.startswith(_PREFIX))


def follow_imports(modules: Iterable[str]) -> tuple[str, ...]:
    """Give modules of `ner11/pipeline` with all that they import from there, sorted."""
    wanted, found = [*modules], set[str]()
    while wanted:
        module = wanted.pop()
        if module not in found:
            found.add(module)
            wanted += read_imports(PIPELINE / f"{module}.py")[0]
    return tuple(sorted(found))


def read_imports(path: Path) -> tuple[set[str], set[str]]:
    """Read what a module imports: its neighbors, and the packages of others."""
    neighbors, others = set[str](), set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            neighbors |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            others |= {alias.name.split(".")[0] for alias in node.names}
    return neighbors, others
