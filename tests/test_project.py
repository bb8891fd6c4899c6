"""The workflow file: every step names the code it runs, so that a change of that code runs it again."""

import ast
from functools import cache
from pathlib import Path

import pytest
import srsly

ROOT = Path(__file__).parents[1]
PROJECT = srsly.read_yaml(ROOT / "project.yml")
COMMANDS = {
    command["name"]: command
    for command in PROJECT["commands"]
    if not command.get("no_skip") and any(dep.startswith("scripts/") for dep in command.get("deps", ()))
}
EVERYWHERE = {"ner11/__init__.py", "ner11/errors.py", "ner11/files.py"}
"""What every step uses for its messages and files; no output depends on it."""


@cache
def imported(path):
    """Find the modules of the library that a file imports, with all that they import."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ner11"):
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    files = {ROOT / f"{name.replace('.', '/')}{end}" for name in names for end in (".py", "/__init__.py")}
    found = {file for file in files if file.is_file() and file != path}
    return found.union(
        *(imported(file) for file in found if not file.name.startswith("__init__")), *(read_all(file) for file in found)
    )


def read_all(file):
    """A package that registers its modules when it is imported runs them all."""
    return set(file.parent.glob("*.py")) if file == ROOT / "ner11/readers/__init__.py" else set()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_step_names_the_code_it_runs(name):
    command = COMMANDS[name]
    scripts = [dep for dep in command["deps"] if dep.startswith("scripts/")]
    assert scripts[0] in command["script"][0]
    # What is found by its registered name, as readers and batchers are, is listed by hand; what it imports must follow.
    listed = [ROOT / dep for dep in command["deps"] if dep.startswith("ner11/") and dep.endswith(".py")]
    found = set().union(*(imported(file) for file in [ROOT / scripts[0], *listed]))
    needed = {file for file in found if file.name != "__init__.py" or file.parent.name == "readers"}
    assert sorted({file.relative_to(ROOT).as_posix() for file in needed} - EVERYWHERE - set(command["deps"])) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_step_names_is_there(name):
    for dep in COMMANDS[name]["deps"]:
        assert not dep.startswith(("scripts/", "ner11/")) or (ROOT / dep).is_file()
