import pytest

from ner11.gazetteer.entities import build_entities, common_node
from tests.gazetteer.conftest import name

WORDS = {"snake": -11.5, "Snake": -12.5, "norway": -14, "Norway": -12, "media": -10, "social": -10, "netstat": -17, "Emotia": -16}


@pytest.fixture
def build(schema, tokenizer):
    def build(*names):
        return build_entities(names, schema=schema, probabilities=WORDS, count_tokens=lambda text: len(tokenizer(text)))

    return build


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Snake", "an everyday word or name"),
        ("SNAKE", ""),
        ("SnaKe", ""),
        ("Snake2", ""),
        ("Norway", "an everyday word or name"),
        ("Emotia", ""),
        ("netstat", "an everyday word or name"),
        ("unheard", ""),
        ("Social Media", ""),
        ("social media", "everyday words in lower case"),
        ("RTM", "three letters or fewer"),
        ("a-b", "three letters or fewer"),
        ("12-34", "no letters"),
        ("one two three four five six seven eight nine", "over 8 tokens"),
    ],
)
def test_hazards(build, text, reason):
    entities, excluded = build(name(text))
    assert [entity.name for entity in entities] == ([] if reason else [text])
    assert [(row.name, row.nodes, row.reason) for row in excluded] == ([(text, ("MALWARE",), reason)] if reason else [])


def test_a_well_known_name_may_be_common_but_not_a_common_word(build):
    entities, excluded = build(name("Norway", "PLACE", well_known=True), name("Snake", "PLACE", well_known=True))
    assert [entity.name for entity in entities] == ["Norway"] and [row.name for row in excluded] == ["Snake"]


@pytest.mark.parametrize(("text", "any_case"), [("Gray Heron", True), ("Social Media", False), ("Gnawer", False)])
def test_only_distinct_names_of_several_words_match_in_any_case(build, text, any_case):
    ((entity,), _) = build(name(text))
    assert entity.any_case == any_case


def test_duplicates_keep_all_provenance(build):
    names = [name("Gnawer", gazetteer="b"), name("Gnawer", "RANSOMWARE", gazetteer="a"), name("GNAWER", gazetteer="c")]
    entities, excluded = build(*names)
    assert [(entity.name, entity.node, [source.gazetteer for source in entity.sources]) for entity in entities] == [
        ("GNAWER", "RANSOMWARE", ["c"]),
        ("Gnawer", "RANSOMWARE", ["b", "a"]),
    ]
    assert not excluded and build(*reversed(names)) == (entities, excluded)


@pytest.mark.parametrize(
    ("nodes", "common"),
    [
        (["MALWARE"], "MALWARE"),
        (["MALWARE", "WIPER"], "WIPER"),
        (["RANSOMWARE", "WIPER"], "MALWARE"),
        (["CAPABILITY", "RANSOMWARE", "MALWARE"], "RANSOMWARE"),
        (["MALWARE", "TOOL"], None),
        (["CAPABILITY", "GROUP"], None),
        (["CAMPAIGN", "MALWARE"], None),
    ],
)
def test_common_node(schema, nodes, common):
    assert common_node(nodes, schema) == common


def test_names_of_two_types_are_excluded_in_any_case(build):
    entities, excluded = build(name("Gnawer"), name("GNAWER", "GROUP"))
    assert not entities
    assert [(row.name, row.nodes, row.reason) for row in excluded] == [
        ("GNAWER", ("GROUP", "MALWARE"), "names two types"),
        ("Gnawer", ("GROUP", "MALWARE"), "names two types"),
    ]


def test_a_withdrawn_name_is_excluded_unless_it_lives_elsewhere(build):
    entities, excluded = build(name("Gnawer", revoked=True), name("Nibbler", revoked=True), name("Nibbler", gazetteer="b"))
    assert [(entity.name, [source.gazetteer for source in entity.sources]) for entity in entities] == [("Nibbler", ["b"])]
    assert [(row.name, row.reason) for row in excluded] == [
        ("Gnawer", "revoked or deprecated"),
        ("Nibbler", "revoked or deprecated"),
    ]
