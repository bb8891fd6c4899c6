import pytest
import spacy

from ner11.evaluation.mentions import Mentions


@pytest.fixture
def mentions():
    nlp = spacy.blank("en")
    texts = [
        ("Turla hit Kyiv", [(0, 5, "ACTOR"), (10, 14, "PLACE|SITE")]),
        ("TURLA again, and X", [(0, 5, "ACTOR"), (17, 18, "?")]),
    ]
    docs = []
    for text, spans in texts:
        doc = nlp(text)
        doc.spans["ambiguous"] = [doc.char_span(*span) for span in spans]
        doc.user_data["source"] = "toy"
        docs.append(doc)
    return Mentions.collect(iter(docs))


@pytest.mark.parametrize(
    ("surface", "label", "seen"),
    [("turla", "ACTOR", True), ("Turla", "TOOL", False), ("Kyiv", "PLACE|SITE", True), ("X", "?", False)],
)
def test_a_surface_is_seen_with_its_label_in_any_case_of_letters(mentions, surface, label, seen):
    assert mentions.seen(surface, label) is seen


def test_the_first_mention_keeps_its_place(mentions):
    first = mentions.first["turla", "ACTOR"]
    assert (first.surface, first.before, first.after, first.source) == ("Turla", "", " hit Kyiv", "toy")
    assert mentions.counts["turla", "ACTOR"] == 2
