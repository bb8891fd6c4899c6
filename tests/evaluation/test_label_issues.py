import json

import numpy as np
import pytest
import spacy
from spacy.tokens import Span
from spacy.training import Example

from ner11.evaluation.label_issues import find_suspicions, to_tasks
from ner11.evaluation.out_of_fold import HeldOut
from ner11.evaluation.texts import from_reference
from ner11.pipeline.allowed import read_annotation, token_classes
from ner11.readers.label_studio import read_label_studio

CLASSES = ["O", "ACTOR", "PLACE", "TOOL"]
BLANK = spacy.blank("en")


def held_out(text, given=(), seen=(), sure=0.95):
    """A text with the labels that it is given and those that models see, both by first token, one past the last, label."""
    doc = BLANK.make_doc(text)
    spans = [Span(doc, *span) for span in given]
    unclear = [span for span in spans if span.label_ not in CLASSES]
    doc.set_ents([span for span in spans if span not in unclear], missing=unclear, default="outside")
    doc.spans["ambiguous"] = unclear
    doc.user_data.update(source="toy", group="d")
    likely = np.zeros(len(doc), dtype=int)
    for start, end, label in seen:
        likely[start:end] = CLASSES.index(label)
    probabilities = np.full((len(doc), len(CLASSES)), (1 - sure) / (len(CLASSES) - 1), dtype=np.float32)
    probabilities[np.arange(len(doc)), likely] = sure
    return HeldOut(from_reference(doc), token_classes(read_annotation(Example(BLANK.make_doc(text), doc))), probabilities)


ALL = [(0, 1, "ACTOR"), (2, 3, "PLACE"), (4, 5, "TOOL")]
RIGHT = [held_out("Sandworm in Kyiv with KillDisk", ALL, ALL, sure=0.9) for _ in range(10)]
TEXT = "then Fancy Bear left the place"


def suspicions_in(*odd):
    held = [*RIGHT, *odd]
    found = find_suspicions(held, CLASSES)
    assert not any(found[: len(RIGHT)])
    return held, found


@pytest.mark.parametrize(
    ("given", "seen", "kind", "doubted", "suggested"),
    [
        ([], [(1, 3, "ACTOR")], "missing", None, "Fancy Bear ACTOR"),
        ([(1, 3, "ACTOR")], [], "spurious", "Fancy Bear ACTOR", None),
        ([(1, 3, "TOOL")], [(1, 3, "ACTOR")], "label", "Fancy Bear TOOL", "Fancy Bear ACTOR"),
        ([(1, 3, "TOOL")], [(2, 3, "ACTOR")], "label", "Fancy Bear TOOL", "Bear ACTOR"),
        ([(1, 2, "ACTOR")], [(1, 3, "ACTOR")], "boundary", "Fancy ACTOR", "Fancy Bear ACTOR"),
        ([(1, 4, "ACTOR")], [(1, 3, "ACTOR")], "boundary", "Fancy Bear left ACTOR", "Fancy Bear ACTOR"),
        ([(1, 2, "ACTOR|TOOL")], [(1, 3, "TOOL")], "boundary", "Fancy ACTOR|TOOL", "Fancy Bear TOOL"),
        ([(1, 2, "ACTOR|TOOL")], [(1, 3, "PLACE")], "label", "Fancy ACTOR|TOOL", "Fancy Bear PLACE"),
    ],
)
def test_doubtful_tokens_are_joined_to_spans(given, seen, kind, doubted, suggested):
    _, found = suspicions_in(held_out(TEXT, given, seen))
    (suspicion,) = found[-1]
    told = [key and f"{TEXT[key[0] : key[1]]} {key[2]}" for key in (suspicion.given, suspicion.suggested)]
    assert (suspicion.kind, *told) == (kind, doubted, suggested)
    assert TEXT[suspicion.start : suspicion.end] == max((key.rsplit(" ", 1)[0] for key in told if key), key=len)
    assert suspicion.quality < 0.1 and suspicion.confidence == pytest.approx(0.95)


@pytest.mark.parametrize("label", ["?", "ACTOR|TOOL"])
def test_what_is_not_known_is_no_error(label):
    _, found = suspicions_in(held_out(TEXT, [(1, 3, label)], [(1, 3, "PLACE")]))
    assert found[-1] == []


