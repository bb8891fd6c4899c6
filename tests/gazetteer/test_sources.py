import json

import pytest
from hypothesis import given

from ner11.errors import Ner11Error
from ner11.gazetteer.config import load_gazetteers
from ner11.gazetteer.sources import read_names
from tests.readers.fuzz import FUZZ, damaged


def stix(*objects):
    return json.dumps({"type": "bundle", "objects": objects})


GROUP = {"type": "intrusion-set", "id": "intrusion-set--1", "name": "Gray Heron", "aliases": ["Gray Heron", "HERONRY"]}
RECORDS = {
    "csv": '\ufeffid,product,maker\r\n1,Acme Turbo 5,Acme\r\n2,"Acme Zip, and Zap",Acme Corp\r\n',
    "json": json.dumps([{"product": "Acme Turbo 5", "maker": "Acme"}, {"product": ["Zip", "Zap"], "maker": None}, 7]),
    "jsonl": '{"product": "Acme Turbo 5", "maker": "Acme"}\n\n{"product": "Zip"}\n{"product": "Zap"}',
}


def texts(gazetteer):
    return [(name.name, name.node) for name in read_names(gazetteer)]


def test_stix_gives_names_and_aliases_with_their_provenance(gazetteer):
    made = gazetteer(
        {"a/b.json": stix(GROUP, {"type": "identity", "name": "X"})}, format="stix", nodes={"intrusion-set": "GROUP"}
    )
    first, second = read_names(made)
    assert (first.name, first.node, first.gazetteer, first.file, first.id) == (
        "Gray Heron",
        "GROUP",
        "g",
        "a/b.json",
        GROUP["id"],
    )
    assert (second.name, second.of, second.revoked) == ("HERONRY", "Gray Heron", False)


@pytest.mark.parametrize("mark", ["revoked", "x_mitre_deprecated"])
def test_stix_marks_what_is_withdrawn(gazetteer, mark):
    made = gazetteer({"b.json": stix({**GROUP, mark: True})}, format="stix", nodes={"intrusion-set": "GROUP"})
    assert [name.revoked for name in read_names(made)] == [True, True]


def test_misp_takes_the_clusters_that_are_named(gazetteer):
    cluster = json.dumps({"values": [{"value": "Gnawer", "uuid": "u1", "meta": {"synonyms": ["Gnaw"]}}, {"value": "Nibbler"}]})
    made = gazetteer({"rat.json": cluster, "other.json": "not read"}, format="misp", nodes={"rat": "MALWARE"})
    assert texts(made) == [("Gnawer", "MALWARE"), ("Gnaw", "MALWARE"), ("Nibbler", "MALWARE")]


@pytest.mark.parametrize("kind", RECORDS)
def test_records(gazetteer, kind):
    made = gazetteer(
        {f"f.{kind}": RECORDS[kind]},
        format=kind,
        nodes={"product": "TOOL", "maker": "GROUP"},
        prefix={"product": "maker"},
        split=r",\s+(?:and\s+)?",
        remove=" Corp$",
    )
    found = set(texts(made))
    assert {("Turbo 5", "TOOL"), ("Zip", "TOOL"), ("Zap", "TOOL"), ("Acme", "GROUP")} == found


def test_list_and_cleaning(gazetteer):
    made = gazetteer(
        {"f.txt": "Old  Port (the)\r\n\r\nunknown\nBay\n"},
        format="list",
        nodes={"name": "PLACE"},
        remove=r" \(the\)$",
        skip=["Unknown"],
    )
    assert texts(made) == [("Old Port", "PLACE"), ("Bay", "PLACE")]


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("stix", '{"objects": [', "f.x:1: no valid JSON"),
        ("stix", "[]", "f.x:1: no list 'objects'"),
        ("jsonl", '{"name": "a"}\n{', "f.x:2: no valid JSON"),
        ("csv", "id,product\n1,a\n", "f.x:1: no column 'name'"),
        ("list", b"caf\xe9\n", "f.x:1: byte 0xe9 is not UTF-8"),
        ("json", "7", "no names in"),
        ("json", "[" * 100_000, "f.x:1: no valid JSON"),
        ("list", "", "no names in"),
    ],
)
def test_damage_is_located(gazetteer, kind, content, message):
    with pytest.raises(Ner11Error, match=message.replace("[", r"\[")):
        list(read_names(gazetteer({"f.x": content}, format=kind, nodes={"name": "MALWARE"})))


@FUZZ
@given(content=damaged(stix(GROUP).encode()), table=damaged(RECORDS["csv"].encode()))
def test_damaged_files_end_in_a_located_error_or_names(gazetteer, content, table):
    for kind, data, key in (("stix", content, "intrusion-set"), ("csv", table, "product")):
        try:
            for name in read_names(gazetteer({"f.x": data}, format=kind, nodes={key: "GROUP"})):
                assert name.name == name.name.strip() and name.node == "GROUP"
        except Ner11Error as e:
            assert e.where and e.fix


SILVER = "silver: {weight: 0.5, labels: [MALWARE]}\n"
VALID = SILVER + "gazetteers: [{name: a, path: p, url: u, license: MIT, files: f, format: list, nodes: {name: %s}%s}]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (VALID % ("MALWAR", ""), "a: unknown label 'MALWAR'. Did you mean MALWARE"),
        (VALID % ("MALWARE", ", remove: '('"), "remove: .*no regular expression"),
        (VALID % ("MALWARE", ", colour: red"), "colour: "),
        (VALID.replace("[MALWARE]", "[WORM]") % ("MALWARE", ""), "silver: unknown label 'WORM'"),
        (
            VALID.replace("[{", "[{name: a, path: p, url: u, license: M, files: f, format: list, nodes: {name: TOOL}}, {")
            % ("TOOL", ""),
            "two gazetteers are called 'a'",
        ),
    ],
)
def test_declaration_mistakes_are_named(tmp_path, schema, content, message):
    path = tmp_path / "gazetteers.yml"
    path.write_text(content)
    with pytest.raises(Ner11Error, match=message):
        load_gazetteers(path, schema)
