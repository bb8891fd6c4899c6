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
    choose_memory,
    compose,
)
from ner11.training.encoder import Encoder, resolve_encoder
from ner11.training.hardware import Device
from tests.corpus.conftest import write_shards

CONFIGS = Path(__file__).parents[2] / "configs"
CPU = Device(-1, "CPU", 0, "no GPU")
AUTO = Wishes(epochs="auto", batch_pieces="auto", seed=7)


def gpu(gibibytes):
    return Device(0, "GPU", int(gibibytes * 2**30), "chosen", "bf16", "a recent GPU")


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


def make(encoder, device=CPU, wishes=AUTO, head="softmax", dev_words=32, **more):
    return compose(CONFIGS, encoder=encoder, head=head, device=device, wishes=wishes, dev_words=dev_words, **more)


@pytest.mark.parametrize(("head", "factory"), [("softmax", "softmax_ner"), ("transition", "ner")])
def test_composes_a_complete_configuration(corpus, encoder, head, factory):
    config, choices = make(encoder, head=head)
    assert config["components"]["ner"]["factory"] == factory
    training = config["training"]
    rate = training["optimizer"]["learn_rate"]
    assert config["system"]["seed"] == 7
    assert training["max_steps"] >= 3 * rate["warmup_steps"] > 0
    assert training["max_steps"] == rate["total_steps"]
    assert training["max_steps"] % training["eval_frequency"] == 0
    assert config["components"]["transformer"]["model"]["precision"] == "fp32"
    assert all(choice.reason for choice in choices)


def test_the_logger_knows_the_schedule_and_the_groups(corpus, encoder):
    config, _ = make(encoder, groups={"LOCATION": "PHYSICAL"})
    logger, rate = config["training"]["logger"], config["training"]["optimizer"]["learn_rate"]
    assert (logger["warmup_steps"], logger["total_steps"]) == (rate["warmup_steps"], rate["total_steps"])
    assert logger["groups"] == {"LOCATION": "PHYSICAL"}


def test_says_how_fast_the_head_learns(corpus, encoder):
    config, choices = make(encoder)
    optimizer = config["training"]["optimizer"]
    (head,) = [choice for choice in choices if choice.setting == "head learning rate"]
    assert float(head.value) == pytest.approx(optimizer["learn_rate"]["initial_rate"] * optimizer["head_multiplier"])


def test_a_wished_rate_is_taken(corpus, encoder):
    config, choices = make(encoder, wishes=Wishes(epochs="auto", batch_pieces="auto", seed=0, learning_rate="2e-4"))
    assert config["training"]["optimizer"]["learn_rate"]["initial_rate"] == 2e-4
    assert ("learning rate", "0.0002", "chosen") in [(choice.setting, choice.value, choice.reason) for choice in choices]


@pytest.mark.parametrize("rate", ["fast", "0", "-1", "nan", "3"])
def test_a_rate_that_is_none_is_refused(encoder, rate):
    with pytest.raises(Ner11Error, match=f"learning_rate: '{rate}' is no learning rate"):
        choose_learn_rate(encoder, rate)


def test_precision_of_the_device_and_allocator_on_a_gpu(corpus, encoder):
    config, choices = make(encoder, gpu(8))
    assert config["components"]["transformer"]["model"]["precision"] == "bf16"
    assert ("precision", "bf16", "a recent GPU") in [(choice.setting, choice.value, choice.reason) for choice in choices]
    assert config["system"]["gpu_allocator"] == "pytorch"


def test_windows_keep_within_the_limit_of_the_encoder(corpus, encoder):
    config, _ = make(encoder)
    batcher = config["training"]["batcher"]
    assert (batcher["max_pieces"], batcher["overlap"]) == (62, 15)


def test_a_wished_precision(corpus, encoder):
    config, _ = make(encoder, gpu(8), Wishes(epochs="auto", batch_pieces="auto", seed=0, precision="fp32"))
    assert config["components"]["transformer"]["model"]["precision"] == "fp32"


def test_a_small_gpu_accumulates_instead_of_shrinking_the_step(corpus, encoder):
    config, _ = make(encoder, gpu(8), Wishes(epochs="auto", batch_pieces="64", seed=0))
    assert config["system"]["gpu_id"] == 0
    assert config["training"]["accumulate_gradient"] == 4
    assert config["training"]["batcher"]["max_padded_pieces"] == 256


def test_a_large_gpu_leaves_a_small_corpus_enough_steps(corpus, encoder):
    config, choices = make(encoder, gpu(80))
    assert config["training"]["batcher"]["max_padded_pieces"] == 256
    assert any("larger batches would leave fewer" in choice.reason for choice in choices)


def test_sources_the_transformer_of_a_pipeline(corpus, toy_trf, tmp_path):
    config, choices = make(resolve_encoder(str(toy_trf), reason="chosen", encoders=tmp_path))
    assert [choice.value for choice in choices if choice.setting == "precision"] == ["of the pipeline"]
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
        (Wishes(epochs="auto", batch_pieces="auto", seed=0, precision="half"), "precision: 'half' is no precision"),
    ],
)
def test_refuses_what_cannot_work(corpus, encoder, wishes, message):
    with pytest.raises(Ner11Error, match=message):
        make(encoder, wishes=wishes)


def test_names_the_heads_there_are(corpus, encoder):
    with pytest.raises(Ner11Error, match=r"there is no 'crf'\. Choose from softmax, transition"):
        make(encoder, head="crf")


@pytest.mark.parametrize(("total", "warmup", "fine"), [(30, 10, True), (29, 10, False), (3, 0, True), (2, 0, False)])
def test_a_schedule_needs_three_warmups(total, warmup, fine):
    if fine:
        check_schedule(total, warmup)
    else:
        with pytest.raises(Ner11Error, match="fewer than three warm-ups"):
            check_schedule(total, warmup)


SMALL, BASE = Encoder("huggingface", "s", 384, 6, ""), Encoder("huggingface", "b", 768, 12, "")


def pieces(device, encoder, gibibytes="auto"):
    return choose_batch_pieces(device, encoder, memory=choose_memory(device, gibibytes))[0]


def test_more_memory_takes_larger_batches_and_larger_encoders_smaller_ones():
    assert pieces(gpu(4), BASE) < pieces(gpu(80), BASE)
    assert pieces(gpu(8), BASE) < pieces(gpu(8), SMALL)
    assert choose_learn_rate(BASE)[0] < choose_learn_rate(SMALL)[0]


def test_a_budget_is_as_good_as_a_smaller_gpu():
    assert pieces(gpu(80), BASE, "8") == pieces(gpu(8), BASE) < pieces(gpu(80), BASE)


def test_a_budget_adds_no_memory():
    assert pieces(gpu(8), BASE, "80") == pieces(gpu(8), BASE)


@pytest.mark.parametrize("wish", ["0", "-8", "much", "nan", "inf"])
def test_a_budget_is_a_number(wish):
    with pytest.raises(Ner11Error, match=f"gpu_memory: '{wish}' is no positive number"):
        choose_memory(gpu(8), wish)


def test_an_encoder_that_does_not_fit_is_told_before_training():
    with pytest.raises(Ner11Error, match=r"gpu_memory: 2\.0 GiB are too little: b needs"):
        pieces(gpu(80), BASE, "2")


@pytest.mark.parametrize(("steps", "epochs"), [(1, 30), (40, 10), (10_000, 3)])
def test_few_steps_take_more_epochs(steps, epochs):
    assert choose_epochs(steps)[0] == epochs
