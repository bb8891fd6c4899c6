from pathlib import Path

import pytest
import spacy
from spacy.tokens import Span

from ner11.errors import Ner11Error
from ner11.training.compose import (
    Wishes,
    check_schedule,
    choose_batch_pieces,
    choose_epochs,
    choose_learn_rate,
    compose,
)
from ner11.training.encoder import Encoder, resolve_encoder
from ner11.training.hardware import Device
from tests.corpus.conftest import write_shards

CONFIGS = Path(__file__).parents[2] / "configs"
CPU = Device(-1, "CPU", 0, "no GPU")
AUTO = Wishes(epochs="auto", batch_pieces="auto", seed=7)


def gpu(gibibytes):
    return Device(0, "GPU", int(gibibytes * 2**30), "chosen")


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A corpus of eight texts where the configuration expects it."""
    nlp = spacy.blank("en")
    docs = [nlp("ab went to cd") for _ in range(8)]
    for doc in docs:
        doc.ents = [Span(doc, 3, 4, "LOCATION")]
        doc.user_data.update(weight=1.0)
    for split in ("train", "dev"):
        write_shards(docs, tmp_path / "corpus" / "merged" / split)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def encoder(toy_bert, tmp_path):
    return resolve_encoder(str(toy_bert), reason="chosen", encoders=tmp_path)


def make(encoder, device=CPU, wishes=AUTO, head="transition", dev_words=32):
    return compose(CONFIGS, encoder=encoder, head=head, device=device, wishes=wishes, dev_words=dev_words)


def test_composes_a_complete_configuration(corpus, encoder):
    config, choices = make(encoder)
    training = config["training"]
    rate = training["optimizer"]["learn_rate"]
    assert config["system"]["seed"] == 7
    assert training["max_steps"] >= 3 * rate["warmup_steps"] > 0
    assert training["max_steps"] == rate["total_steps"]
    assert training["max_steps"] % training["eval_frequency"] == 0
    assert not config["components"]["transformer"]["model"]["mixed_precision"]
    assert all(choice.reason for choice in choices)


def test_mixed_precision_and_allocator_on_a_gpu_only(corpus, encoder):
    config, _ = make(encoder, gpu(8))
    assert config["components"]["transformer"]["model"]["mixed_precision"]
    assert config["system"]["gpu_allocator"] == "pytorch"


def test_a_small_gpu_accumulates_instead_of_shrinking_the_step(corpus, encoder):
    config, _ = make(encoder, gpu(8), Wishes(epochs="auto", batch_pieces="64", seed=0))
    assert config["system"]["gpu_id"] == 0
    assert config["training"]["accumulate_gradient"] == 4
    assert config["training"]["batcher"]["max_padded_pieces"] == 256


def test_a_large_gpu_leaves_a_small_corpus_enough_steps(corpus, encoder):
    config, choices = make(encoder, gpu(80))
    assert config["training"]["batcher"]["max_padded_pieces"] == 256
    assert any("more would fit" in choice.reason for choice in choices)


def test_sources_the_transformer_of_a_pipeline(corpus, toy_trf, tmp_path):
    config, _ = make(resolve_encoder(str(toy_trf), reason="chosen", encoders=tmp_path))
    listener = config["components"]["ner"]["model"]["tok2vec"]
    assert config["components"]["transformer"] == {"source": str(toy_trf)}
    assert listener["@architectures"] == "spacy-curated-transformers.LastTransformerLayerListener.v1"
    assert listener["width"] == 32


def test_samples_a_large_dev_split(corpus, encoder):
    config, choices = make(encoder, dev_words=1_000_000)
    assert 0 < config["corpora"]["dev"]["max_words"] < 1_000_000
    assert any("sample of 1000000" in choice.reason for choice in choices)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(epochs="some", batch_pieces="auto", seed=0), "epochs: 'some' is no positive number"),
        (Wishes(epochs="0", batch_pieces="auto", seed=0), "epochs: '0' is no positive number"),
        (Wishes(epochs="auto", batch_pieces="-1", seed=0), "batch_pieces: '-1' is no positive number"),
        (Wishes(epochs="1", batch_pieces="100000", seed=0), "fewer than three warm-ups"),
    ],
)
def test_refuses_what_cannot_work(corpus, encoder, wishes, message):
    with pytest.raises(Ner11Error, match=message):
        make(encoder, wishes=wishes)


def test_names_the_heads_there_are(corpus, encoder):
    with pytest.raises(Ner11Error, match=r"there is no 'crf'\. Choose from transition"):
        make(encoder, head="crf")


@pytest.mark.parametrize(("total", "warmup", "fine"), [(30, 10, True), (29, 10, False), (3, 0, True), (2, 0, False)])
def test_a_schedule_needs_three_warmups(total, warmup, fine):
    if fine:
        check_schedule(total, warmup)
    else:
        with pytest.raises(Ner11Error, match="fewer than three warm-ups"):
            check_schedule(total, warmup)


def test_more_memory_takes_larger_batches_and_larger_encoders_smaller_ones():
    small, base = Encoder("huggingface", "s", 384, 6, ""), Encoder("huggingface", "b", 768, 12, "")
    assert choose_batch_pieces(gpu(4), base)[0] < choose_batch_pieces(gpu(80), base)[0]
    assert choose_batch_pieces(gpu(8), base)[0] < choose_batch_pieces(gpu(8), small)[0]
    assert choose_learn_rate(base)[0] < choose_learn_rate(small)[0]


@pytest.mark.parametrize(("steps", "epochs"), [(1, 30), (40, 10), (10_000, 3)])
def test_few_steps_take_more_epochs(steps, epochs):
    assert choose_epochs(steps)[0] == epochs
