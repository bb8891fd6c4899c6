import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin, Span
from spacy.vocab import Vocab

from ner11.corpus.shards import Rows, list_shards, pack, pack_spans, read_docs, span_labels, unpack
from ner11.errors import Ner11Error
from tests.corpus.conftest import write_shards

NLP = spacy.blank("en")


def make(count):
    return [NLP.make_doc(f"text {i}") for i in range(count)]


def test_shards_are_listed_in_the_order_of_their_numbers(tmp_path):
    for name in ("10000", "0002", "9999", "0010"):
        (tmp_path / f"{name}.spacy").touch()
    assert [path.stem for path in list_shards(tmp_path)] == ["0002", "0010", "9999", "10000"]


def test_plain_spacy_reads_a_shard(tmp_path):
    write_shards(make(2), tmp_path)
    assert [eg.reference.text for eg in spacy.training.Corpus(tmp_path)(NLP)] == ["text 0", "text 1"]


def test_rows_make_the_same_file_as_documents(tmp_path):
    docs = make(3)
    docs[0].ents = [Span(docs[0], 0, 1, "A")]
    docs[1].spans["ambiguous"] = [Span(docs[1], 0, 2, "A|B"), Span(docs[1], 1, 2, "?")]
    docs[1].set_ents([], missing=[docs[1][0:2]], default="outside")
    for doc in docs:
        doc.user_data = {"source": "s", "weight": 0.5, "coverage": ["A", "B"]}
    groups = [[(s.start, s.end, s.start_char, s.end_char, s.label_) for s in doc.spans.get("ambiguous", ())] for doc in docs]
    rows = Rows(
        np.array([len(doc) for doc in docs], dtype=np.int32),
        np.concatenate([doc.to_array(["ORTH", "ENT_IOB", "ENT_TYPE"]).astype(np.uint64) for doc in docs]),
        np.concatenate([doc.to_array(["SPACY"]).astype(bool) for doc in docs]),
        [pack_spans(group) for group in groups],
        [pack(doc.user_data) for doc in docs],
        {"A", "A|B", "?", *(token.text for doc in docs for token in doc)},
    )
    rows.write(tmp_path / "0000.spacy")
    vocab = Vocab(strings=rows.strings)
    found = list(read_docs(tmp_path, spacy.blank("en").vocab))
    for read, one, doc in zip(found, [rows.to_doc(i, vocab) for i in range(3)], docs, strict=True):
        assert read.to_json() == one.to_json() == doc.to_json() and read.text == doc.text
        assert [(token.ent_iob, token.ent_type_) for token in read] == [(token.ent_iob, token.ent_type_) for token in doc]
        assert {**read.user_data, "coverage": list(read.user_data["coverage"])} == doc.user_data
    plain = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True, docs=docs)
    assert rows.user_data == plain.user_data and rows.spans[1] == plain.span_groups[1]
    again = Rows.read(tmp_path / "0000.spacy")
    assert again.strings == rows.strings and again.spans == rows.spans and np.array_equal(again.tokens, rows.tokens)


@pytest.mark.parametrize("chosen", [[], [2], [3, 0, 3], [0, 1, 2, 3]])
def test_rows_are_taken_and_joined(chosen):
    lengths = np.array([2, 0, 1, 3], dtype=np.int32)
    tokens = np.arange(18, dtype=np.uint64).reshape(6, 3)
    rows = Rows(lengths, tokens, np.arange(6) % 2 == 0, [b"a", b"b", b"c", b"d"], [b"1", b"2", b"3", b"4"], {"x"})
    taken = rows.take(np.array(chosen, dtype=np.int64))
    by_doc = [[0, 1], [], [2], [3, 4, 5]]
    assert taken.tokens[:, 0].tolist() == [3 * token for i in chosen for token in by_doc[i]]
    assert (taken.spans, taken.user_data) == ([b"abcd"[i : i + 1] for i in chosen], [b"1234"[i : i + 1] for i in chosen])
    both = Rows.join([taken, rows])
    assert len(both) == len(chosen) + 4 and both.lengths.tolist() == [*lengths[chosen].tolist(), 2, 0, 1, 3]


@pytest.mark.parametrize("labels", [[], ["?"], ["A|B", "?", "A|B"]])
def test_spans_are_packed_as_spacy_packs_them(labels):
    doc = NLP.make_doc("ab cd ef gh")
    doc.spans["ambiguous"] = [Span(doc, i, i + 2, label) for i, label in enumerate(labels)]
    packed = pack_spans((s.start, s.end, s.start_char, s.end_char, s.label_) for s in doc.spans["ambiguous"])
    assert packed == (doc.spans.to_bytes() if labels else b"")
    assert [NLP.vocab.strings[hash_] for hash_ in span_labels(packed)] == labels


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x82\xa1a", pack({"a": 1}) + b"\x01"], ids=["empty", "no msgpack", "cut", "more"]
)
def test_damaged_user_data_does_not_spoil_what_is_read_next(data):
    with pytest.raises(Exception):  # noqa: B017  (msgpack has many)
        unpack(data)
    assert unpack(pack({"a": [1, "é"]})) == {"a": (1, "é")}


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"junk", lambda data: data[: len(data) // 2]])
def test_a_damaged_shard_is_named(tmp_path, damage):
    write_shards(make(2), tmp_path)
    path = tmp_path / "0000.spacy"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Ner11Error, match="damaged corpus file") as error:
        list(read_docs(tmp_path, NLP.vocab))
    assert str(error.value).startswith(f"{path}: ") and str(error.value).endswith("Run convert and merge again.")


def test_a_missing_folder_holds_nothing(tmp_path):
    assert list(read_docs(tmp_path / "none", NLP.vocab)) == []
