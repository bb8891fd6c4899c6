import pytest

from ner11.consistency import find_bare, find_conflicts, find_similar
from ner11.readers.inline import parse_inline


def texts(*markups):
    return [parse_inline(markup, where=f"{i}.md") for i, markup in enumerate(markups)]


def bare(*markups):
    return [(entry["surface"], entry["annotated"], entry["places"]) for entry in find_bare(texts(*markups))]


def similar(*markups):
    return [[sentence["place"] for sentence in group["sentences"]] for group in find_similar(texts(*markups))]


def test_surfaces_with_several_labels_have_counts_and_first_places():
    found = find_conflicts(texts("[Akira](TOOL)\n[akira](PERSON)", "[AKIRA](PERSON) [Oslo](PLACE) [Oslo](PLACE)"))
    labels = {"TOOL": {"count": 1, "place": "0.md:1"}, "PERSON": {"count": 2, "place": "0.md:2"}}
    assert found == [{"surface": "akira", "labels": labels}]


def test_bare_surfaces_come_most_often_bare_first():
    found = find_bare(texts("[Oslo](PLACE) [Nmap](TOOL) [Nmap](PLACE) [Nmap](TOOL)", "Oslo.\nNmap, (Nmap)"))
    assert found == [
        {"surface": "Nmap", "label": "TOOL", "annotated": 3, "bare": 2, "places": ["1.md:2", "1.md:2"]},
        {"surface": "Oslo", "label": "PLACE", "annotated": 1, "bare": 1, "places": ["1.md:1"]},
    ]


@pytest.mark.parametrize(
    ("annotated", "other"),
    [
        pytest.param("[pump](A)", "pumps, repump, pump_2", id="inside a word"),
        pytest.param("[feed pump](A)", "feed pumps, feed pump_2", id="inside the last word"),
        pytest.param("[pump](A)", "Pump PUMP", id="in another case"),
        pytest.param("[pump](A)", "[feed pump](B) [pump house](B)", id="inside another span"),
        pytest.param("[pump house](A)", "pump [house](A)", id="across the border of a span"),
        pytest.param("[IT](A)", "IT", id="two characters"),
        pytest.param("[.NET](A)", "ASP.NET", id="behind a letter"),
    ],
)
def test_no_bare_surface(annotated, other):
    assert bare(annotated, other) == []


@pytest.mark.parametrize("other", ["use .NET.", ".NET", "(.NET)"])
def test_a_bare_surface_that_begins_with_punctuation(other):
    assert bare("[.NET](A)", other) == [(".NET", 1, ["1.md:1"])]


def test_within_a_longer_bare_surface_a_shorter_one_does_not_count():
    assert bare("[feed](A) [pump](A) [feed pump](A)", "the feed pump runs") == [("feed pump", 1, ["1.md:1"])]


def test_a_surface_is_bare_between_spans():
    assert bare("[pump](A)", "[x](A) pump [y](A)\npump") == [("pump", 1, ["1.md:1", "1.md:2"])]


def test_sentences_of_one_template_are_similar():
    found = find_similar(
        texts("Hello. The crew replaced [P-2](A) after 20 hours!", "x\nThe crew replaced [feed pump 7](A) after 312 hours.")
    )
    assert found == [
        {
            "files": 2,
            "sentences": [
                {"place": "0.md:1", "text": "The crew replaced P-2 after 20 hours!"},
                {"place": "1.md:2", "text": "The crew replaced feed pump 7 after 312 hours."},
            ],
        }
    ]


def test_a_word_more_in_a_long_sentence_is_similar():
    line = "the night shift at the plant found that somebody had opened the cabinet"
    assert similar(line, f"{line} again") == [["0.md:1", "1.md:1"]]


def test_groups_over_more_files_come_first():
    rows = "we shut the old gate by hand"
    assert similar(f"{rows} 1\n{rows} 2\n{rows} 3", "nobody told the second crew", "nobody told the second crew") == [
        ["1.md:1", "2.md:1"],
        ["0.md:1", "0.md:2", "0.md:3"],
    ]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        pytest.param("we shut the gate", "we shut the gate", id="four words"),
        pytest.param("the crew replaced [P-2](A) today", "the crew replaced [Oslo](B) today", id="labels differ"),
        pytest.param("[a](A) [b](B) | 3 | [c](A) [d](B) | 4", "[e](A) [f](B) | 5 | [g](A) [h](B) | 6", id="rows of a table"),
        pytest.param("we saw two of them at the old gate", "we saw two of them at the new gate", id="a word of nine differs"),
    ],
)
def test_sentences_that_are_not_similar(one, two):
    assert similar(one, two) == []


def test_characters_of_private_use_do_no_harm():
    assert similar("\ue000 the crew replaced [P-2](A) today", "the crew replaced [P-3](A) today") == [["0.md:1", "1.md:1"]]
