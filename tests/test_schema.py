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
          - {name: WIPER, definition: It deletes., examples: [a, b], aliases: [ERASER]}
      - {name: CAMPAIGN, definition: A series of attacks., examples: [a, b]}
  - {name: PLACE, definition: Where it is., examples: [a, b], active: true}
left_out:
  - {names: [TITLE, LANG], reason: Fields of a document.}
"""
NODE = "definition: d., examples: [a, b]"


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
        pytest.param("ERASER", {"MALWARE"}, id="alias of a leaf"),
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
    assert "WIPER" in schema and "ERASER" in schema and "wiper" not in schema


@pytest.mark.parametrize(
    ("name", "fix"), [("MALWRE", "Did you mean MALWARE."), ("zzzzzz", "Add it to the schema or correct it.")]
)
def test_an_unknown_label_is_named_with_a_way_out(schema, name, fix):
    with pytest.raises(Ner11Error) as error:
        schema.allowed(name)
    assert str(error.value) == f"unknown label '{name}'. {fix}"


def test_a_name_that_is_left_out_says_why(schema):
    with pytest.raises(Ner11Error) as error:
        schema.node("TITLE")
    assert str(error.value) == "'TITLE' is left out: Fields of a document. Use a node of the schema."
    assert schema.left_out == {"TITLE": "Fields of a document.", "LANG": "Fields of a document."} and "LANG" not in schema


@pytest.mark.parametrize("name", ["wiper", "Wiper", " WIPER ", "eraser"])
def test_people_find_a_node_in_any_case(schema, name):
    assert schema.find(name).name == "WIPER"


def test_people_write_blanks_and_hyphens_for_underscores(tmp_path):
    schema = load_schema(write(tmp_path, f"domain: toy\nnodes: [{{name: MIRROR_STAGE, {NODE}}}]\n"))
    assert schema.find("Mirror Stage") is schema.find("mirror-stage") is schema.node("MIRROR_STAGE")


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("MALWARE", "active"),
        ("WIPER", "counts as MALWARE"),
        ("THREAT", "stands for ACTOR, MALWARE"),
        ("CAMPAIGN", "reserved"),
    ],
)
def test_the_state_of_a_node(schema, name, state):
    assert schema.state(schema.node(name)) == state


@pytest.mark.parametrize(
    ("label", "level", "expected"),
    [
        ("WIPER", 1, "THREAT"),
        ("WIPER", 2, "MALWARE"),
        ("ERASER", 3, "WIPER"),
        ("MALWARE", 3, "MALWARE"),
        ("PLACE", 1, "PLACE"),
    ],
)
def test_labels_roll_up_to_a_level(schema, label, level, expected):
    assert schema.roll_up(label, level) == expected


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
            "[{name: A, definition: d., examples: [a]}]",
            "nodes.0.examples: List should have at least 2 items after validation, not 1. Correct this key.",
            id="one example",
        ),
        pytest.param(
            f"[{{name: A, {NODE}, children: [{{name: B, actve: true, {NODE}}}]}}]",
            "nodes.0.children.0.actve: Extra inputs are not permitted. Correct this key.",
            id="misspelled key",
        ),
        pytest.param(
            "[{name: A, definition: What it is, examples: [a, b]}]",
            "nodes.0.definition: Value error, 'What it is' does not end with a full stop. Correct this key.",
            id="no sentence",
        ),
        pytest.param(
            f"[{{name: A, aliases: [Aa], {NODE}}}]",
            "nodes.0.aliases.0: String should match pattern '^[A-Z][A-Z0-9_]*$'. Correct this key.",
            id="alias not in capitals",
        ),
        pytest.param(
            f"[{{name: A, aliases: [B], {NODE}}}]\nleft_out: [{{names: [B], reason: r.}}]",
            "'B' names A and is left out. Let it stand in one place only.",
            id="node and left out",
        ),
        pytest.param(
            f"[{{name: A, {NODE}}}]\nleft_out: [{{names: [B], reason: r.}}, {{names: [B], reason: s.}}]",
            "'B' is left out twice. Let it stand in one place only.",
            id="left out twice",
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
