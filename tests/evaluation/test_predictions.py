import json

import numpy as np
import pytest

from ner11.errors import Ner11Error
from ner11.evaluation.predictions import attach, collect_predictions, find_baseline, read_predictions, write_predictions
from ner11.evaluation.texts import TestText

MODEL = {"name": "en_toy", "version": "1.0.0"}
NONE = np.zeros(0, dtype=np.int32)


def make_text(text, predicted=(), confidences=None, gold=()):
    confidences = [0.5] * len(predicted) if confidences is None else confidences
    return TestText(text, "toy", "gold", "d", list(gold), None, NONE, NONE, list(predicted), confidences)


@pytest.fixture
def written(tmp_path):
    """Predictions for two texts on disk: one span, and none."""
    path = tmp_path / "toy.predictions.jsonl"
    write_predictions(path, [make_text("Turla came", [(0, 5, "A")], [0.25]), make_text("nobody")], model=MODEL)
    return path


def test_what_is_written_is_read(written):
    predictions = read_predictions(written)
    assert predictions.model == MODEL
    assert list(predictions.spans_by_text.values()) == [[(0, 5, "A", 0.25)], []]


def test_no_text_is_on_disk(written):
    assert "Turla" not in written.read_text() and "nobody" not in written.read_text()


def test_spans_are_attached_to_the_text_that_they_were_found_in(written):
    texts = [make_text("nobody", [(0, 6, "B")]), make_text("unseen"), make_text("Turla came", gold=[(0, 5, "A")])]
    first, second = attach(texts, read_predictions(written))
    assert (first.text, first.predicted, first.confidences) == ("nobody", [], [])
    assert (second.predicted, second.confidences) == ([(0, 5, "A")], [0.25])
    assert second.comparison.hits == [(0, 5, "A")]


def test_the_given_texts_keep_their_own_predictions(written):
    text = make_text("nobody", [(0, 6, "B")])
    assert text.comparison.spurious
    (attached,) = attach([text], read_predictions(written))
    assert text.predicted == [(0, 6, "B")] and not attached.comparison.spurious


@pytest.mark.parametrize("text", ["", "Zürich 🙂", "half a pair \ud83d", "line\nline\u2028line\r\n", '"quoted" \\ \0'], ids=ascii)
def test_any_text_is_found_again(tmp_path, text):
    path = tmp_path / "odd.predictions.jsonl"
    write_predictions(path, [make_text(text, [(0, 1, "A")], [None])], model=MODEL)
    (again,) = attach([make_text(text)], read_predictions(path))
    assert (again.predicted, again.confidences) == ([(0, 1, "A")], [None])


def test_equal_texts_share_their_spans(tmp_path):
    path = tmp_path / "twice.predictions.jsonl"
    twice = [make_text("Turla", [(0, 5, "A")])] * 2
    write_predictions(path, twice, model=MODEL)
    assert [text.predicted for text in attach(twice, read_predictions(path))] == [[(0, 5, "A")]] * 2


def test_of_the_model_only_name_and_version_are_kept():
    assert collect_predictions([], model={**MODEL, "encoder": "toy"}).model == MODEL


KEY = "0" * 32
HEADER = {"format": 1, "model": MODEL, "texts": 1}
ROW = {"text": KEY, "spans": [[0, 5, "A", 0.5]]}


def lines(*rows):
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", 1, "Invalid JSON"),
        (lines({**HEADER, "format": 2}, ROW), 1, r"format: Input should be 1"),
        (lines({**HEADER, "model": {"name": "en_toy"}}, ROW), 1, "model.version: Field required"),
        (lines(ROW), 1, "format: Field required"),
        (lines(HEADER), 1, "0 texts, but its first line says 1"),
        (lines({**HEADER, "texts": 3}, ROW, {**ROW, "text": "1" * 32}), 3, "2 texts, but its first line says 3"),
        (lines(HEADER, ROW)[:-20], 2, "Invalid JSON: EOF"),
        (lines(HEADER, ROW, "{}"), 3, "text: Field required"),
        (lines(HEADER, "\0\0\0"), 2, "Invalid JSON"),
        (lines(HEADER, {**ROW, "text": "short"}), 2, "text: String should match pattern"),
        (lines(HEADER, {**ROW, "spans": [[5, 5, "A", 0.5]]}), 2, "no span from 5 to 5"),
        (lines(HEADER, {**ROW, "spans": [[-1, 5, "A", 0.5]]}), 2, "no span from -1 to 5"),
        (lines(HEADER, {**ROW, "spans": [[0, 5, "A"]]}), 2, r"spans\.0\.3: Field required"),
        (lines(HEADER, {**ROW, "spans": [[0, 5, 7, 0.5]]}), 2, r"spans\.0\.2: Input should be a valid string"),
        (lines(HEADER, {**ROW, "spans": [[0, 5, "A", 1.5]]}), 2, "less than or equal to 1"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_file_and_line(tmp_path, content, line, reason):
    path = tmp_path / "bad.predictions.jsonl"
    path.write_bytes(content.encode())
    with pytest.raises(Ner11Error, match=reason) as error:
        read_predictions(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert str(error.value).endswith("write it again with 'spacy project run evaluate'.")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Ner11Error, match=r"none\.predictions\.jsonl: cannot be read"):
        read_predictions(tmp_path / "none.predictions.jsonl")


def test_a_file_that_is_no_text_names_its_line(written):
    written.write_bytes(written.read_bytes() + b"\xff\xff")
    with pytest.raises(Ner11Error, match=r":4: byte 0xff is not UTF-8"):
        read_predictions(written)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], None),
        (["en_toy-1.2.0"], "en_toy-1.2.0"),
        (["en_toy-1.9.0", "en_toy-1.10.0", "en_toy-1.2.0"], "en_toy-1.10.0"),
        (["en_toy-2.0.0", "en_toy-2.1.0"], None),
        (["en_toy-1.9.0", "en_toy-2.0.0rc1", "en_toy-2.0.0.post1"], "en_toy-2.0.0rc1"),
        (["en_toy-1.0.0", "en_toy-new", "en_toy-", "en_toy"], "en_toy-1.0.0"),
        (["en_toy_failed_gates-1.0.0", "en_toy2-1.0.0", "en_other-1.0.0"], None),
    ],
    ids=["none", "one", "by number", "not itself or later", "release candidate", "no version", "other names"],
)
def test_the_baseline_is_the_highest_version_below(tmp_path, files, expected):
    for file in files:
        (tmp_path / f"{file}.predictions.jsonl").touch()
        (tmp_path / f"{file}-py3-none-any.whl").touch()
    found = find_baseline(tmp_path, name="en_toy", version="2.0.0")
    assert found == (expected and tmp_path / f"{expected}.predictions.jsonl")


def test_without_packages_there_is_no_baseline(tmp_path):
    assert find_baseline(tmp_path / "packages", name="en_toy", version="1.0.0") is None


def test_a_version_that_is_none_is_named(tmp_path):
    with pytest.raises(Ner11Error, match="'next' is no version"):
        find_baseline(tmp_path, name="en_toy", version="next")
