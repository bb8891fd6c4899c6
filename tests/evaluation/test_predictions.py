import hashlib
import json

import numpy as np
import pytest

from ner11.errors import Ner11Error
from ner11.evaluation.predictions import (
    Predictions,
    attach,
    collect_predictions,
    find_release,
    read_predictions,
    record_release,
    text_key,
    write_predictions,
)
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
    spans = [(0, 1, "A")] if text else []
    write_predictions(path, [make_text(text, spans, [None] * len(spans))], model=MODEL)
    (again,) = attach([make_text(text)], read_predictions(path))
    assert (again.predicted, again.confidences) == (spans, [None] * len(spans))


def test_a_span_beyond_its_text_names_the_model():
    predictions = Predictions(MODEL, {text_key("Turla"): [(0, 5, "A", 0.5), (7, 9, "A", 0.5)]})
    with pytest.raises(Ner11Error, match=r"^predictions of en_toy 1\.0\.0: a span ends at 9 in a text of 5 characters\. "):
        attach([make_text("Turla")], predictions)


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
        (lines(HEADER, {**ROW, "spans": [[0, 5, "", 0.5]]}), 2, r"spans\.0\.2: String should have at least 1 character"),
        (lines(HEADER, {**ROW, "spans": [[0, 5, "A", 0.5], [0, 5, "A", 0.5]]}), 2, "spans: .*two spans overlap at 0"),
        (lines(HEADER, {**ROW, "spans": [[4, 9, "A", 0.5], [0, 5, "B", 0.5]]}), 2, "spans: .*two spans overlap at 4"),
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


def test_spans_side_by_side_are_read(tmp_path):
    path = tmp_path / "toy.predictions.jsonl"
    path.write_text(lines(HEADER, {**ROW, "spans": [[5, 9, "A", 0.5], [0, 5, "B", None]]}))
    assert read_predictions(path).spans_by_text == {KEY: [(5, 9, "A", 0.5), (0, 5, "B", None)]}


WHEEL, OTHER = "a" * 64, "b" * 64


def record(packages, version, name="en_toy", content="predictions", wheel=WHEEL, date="2025-01-31"):
    """Release a version: its predictions and their record."""
    packages.mkdir(exist_ok=True)
    path = packages / f"{name}-{version}.predictions.jsonl"
    path.write_text(content)
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    record_release(packages, name=name, version=version, wheel_sha256=wheel, predictions_sha256=sha256, date=date)
    return path


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["1.2.0"], "1.2.0"),
        (["1.9.0", "1.10.0", "1.2.0"], "1.10.0"),
        (["1.9.0", "2.0.0"], "2.0.0"),
        (["1.9.0", "2.0.0rc1", "2.0.0.post1"], "2.0.0rc1"),
        (["2.0.1", "2.1.0"], None),
    ],
    ids=["one", "by number", "itself", "release candidate", "later"],
)
def test_the_last_release_is_the_highest_version_not_above(tmp_path, versions, expected):
    for version in versions:
        record(tmp_path, version)
    release = find_release(tmp_path, name="en_toy", version="2.0.0")
    assert (release and (release.name, release.version)) == (expected and ("en_toy", expected))


def test_a_release_knows_its_predictions(tmp_path):
    path = record(tmp_path, "1.0.0")
    assert find_release(tmp_path, name="en_toy", version="1.0.0").predictions == path


def test_a_release_of_another_name_is_none(tmp_path):
    record(tmp_path, "1.0.0", name="en_toy_failed_gates")
    assert find_release(tmp_path, name="en_toy", version="1.0.0") is None


def test_predictions_that_are_not_recorded_are_no_release(tmp_path):
    (tmp_path / "en_toy-1.0.0.predictions.jsonl").touch()
    assert find_release(tmp_path, name="en_toy", version="1.0.0") is None
    assert find_release(tmp_path / "packages", name="en_toy", version="1.0.0") is None


