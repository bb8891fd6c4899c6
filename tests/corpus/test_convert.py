from pathlib import Path

import pytest
import spacy

from ner11.corpus.convert import convert_dataset
from ner11.corpus.shards import read_docs
from ner11.datasets import Dataset
from ner11.errors import Ner11Error
from ner11.ledger import Ledger, by_outcome
from ner11.schema import Node, Schema

NLP = spacy.blank("en")
TRAIN = "Emotet\tB-MAL\nhit\tO\nKyiv\tB-LOC\n\nwe\tO\nleft\tB-ACT\n\na\tO\nb\tO\nc\tO\nd\tB-MAL\n"
TEST = "a\tO\nb\tO\nc\tO\nd\tB-MAL\n"
SCHEMA = Schema("toy", [Node(name, "d", ["a", "b"], [], True, 1, None) for name in ("MALWARE", "PLACE")])
LABELS = {"MAL": "MALWARE", "LOC": "PLACE", "ACT": "drop"}


@pytest.fixture
def run(tmp_path):
    def run(train=TRAIN, test=TEST, **settings):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "train.txt").write_text(train, encoding="utf8")
        (tmp_path / "in" / "test.txt").write_text(test, encoding="utf8")
        dataset = Dataset(
            **{
                "name": "toy",
                "path": Path("in"),
                "url": "here",
                "license": "MIT",
                "format": "columns",
                "splits": {"train": Path("train.txt"), "test": Path("test.txt")},
                "tier": "silver",
                "weight": 0.5,
                "labels": LABELS,
                "max_tokens": 3,
                **settings,
            }
        )
        ledger = Ledger()
        out = tmp_path / "out"
        counts = convert_dataset(dataset, schema=SCHEMA, root=tmp_path, out=out, make_doc=NLP.make_doc, ledger=ledger)
        ledger.check()
        return counts, {split: list(read_docs(out / split, NLP.vocab)) for split in counts}, ledger

    return run


def test_a_data_set_becomes_documents_of_the_schema(run):
    counts, docs, _ = run()
    assert counts == {"train": 2, "test": 1}
    first, second = docs["train"]
    assert (first.text, [(ent.text, ent.label_) for ent in first.ents]) == (
        "Emotet hit Kyiv",
        [("Emotet", "MALWARE"), ("Kyiv", "PLACE")],
    )
    assert [token.ent_iob_ for token in second] == ["O", ""]
    assert [first.user_data[key] for key in ("source", "tier", "weight")] == ["toy", "silver", 0.5]
    assert list(first.user_data["coverage"]) == ["MALWARE", "PLACE"]
    assert docs["test"][0].text == "a b c d"


def test_every_span_is_in_the_ledger(run):
    rows = run()[2].to_rows()
    assert by_outcome(rows["spans"]) == [
        ("toy", "kept", "", 3),
        ("toy", "unknown", "mapped to drop", 1),
        ("toy", "dropped", "text over 3 tokens", 1),
    ]


def test_options_reach_the_reader(run):
    _, docs, _ = run(train="a B-MAL O\n", test="a O O\n", options={"separator": " ", "tag_columns": [1]})
    assert [ent.text for ent in docs["train"][0].ents] == ["a"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "conll"}, "data set toy: unknown format 'conll'. Choose from columns, inline."),
        (
            {"options": {"seperator": " "}},
            "data set toy: options: seperator: Unexpected keyword argument. Correct it in datasets.yml.",
        ),
        ({"options": {"tag_columns": 1}}, "data set toy: options: tag_columns: Input should be a valid list"),
        ({"options": {"separator": ""}}, "data set toy: options: separator: String should have at least 1 character"),
    ],
    ids=["format", "option", "type of an option", "empty option"],
)
def test_a_mistake_in_the_settings_names_the_data_set(run, settings, message):
    with pytest.raises(Ner11Error) as error:
        run(**settings)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("train", ["", "a\tO\nb\tO\nc\tO\nd\tO\n"], ids=["empty file", "all texts too long"])
def test_a_split_without_texts_names_its_file(run, tmp_path, train):
    with pytest.raises(Ner11Error) as error:
        run(train=train)
    assert str(error.value).startswith(f"{tmp_path}/in/train.txt: the train split has no texts. ")


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("a\tO\n\nb\n", "{}/in/train.txt:3: 1 columns, expected at least 2. "),
        ("a\tX\n", "{}/in/train.txt:1: 'X' is no tag. "),
        ("a\tO\n\nb\tB-X\n", "data set toy: labels without a place in the schema: X (1 spans, first in {}/in/train.txt:3). "),
    ],
    ids=["columns", "tag", "label"],
)
def test_damaged_input_is_named(run, tmp_path, train, message):
    with pytest.raises(Ner11Error) as error:
        run(train=train)
    assert str(error.value).startswith(message.format(tmp_path))
