import sys
from pathlib import Path

import pytest
import spacy
from spacy.training import Corpus
from thinc.api import Config

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import training

# isort: split
# A folder of that name stands in the project once something was trained, and sorting would depend on it.
from peers.data import read_split_docs, write_corpus
from peers.finetuning import fine_tune, tags_of
from peers.pipelines import count_batches, watched

from ner11.corpus.reader import WeightedCorpus
from ner11.datasets import Dataset
from ner11.errors import Ner11Error

TRAIN = "Emotet\tB-Malware\nhit\tO\nAcme\tB-Organization\nCorp\tI-Organization\n\nNothing\tO\nhappened\tO\n.\tO\n\n"
TEST = "Emotet\tB-Malware\nagain\tO\n\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("train", TRAIN), ("test", TEST)):
        (tmp_path / f"{name}.tsv").write_text(text, encoding="utf8")
    dataset = Dataset(
        name="toy",
        path=tmp_path,
        url="-",
        license="CC0-1.0",
        format="columns",
        splits={"train": "train.tsv", "test": "test.tsv"},
        tier="expert",
        labels={},
    )
    write_corpus(dataset, tmp_path / "project", root=tmp_path, limit=0)
    return tmp_path / "project"


def test_corpus_has_the_labels_of_the_set_and_covers_everything(folder: Path) -> None:
    train, dev, test = (read_split_docs(folder, split, spacy.blank("en").vocab) for split in ("train", "dev", "test"))
    assert [[(ent.text, ent.label_) for ent in doc.ents] for doc in train] == [
        [("Emotet", "Malware"), ("Acme Corp", "Organization")],
        [],
    ]
    assert all(doc.user_data["coverage"] == ("Malware", "Organization") for doc in train)
    assert not any(token.ent_iob_ == "" for doc in train for token in doc)
    assert [doc.text for doc in test] == ["Emotet again"]
    assert [doc.text for doc in dev] == [train[0].text], "an evaluation must find something"


def test_both_readers_read_the_corpus_alike(folder: Path) -> None:
    nlp, path = spacy.blank("en"), folder / "corpus" / "merged" / "train"
    ours = WeightedCorpus(path, weighted=True, max_words=0, seed=0)(nlp)
    found = [{(eg.text, *tags_of(eg.reference)) for eg in examples} for examples in (ours, Corpus(path)(nlp))]
    assert found[0] == found[1] and len(found[0]) == 2


def test_batches_of_all_epochs_are_counted(folder: Path) -> None:
    path = str(folder / "corpus" / "merged" / "train")
    config = Config(
        {
            "corpora": {"train": {"@readers": "spacy.Corpus.v1", "path": path, "gold_preproc": False}},
            "training": {"batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": 1, "get_length": None}},
        }
    )
    assert count_batches(config, 3, 0, shuffle=True) == 6


class Loop:
    """Stands for a training loop's module."""

    @staticmethod
    def train_while_improving(nlp, optimizer, batches, evaluate, **settings):
        for step, batch in enumerate(batches):
            evaluate()
            yield batch, {"step": step, "words": 10 * (step + 1)}, True if step == 1 else None


def test_evaluation_and_checkpoints_are_not_on_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("peers.pipelines.perf_counter", lambda: now)

    def work(seconds: float) -> None:
        nonlocal now
        now += seconds

    def batches():
        for _ in range(3):
            work(1)
            yield "batch"

    with watched(Loop) as measured:
        for _, _, is_best in Loop.train_while_improving("nlp", None, batches(), lambda: work(100)):
            work(1000 if is_best else 1)
    assert measured.seconds == 3, "batches 2 and 3, and the log of step 1"
    assert (measured.steps, measured.words, measured.nlp) == (3, 30, "nlp")


def test_fine_tuning_learns_and_predicts(folder: Path, toy_bert: Path) -> None:
    vocab = spacy.blank("en").vocab
    train = read_split_docs(folder, "train", vocab) * 8
    tuned = fine_tune(train, encoder=str(toy_bert), epochs=8, rate=5e-3, seed=0, use_cpu=True, group_by_length=True)
    docs = [train[1], train[0]]
    predicted = list(tuned.predict(docs))
    assert [doc.text for doc in predicted] == [doc.text for doc in docs]
    found = [[ent.label_ for ent in doc.ents] for doc in predicted]
    assert found == [[], ["Malware", "Organization"]], "not sorted by length, as in training"
    assert tuned.steps == 8 and tuned.seconds > 0


def test_results_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    out, settings = tmp_path / "out.json", training.Settings("minilm", 3, 3e-4, 0)
    started = training.open_results(out, settings)
    started["runs"].append({"seed": 0})
    training.write_json(out, started)
    assert training.open_results(out, settings)["runs"] == [{"seed": 0}]
    with pytest.raises(Ner11Error, match="another epochs"):
        training.open_results(out, training.Settings("minilm", 2, 3e-4, 0))