def test_a_release_whose_predictions_are_lost_is_found(tmp_path):
    record(tmp_path, "1.0.0")
    record(tmp_path, "1.1.0").unlink()
    release = find_release(tmp_path, name="en_toy", version="2.0.0")
    assert release.version == "1.1.0" and not release.predictions.exists()


def test_predictions_that_were_changed_are_named(tmp_path):
    path = record(tmp_path, "1.0.0")
    path.write_text("better ones")
    with pytest.raises(Ner11Error, match=r"1\.0\.0\.predictions\.jsonl: not the predictions that .*releases\.json records"):
        find_release(tmp_path, name="en_toy", version="1.0.0")


def test_a_version_that_is_none_is_named(tmp_path):
    with pytest.raises(Ner11Error, match="'next' is no version"):
        find_release(tmp_path, name="en_toy", version="next")


def test_the_record_says_what_was_released_when(tmp_path):
    record(tmp_path, "1.0.0")
    record(tmp_path, "1.0.0", name="en_other", date="2025-02-01T12:00:00Z")
    sha256 = hashlib.sha256(b"predictions").hexdigest()
    assert json.loads((tmp_path / "releases.json").read_text()) == {
        "en_toy": {"1.0.0": {"wheel": WHEEL, "predictions": sha256, "date": "2025-01-31"}},
        "en_other": {"1.0.0": {"wheel": WHEEL, "predictions": sha256, "date": "2025-02-01T12:00:00Z"}},
    }


def test_the_same_release_again_changes_nothing(tmp_path):
    record(tmp_path, "1.0.0")
    before = (tmp_path / "releases.json").read_bytes()
    record(tmp_path, "1.0.0", date="2026-01-01")
    assert (tmp_path / "releases.json").read_bytes() == before


@pytest.mark.parametrize("change", [{"wheel": OTHER}, {"content": "other"}])
def test_a_recorded_version_takes_no_other_content(tmp_path, change):
    record(tmp_path, "1.0.0")
    before = (tmp_path / "releases.json").read_bytes()
    with pytest.raises(Ner11Error, match=r"releases\.json: en_toy 1\.0\.0 is recorded with other content\. Give a new version"):
        record(tmp_path, "1.0.0", **change)
    assert (tmp_path / "releases.json").read_bytes() == before


@pytest.mark.parametrize("change", [{"version": "new"}, {"version": "1.0.0", "wheel": "abc"}])
def test_no_record_is_written_that_could_not_be_read(tmp_path, change):
    with pytest.raises(ValueError):
        record(tmp_path, **change)
    assert not (tmp_path / "releases.json").exists()


ROW_OF_RELEASE = {"wheel": WHEEL, "predictions": OTHER, "date": "2025-01-31"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Invalid JSON"),
        ("[]", "top level: Input should be an object"),
        ('{"en_toy": []}', "en_toy: Input should be an object"),
        (json.dumps({"en_toy": {"1.0.0": "a"}}), r"en_toy\.1\.0\.0: Input should be an object"),
        (json.dumps({"en_toy": {"1.0.0": {**ROW_OF_RELEASE, "wheel": "a"}}}), r"en_toy\.1\.0\.0\.wheel: String should match"),
        (json.dumps({"en_toy": {"1.0.0": {"wheel": WHEEL}}}), r"en_toy\.1\.0\.0\.predictions: Field required"),
        (json.dumps({"en_toy": {"new": ROW_OF_RELEASE}}), "en_toy.new.*Invalid version: 'new'"),
    ],
)
def test_damaged_releases_are_one_line(tmp_path, content, reason):
    path = tmp_path / "releases.json"
    path.write_text(content)
    with pytest.raises(Ner11Error, match=reason) as error:
        find_release(tmp_path, name="en_toy", version="1.0.0")
    assert str(error.value).startswith(f"{path}: damaged (") and "\n" not in str(error.value)
    with pytest.raises(Ner11Error, match=reason):
        record(tmp_path, "2.0.0")
    assert path.read_text() == content
