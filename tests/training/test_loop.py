import json
import re

import pytest
import spacy
import torch
from spacy.tokens import Span
from spacy.util import load_config

from ner11.errors import Ner11Error
from ner11.training import loop
from ner11.training.compose import Wishes, compose
from ner11.training.encoder import resolve_encoder
from ner11.training.hardware import Device
from ner11.training.loop import is_out_of_patience, train
from tests.corpus.conftest import write_shards
from tests.training.test_compose import CONFIGS

CPU = Device(-1, "CPU", 0, "no GPU")


@pytest.mark.parametrize(
    ("results", "step", "stop"),
    [
        ([(0.0, 0)], 100, False),
        ([(0.0, 0), (0.0, 50), (0.0, 100)], 100, False),
        ([(0.003, 0), (0.0, 50), (0.002, 100)], 100, False),
        ([(0.0, 0), (0.3, 50)], 59, False),
        ([(0.0, 0), (0.3, 50)], 60, True),
        ([(0.3, 50), (0.3, 55)], 60, True),
        ([(0.3, 50), (0.4, 55)], 60, False),
    ],
)
def test_patience_counts_from_the_best_score_once_there_is_one(results, step, stop):
    assert is_out_of_patience(results, step=step, patience=10) is stop


def test_no_patience_never_stops():
    assert not is_out_of_patience([(0.3, 1)], step=1000, patience=0)


@pytest.fixture
def make_config(tmp_path, monkeypatch):
    """Write a configuration for a corpus that a toy encoder learns in seconds."""
    nlp = spacy.blank("en")
    docs = [nlp(text) for text in ("zz went to qq", "qq saw zz", "nothing here") for _ in range(4)]
    for doc in docs:
        doc.ents = [Span(doc, token.i, token.i + 1, "LOCATION") for token in doc if token.text == "qq"]
        doc.user_data.update(weight=1.0)
    for split in ("train", "dev"):
        write_shards(docs, tmp_path / "corpus" / "merged" / split)
    monkeypatch.chdir(tmp_path)

    def make(encoder, epochs="20"):
        config, _ = compose(
            CONFIGS,
            encoder=resolve_encoder(str(encoder), reason="chosen", encoders=tmp_path),
            head="transition",
            device=CPU,
            wishes=Wishes(epochs=epochs, batch_pieces="64", seed=0),
            dev_words=len(docs) * 4,
        )
        config["training"]["optimizer"]["learn_rate"]["initial_rate"] = 0.003
        config.to_disk(tmp_path / "config.cfg")
        return tmp_path / "config.cfg"

    return make


@pytest.mark.parametrize("kind", ["toy_bert", "toy_trf"])
def test_learns_saves_and_loads(make_config, tmp_path, kind, request):
    path = make_config(request.getfixturevalue(kind))
    result = train(path, tmp_path / "training", device=CPU, quiet=True)
    assert result.best_score == 1.0
    nlp = spacy.load(tmp_path / "training/model-best")
    assert [(ent.text, ent.label_) for ent in nlp("aa went to qq").ents] == [("qq", "LOCATION")]
    assert nlp.meta["performance"]["ents_f"] == 1.0
    scores = [json.loads(line)["score"] for line in (tmp_path / "training/log.jsonl").read_text().splitlines()]
    assert max(scores) == 1.0


def test_nothing_learned_keeps_the_last_good_model(make_config, toy_bert, tmp_path, monkeypatch):
    (tmp_path / "training/model-best").mkdir(parents=True)
    (tmp_path / "training/model-best/meta.json").write_text("the last good model")
    monkeypatch.setattr(loop, "create_evaluation_callback", lambda *_: lambda: (0.0, {}))
    with pytest.raises(Ner11Error, match="no right entity on dev"):
        train(make_config(toy_bert, "2"), tmp_path / "training", device=CPU, quiet=True)
    assert (tmp_path / "training/model-best/meta.json").read_text() == "the last good model"


def test_interrupt_keeps_the_last_good_model_and_the_best_so_far(make_config, toy_bert, tmp_path, monkeypatch):
    (tmp_path / "training/model-best").mkdir(parents=True)
    scores = iter([0.0, 0.5])

    def evaluate():
        try:
            return next(scores), {}
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(loop, "create_evaluation_callback", lambda *_: evaluate)
    with pytest.raises(KeyboardInterrupt):
        train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True)
    assert not list((tmp_path / "training/model-best").iterdir())
    assert spacy.load(tmp_path / "training/unfinished/model-best").pipe_names == ["transformer", "ner"]


def test_gpu_memory_gives_advice(make_config, toy_bert, tmp_path, monkeypatch):
    def run_out(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(loop, "train_while_improving", run_out)
    with pytest.raises(Ner11Error, match=re.escape("batches of 64 padded word pieces. Run again with --vars.batch_pieces 64")):
        train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True)


def test_plain_spacy_train_accepts_the_configuration(make_config, toy_bert, tmp_path):
    from spacy.cli.train import train as spacy_train

    path = make_config(toy_bert, "3")
    spacy_train(path, tmp_path / "plain", overrides={"training.logger": {"@loggers": "spacy.ConsoleLogger.v1"}})
    assert (tmp_path / "plain/model-last").is_dir()
    assert load_config(path)["training"]["max_epochs"] == 0
