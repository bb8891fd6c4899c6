import random
from dataclasses import replace

import pytest
import spacy
from spacy.language import Language

from ner11.evaluation.mentions import Mentions
from ner11.evaluation.robustness import (
    find_unseen_names,
    lower_case,
    measure_robustness,
    sample_documents,
    swap_letters,
    swap_names,
    uncalibrated,
)
from ner11.evaluation.texts import TestText, from_reference, predict

BLANK = spacy.blank("en")


def reference(text, spans=(), document="d", nlp=BLANK):
    """A document with spans given by their surfaces."""
    doc = nlp.make_doc(text)
    for surface, label in spans:
        start = text.index(surface)
        span = doc.char_span(start, start + len(surface), label)
        if "|" in label or label == "?":
            doc.spans.setdefault("ambiguous", []).append(span)
        else:
            doc.ents = [*doc.ents, span]
    doc.user_data.update(source="toy", group=document)
    return doc


def a_text(text, spans=(), document="d"):
    return from_reference(reference(text, spans, document))


def surfaces(text: TestText, perturbed):
    content, gold = perturbed
    return [(content[start:end], label) for start, end, label in gold]


def test_lower_case_moves_no_span():
    text = a_text("İstanbul and ÅNGSTRÖM saw IBM", [("IBM", "ORG")])
    assert lower_case(text)[0] == "İstanbul and ångström saw ibm"
    assert surfaces(text, lower_case(text)) == [("ibm", "ORG")]


def test_typos_swap_two_inner_letters_of_some_long_words():
    words = [*(["between"] * 3000), "CVE-2024-1234", "noon", "the", "abbbc", "word2vec", "snake_case"]
    text = a_text(" ".join(words))
    content, _ = swap_letters(text, random.Random(0))
    changed = [(old, new) for old, new in zip(words, content.split(" "), strict=True) if old != new]
    assert 0.08 < len(changed) / 3000 < 0.12
    assert {old for old, _ in changed} == {"between"}  # neither digits nor short words nor what looks the same swapped
    for old, new in changed:
        places = [i for i in range(7) if old[i] != new[i]]
        assert sorted(new) == sorted(old) and places[1] == places[0] + 1 and places[0] > 0 and places[1] < 6


def test_typos_stand_in_entities_too_and_move_no_span(monkeypatch):
    monkeypatch.setattr("ner11.evaluation.robustness.TYPO_SHARE", 1.0)
    text = a_text("from Sandworm again", [("Sandworm", "ACTOR")])
    ((surface, label),) = surfaces(text, swap_letters(text, random.Random(0)))
    assert surface != "Sandworm" and sorted(surface) == sorted("Sandworm") and label == "ACTOR"


def test_a_seed_gives_the_same_typos():
    text = a_text("some words that are long enough " * 20)
    first, again, other = (swap_letters(text, random.Random(seed))[0] for seed in (1, 1, 2))
    assert first == again != other


NAMES = {"ACTOR": ["Vermin Bear", "Zebrocy Group"]}


def test_names_are_swapped_and_all_spans_move_along():
    text = a_text("? Turla used X; Vermin Bear used Y or Z.", [("Turla", "ACTOR"), ("X", "TOOL"), ("Vermin Bear", "ACTOR")])
    ambiguous = text.text.index("Y"), text.text.index("Y") + 1, "TOOL|CODE"
    unknown = text.text.index("Z"), text.text.index("Z") + 1, "?"
    text.gold += [ambiguous, unknown]
    found = surfaces(text, swap_names(text, NAMES, random.Random(0)))
    assert found[0][0] in NAMES["ACTOR"]
    assert found[1:] == [("X", "TOOL"), ("Zebrocy Group", "ACTOR"), ("Y", "TOOL|CODE"), ("Z", "?")]


def test_the_text_between_names_stays():
    text = a_text("Turla, Turla", [("Turla", "ACTOR")])
    text.gold = [(0, 5, "ACTOR"), (7, 12, "ACTOR")]
    content, gold = swap_names(text, NAMES, random.Random(1))
    assert content[gold[0][1] : gold[1][0]] == ", " and gold[1][1] == len(content)


def test_names_that_overlap_something_stay():
    text = a_text("Turla team came", [("Turla", "ACTOR"), ("Turla team", "?")])
    assert swap_names(text, NAMES, random.Random(0)) == (text.text, text.gold)