def test_a_token_beside_something_unknown_may_be_a_part_of_it():
    _, found = suspicions_in(held_out(TEXT, [(1, 2, "?")], [(1, 3, "ACTOR")]))
    assert found[-1] == []


def test_doubts_without_a_better_idea_are_no_suspicion():
    _, found = suspicions_in(held_out(TEXT, [(1, 3, "ACTOR")], [], sure=0.26))
    assert found[-1] == []


def test_blanks_around_a_span_are_not_suggested():
    text = "then \n\n Bear left"
    _, found = suspicions_in(held_out(text, [], [(1, 3, "ACTOR")]))
    (suspicion,) = found[-1]
    assert text[suspicion.start : suspicion.end] == "Bear"


def test_blanks_alone_are_no_span():
    _, found = suspicions_in(held_out("then \n\n Bear left", [], [(1, 2, "ACTOR")]))
    assert found[-1] == []


def test_a_span_is_as_good_as_its_worst_token():
    odd = held_out(TEXT, [(1, 3, "TOOL")], [(1, 3, "ACTOR")])
    odd.probabilities[2] = [0.005, 0.97, 0.005, 0.02]
    _, found = suspicions_in(odd)
    assert found[-1][0].quality == pytest.approx(0.05 / 3)


def test_the_worst_come_first():
    mild = held_out(TEXT, [(1, 3, "TOOL")], [(1, 3, "ACTOR")], sure=0.92)
    both = held_out(TEXT, [(0, 1, "TOOL"), (3, 4, "PLACE")], [(0, 1, "ACTOR")])
    both.probabilities[3] = [0.97, 0.01, 0.01, 0.01]
    held, found = suspicions_in(mild, both)
    assert [suspicion.kind for suspicion in found[-1]] == ["spurious", "label"]
    tasks = to_tasks(held, found)
    assert [len(task["data"]["suspicions"]) for task in tasks] == [2, 1]
    assert [prediction["score"] for prediction in tasks[0]["predictions"]] == [found[-1][0].quality] * 2


def test_texts_without_entities_have_no_errors():
    assert find_suspicions([held_out(TEXT), held_out(TEXT)], CLASSES) == [[], []]


def as_text(regions):
    return [(region["value"]["text"], region["value"]["labels"]) for region in regions]


def test_tasks_show_what_is_given_beside_what_is_suggested():
    odd = held_out(TEXT, [(1, 3, "TOOL"), (3, 4, "ACTOR"), (5, 6, "PLACE")], [(1, 3, "ACTOR"), (5, 6, "PLACE")])
    (task,) = to_tasks(*suspicions_in(odd))
    (annotation,) = task["annotations"]
    suggested, doubted = task["predictions"]
    assert as_text(annotation["result"]) == [("Fancy Bear", ["TOOL"]), ("left", ["ACTOR"]), ("place", ["PLACE"])]
    assert (suggested["model_version"], as_text(suggested["result"])) == ("suggested", [("Fancy Bear", ["ACTOR"])])
    assert (doubted["model_version"], as_text(doubted["result"])) == ("doubted", [("Fancy Bear", ["TOOL"]), ("left", ["ACTOR"])])
    assert suggested["result"][0]["score"] == pytest.approx(0.95) and "score" not in annotation["result"][0]
    assert task["data"]["text"] == TEXT and {row["kind"] for row in task["data"]["suspicions"]} == {"label", "spurious"}


def test_rows_show_the_text_around():
    (task,) = to_tasks(*suspicions_in(held_out(TEXT, [(1, 2, "ACTOR")], [(1, 3, "ACTOR")])))
    (row,) = task["data"]["suspicions"]
    assert (row["before"], row["text"], row["after"]) == ("then ", "Fancy Bear", " left the place")
    assert row["given"] == {"start": 5, "end": 10, "label": "ACTOR", "text": "Fancy"}


def test_our_own_reader_gives_back_the_given_annotation(tmp_path):
    odd = held_out(TEXT, [(1, 3, "TOOL"), (4, 5, "?")], [(1, 3, "ACTOR")])
    path = tmp_path / "label_issues.json"
    path.write_text(json.dumps(to_tasks(*suspicions_in(odd))))
    (read,) = read_label_studio(path, group="document")
    assert (read.text, read.group, read.damage) == (TEXT, "d", "")
    assert [(TEXT[span.start : span.end], span.origin) for span in read.spans] == [("Fancy Bear", "TOOL"), ("the", "?")]
