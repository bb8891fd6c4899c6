import pytest
import spacy

from ner11.corpus import shards
from ner11.corpus.shards import list_shards, read_docs, write_shards
from ner11.errors import Ner11Error

NLP = spacy.blank("en")


def make(count):
    return [NLP.make_doc(f"text {i}") for i in range(count)]


@pytest.mark.parametrize(("count", "files"), [(0, 0), (1, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_documents_fill_numbered_shards(tmp_path, monkeypatch, count, files):
    monkeypatch.setattr(shards, "SHARD_SIZE", 3)
    assert write_shards(iter(make(count)), tmp_path / "x" / "train") == count
    assert [path.name for path in list_shards(tmp_path / "x" / "train")] == [f"000{i}.spacy" for i in range(files)]
    assert [doc.text for doc in read_docs(tmp_path / "x" / "train", NLP.vocab)] == [f"text {i}" for i in range(count)]


def test_plain_spacy_reads_a_shard(tmp_path):
    write_shards(make(2), tmp_path)
    assert [eg.reference.text for eg in spacy.training.Corpus(tmp_path)(NLP)] == ["text 0", "text 1"]


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