def test_names_to_swap_in_are_unseen_in_training_and_at_least_two():
    mentions = Mentions.collect([reference("turla and APT1", [("turla", "ACTOR")])])
    texts = [
        a_text("Turla, Sandworm and SANDWORM", [("Turla", "ACTOR"), ("Sandworm", "ACTOR"), ("SANDWORM", "ACTOR")]),
        a_text("APT1 in Kyiv with X", [("APT1", "ACTOR"), ("Kyiv", "PLACE"), ("X", "TOOL|CODE")]),
    ]
    assert find_unseen_names(texts, mentions) == {"ACTOR": ["APT1", "Sandworm"]}


@pytest.mark.parametrize(("most", "documents"), [(0, 1), (7, 1), (8, 2), (100, 3)])
def test_samples_are_whole_documents_up_to_a_number_of_words(most, documents):
    texts = [a_text("two words", document=f"d{i % 3}") for i in range(6)]
    sample = sample_documents(texts, most)
    assert len(sample) == 2 * documents == 2 * len({text.document for text in sample})
    assert [id(text) for text in sample] == [id(text) for text in texts if any(text is one for one in sample)]


def test_a_sample_depends_on_its_seed_alone():
    texts = [a_text("two words", document=f"d{i}") for i in range(50)]
    first, again, other = ([text.document for text in sample_documents(texts, 20, seed=seed)] for seed in (1, 1, 2))
    assert first == again != other


@pytest.fixture
def nlp():
    """A pipeline that finds the actors it knows, by their exact letters."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "ACTOR", "pattern": name} for name in ("Sandworm", "Turla", "APT1")])
    return nlp


def test_a_loss_is_the_difference_to_the_same_texts_unperturbed(nlp):
    docs = [reference("Sandworm came", [("Sandworm", "ACTOR")], f"a{i}") for i in range(6)]
    docs += [reference("it was apt1 who came", [("apt1", "ACTOR")], f"b{i}") for i in range(6)]
    result = measure_robustness(nlp, predict(nlp, docs), mentions=Mentions())
    assert (result["texts"], result["words"], result["plain"]["f1"]) == (12, 42, pytest.approx(2 / 3))
    lower = result["perturbations"]["lower case"]
    assert (lower["f1"], lower["loss"]) == (0, pytest.approx(2 / 3))
    assert lower["loss_interval"] == pytest.approx(result["plain"]["f1_interval"])
    # Of two names that training lacks, each takes the place of the other.
    names = result["perturbations"]["unseen names"]
    assert (names["tp"], names["fn"], names["loss"]) == (6, 6, 0)
    assert names["loss_interval"][0] < 0 < names["loss_interval"][1]


def test_losses_are_paired():
    """Where a perturbation loses nothing, no resample has a loss, however much F1 varies between documents."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "ACTOR", "pattern": "apt1"}])
    docs = [reference(f"It was {name}", [(name, "ACTOR")], name) for name in ("apt1", "apt2", "apt3")]
    result = measure_robustness(nlp, predict(nlp, docs), mentions=Mentions())
    assert result["plain"]["f1_interval"][0] < result["plain"]["f1_interval"][1]
    lower = result["perturbations"]["lower case"]
    assert (lower["loss"], lower["loss_interval"]) == (0, [0, 0])


def test_the_given_predictions_stand_for_the_plain_texts(nlp):
    text = replace(from_reference(reference("Sandworm", [("Sandworm", "ACTOR")])), predicted=[], confidences=[])
    result = measure_robustness(nlp, [text], mentions=Mentions())
    assert (result["plain"]["tp"], result["plain"]["fn"]) == (0, 1)
    assert text.text == "Sandworm" and text.predicted == []


def test_what_changes_nothing_is_left_out(nlp):
    result = measure_robustness(nlp, predict(nlp, [reference("42 of 17")]), mentions=Mentions())
    assert result["perturbations"] == {}
    assert result["plain"]["f1"] is None


def test_temperatures_are_1_for_a_while(nlp):
    class Calibrated:
        def __init__(self):
            self.cfg = {"temperature": 2.5}

        def __call__(self, doc):
            return doc

    Language.factory("ner11_test_calibrated", func=lambda nlp, name: Calibrated())
    cfg = nlp.add_pipe("ner11_test_calibrated").cfg
    with pytest.raises(KeyError), uncalibrated(nlp):
        assert cfg["temperature"] == 1.0
        raise KeyError
    assert cfg["temperature"] == 2.5
