import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from ner11.pipeline.allowed import allowed_tags, count_classes, read_annotation, token_classes
from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE
from ner11.pipeline.tags import TagScheme

NLP = spacy.blank("en")
WORDS = ["APT28", "used", "Kill", "Disk", "here"]


def example(entities=(), ambiguous=(), coverage=None, missing=(), predicted=None):
    reference = Doc(NLP.vocab, words=WORDS)
    unknown = [Span(reference, start, end) for start, end, _ in ambiguous] + [Span(reference, *span) for span in missing]
    reference.set_ents([Span(reference, *span[:2], label=span[2]) for span in entities], missing=unknown, default="outside")
    reference.spans[AMBIGUOUS] = [Span(reference, start, end, label) for start, end, label in ambiguous]
    if coverage is not None:
        reference.user_data[COVERAGE] = coverage
    return Example(predicted or Doc(NLP.vocab, words=WORDS), reference)


def names(eg, labels=("ACTOR", "MALWARE", "TOOL"), scheme="BIO"):
    tags = TagScheme(scheme, labels)
    return [" ".join(np.array(tags.tags)[row]) for row in allowed_tags(read_annotation(eg), tags)]


def test_full_annotation_allows_one_tag_a_token():
    assert names(example([(0, 1, "ACTOR"), (2, 4, "MALWARE")])) == ["B-ACTOR", "O", "B-MALWARE", "I-MALWARE", "O"]
    expected = ["U-ACTOR", "O", "B-MALWARE", "L-MALWARE", "O"]
    assert names(example([(0, 1, "ACTOR"), (2, 4, "MALWARE")]), scheme="BILUO") == expected
    assert names(example([(2, 4, "MALWARE")]), scheme="IO") == ["O", "O", "I-MALWARE", "I-MALWARE", "O"]


def test_outside_may_be_what_the_source_does_not_cover():
    rows = names(example([(0, 1, "ACTOR")], coverage=["ACTOR", "MALWARE"]))
    assert rows == ["B-ACTOR", *["O B-TOOL I-TOOL"] * 4]


def test_a_span_with_several_labels_may_have_any_of_them():
    rows = names(example(ambiguous=[(2, 4, "MALWARE|TOOL")]))
    assert rows == ["O", "O", "B-MALWARE B-TOOL", "I-MALWARE I-TOOL", "O"]


@pytest.mark.parametrize("scheme", ["BIO", "BILUO", "IO"])
def test_what_is_unknown_is_never_a_plain_o(scheme):
    rows = names(example(ambiguous=[(2, 4, "?")], missing=[(0, 1)], coverage=["ACTOR", "MALWARE", "TOOL"]), scheme=scheme)
    everything = " ".join(TagScheme(scheme, ("ACTOR", "MALWARE", "TOOL")).tags)
    assert rows == [everything, "O", everything, everything, "O"]


def test_a_span_does_not_grow_into_a_neighbor_that_is_not_covered():
    rows = names(example([(2, 4, "TOOL")], coverage=["ACTOR", "MALWARE"]))
    assert rows[4] == "O B-TOOL"
    assert rows[1] == "O B-TOOL I-TOOL"
    rows = names(example([(2, 4, "TOOL")], coverage=["ACTOR", "MALWARE"]), scheme="IO")
    assert (rows[1], rows[4]) == ("O", "O")


def test_neighboring_spans_keep_their_tags():
    assert names(example([(2, 3, "TOOL"), (3, 4, "TOOL")]))[2:4] == ["B-TOOL", "B-TOOL"]


def test_other_tokens_in_the_pipeline_make_unknown_what_does_not_fit():
    words, spaces = ["APT", "28", "used", "Kill", "Disk here"], [False, True, True, True, True]
    eg = example([(0, 1, "ACTOR"), (2, 4, "MALWARE")], predicted=Doc(NLP.vocab, words=words, spaces=spaces))
    everything = " ".join(TagScheme("BIO", ("ACTOR", "MALWARE", "TOOL")).tags)
    assert names(eg)[:3] == ["B-ACTOR", "I-ACTOR", "O"]
    assert names(eg)[3:] == [everything, everything]


def test_an_unknown_span_is_unknown_even_where_its_tokens_are_not_marked_missing():
    eg = example()
    eg.reference.spans[AMBIGUOUS] = [Span(eg.reference, 2, 4, "?")]
    rows = names(eg)
    assert rows[1] == rows[4] == "O" and rows[2] == rows[3] != "O"


def test_other_blanks_in_the_predicted_text_lose_no_span():
    reference = Doc(NLP.vocab, words=["APT28", "  ", "hit", "Foo"])
    reference.ents = [Span(reference, 3, 4, "TOOL")]
    assert names(Example(Doc(NLP.vocab, words=["APT28", "hit", "Foo"]), reference)) == ["O", "O", "B-TOOL"]


def test_a_label_that_the_model_does_not_know_is_named():
    with pytest.raises(ValueError, match=r"softmax_ner: the data has the label VESSEL, which the model does not know \(ACTOR,"):
        names(example([(0, 1, "VESSEL")]))
    assert names(example(ambiguous=[(0, 1, "VESSEL|TOOL")]))[0] == "B-TOOL"


def test_coverage_that_is_no_list_of_labels_is_named():
    with pytest.raises(ValueError, match="coverage is 'ACTOR', no list of labels, in the text 'APT28 used"):
        names(example(coverage="ACTOR"))


def test_counts_and_names_classes():
    annotation = read_annotation(example([(0, 1, "ACTOR")], ambiguous=[(2, 4, "MALWARE|TOOL")], missing=[(4, 5)]))
    assert token_classes(annotation) == ["ACTOR", "O", "MALWARE|TOOL", "MALWARE|TOOL", ""]
    assert count_classes([annotation]) == {"O": 1, "ACTOR": 1, "MALWARE": 1.0, "TOOL": 1.0}


@pytest.mark.parametrize("words", [[], [" ", "\n"]])
def test_empty_and_blank_texts_pass(words):
    reference = Doc(NLP.vocab, words=words)
    reference.set_ents([], default="outside")
    assert names(Example(Doc(NLP.vocab, words=words), reference)) == ["O"] * len(words)
