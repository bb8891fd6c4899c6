from pathlib import Path

import pytest

from ner11.errors import Ner11Error
from ner11.schema import load_schema

TREE = """
domain: toy
nodes:
  - name: THREAT
    definition: What does harm.
    examples: [a, b]
    children:
      - name: ACTOR
        definition: Who attacks.
        examples: [a, b]
        aliases: [GROUP]
        active: true
      - name: MALWARE
        definition: Harmful programs.
        examples: [a, b]
        active: true
        children:
          - {name: WIPER, definition: It deletes., examples: [a, b], aliases: [Eraser]}
      - {name: CAMPAIGN, definition: A series of attacks., examples: [a, b]}
  - {name: PLACE, definition: Where it is., examples: [a, b], active: true}
"""
NODE = "definition: d, examples: [a, b]"


@pytest.fixture
def schema(tmp_path):
    return load_schema(write(tmp_path, TREE))


def write(folder, text):
    path = folder / "schema.yml"
    path.write_text(text, encoding="utf8")
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("MALWARE", {"MALWARE"}, id="active"),
        pytest.param("WIPER", {"MALWARE"}, id="leaf below active"),
        pytest.param("Eraser", {"MALWARE"}, id="alias of a leaf"),
        pytest.param("GROUP", {"ACTOR"}, id="alias of active"),
        pytest.param("THREAT", {"ACTOR", "MALWARE"}, id="inner node"),
        pytest.param("CAMPAIGN", set(), id="reserved"),
    ],
)
def test_allowed_labels(schema, name, expected):
    assert schema.allowed(name) == expected


def test_active_labels_follow_the_order_of_the_tree(schema):
    assert schema.active == ("ACTOR", "MALWARE", "PLACE")


def test_levels_count_from_the_tier_down(schema):
    assert [schema.node(name).level for name in ("THREAT", "MALWARE", "WIPER", "PLACE")] == [1, 2, 3, 1]


def test_names_and_aliases_are_members(schema):
    assert "WIPER" in schema and "Eraser" in schema and "wiper" not in schema


@pytest.mark.parametrize(
    ("name", "fix"), [("MALWRE", "Did you mean MALWARE."), ("zzzzzz", "Add it to the schema or correct it.")]
)
def test_an_unknown_label_is_named_with_a_way_out(schema, name, fix):
    with pytest.raises(Ner11Error) as error:
        schema.allowed(name)
    assert str(error.value) == f"unknown label '{name}'. {fix}"


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        pytest.param(
            f"[{{name: A, {NODE}}}, {{name: A, {NODE}}}]",
            "'A' names both A and A. Give every node its own name.",
            id="two nodes of one name",
        ),
        pytest.param(
            f"[{{name: A, {NODE}}}, {{name: B, aliases: [A], {NODE}}}]",
            "'A' names both A and B. Give every node its own name.",
            id="alias of another name",
        ),
        pytest.param(
            f"[{{name: A, active: true, {NODE}, "
            f"children: [{{name: B, {NODE}, children: [{{name: C, active: true, {NODE}}}]}}]}}]",
            "C is active below the active A. Let only one of them be active.",
            id="active below active",
        ),
        pytest.param(
            "[{name: A, definition: d, examples: [a]}]",
            "nodes.0.examples: List should have at least 2 items after validation, not 1. Correct this key.",
            id="one example",
        ),
        pytest.param(
            f"[{{name: A, {NODE}, children: [{{name: B, actve: true, {NODE}}}]}}]",
            "nodes.0.children.0.actve: Extra inputs are not permitted. Correct this key.",
            id="misspelled key",
        ),
    ],
)
def test_a_broken_tree_names_file_and_node(tmp_path, nodes, message):
    path = write(tmp_path, f"domain: toy\nnodes: {nodes}\n")
    with pytest.raises(Ner11Error) as error:
        load_schema(path)
    assert str(error.value) in (f"{path}: {message}", f"{path}:2: {message}")


def test_a_broken_key_names_its_line(tmp_path):
    path = write(tmp_path, TREE.replace("Harmful programs.", "''"))
    with pytest.raises(Ner11Error) as error:
        load_schema(path)
    assert str(error.value).startswith(f"{path}:14: nodes.0.children.1.definition: ")


def test_a_missing_key_names_the_line_of_what_misses_it(tmp_path):
    path = write(tmp_path, TREE.replace("        definition: Who attacks.\n", ""))
    with pytest.raises(Ner11Error) as error:
        load_schema(path)
    assert str(error.value) == f"{path}:8: nodes.0.children.0.definition: Field required. Correct this key."


@pytest.mark.parametrize("name", ["Malware", "MAL WARE", "MAL|WARE", "?", ""])
def test_names_are_capitals(tmp_path, name):
    with pytest.raises(Ner11Error, match=r"nodes\.0\.name: "):
        load_schema(write(tmp_path, f"domain: toy\nnodes: [{{name: '{name}', {NODE}}}]\n"))


@pytest.mark.parametrize("data", [b"nodes: [", b"domain: \xff", b"a: 1\na: 2"], ids=["open bracket", "not UTF-8", "key twice"])
def test_damaged_yaml_is_one_line(tmp_path, data):
    path = tmp_path / "schema.yml"
    path.write_bytes(data)
    with pytest.raises(Ner11Error, match=r"no valid YAML") as error:
        load_schema(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Ner11Error, match=r"none\.yml"):
        load_schema(tmp_path / "none.yml")


def test_every_domain_here_has_a_sound_tree():
    paths = sorted((Path(__file__).parents[1] / "configs" / "domains").glob("*/schema.yml"))
    assert paths and all(load_schema(path).active for path in paths)
