import json
import re
import time
from types import SimpleNamespace

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Span
from spacy.training.loop import create_evaluation_callback
from spacy.util import load_config

from ner11.errors import CollapseError, Ner11Error
from ner11.training import loop
from ner11.training.compose import Wishes, compose
from ner11.training.encoder import resolve_encoder
from ner11.training.hardware import Device
from ner11.training.loop import is_out_of_patience, train
from tests.corpus.conftest import write_shards
from tests.training.test_compose import CONFIGS

CPU = Device(-1, "CPU", 0, "no GPU")


def read_log(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


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

    def make(encoder, epochs="20", head="softmax"):
        config, _ = compose(
            CONFIGS,
            encoder=resolve_encoder(str(encoder), reason="chosen", encoders=tmp_path),
            head=head,
            device=CPU,
            wishes=Wishes(epochs=epochs, batch_pieces="64", seed=0),
            dev_words=len(docs) * 4,
            groups={"LOCATION": "PHYSICAL"},
        )
        config["training"]["optimizer"]["learn_rate"]["initial_rate"] = 0.003
        config.to_disk(tmp_path / "config.cfg")
        return tmp_path / "config.cfg"

    return make


@pytest.mark.parametrize("head", ["softmax", "transition"])
@pytest.mark.parametrize("kind", ["toy_bert", "toy_trf"])
def test_learns_saves_and_loads(make_config, tmp_path, kind, head, request):
    path = make_config(request.getfixturevalue(kind), head=head)
    result = train(path, tmp_path / "training", device=CPU, quiet=True)
    assert result.best_score == 1.0
    nlp = spacy.load(tmp_path / "training/model-best")
    assert [(ent.text, ent.label_) for ent in nlp("zz went to qq").ents] == [("qq", "LOCATION")]
    assert nlp.meta["performance"]["ents_f"] == 1.0
    assert max(row["score"] for row in read_log(tmp_path / "training/log.jsonl")) == 1.0


def test_every_evaluation_is_logged_with_what_the_loop_knows(make_config, toy_bert, tmp_path):
    rows = []
    train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True, on_row=rows.append)
    assert [row["step"] for row in rows] == [row["step"] for row in read_log(tmp_path / "training/log.jsonl")]
    assert set(rows[-1]["group_losses"]) == {"O", "PHYSICAL"}
    assert rows[-1]["ratio"] == 1.0
    assert all(row["gradient_norm"] > 0 and row["words_per_second"] > 0 for row in rows)
    assert rows[-1]["learning_rate"] < max(row["learning_rate"] for row in rows)


def test_training_speed_leaves_evaluations_out(make_config, toy_bert, tmp_path, monkeypatch):
    def create(*given):
        evaluate = create_evaluation_callback(*given)

        def slow():
            time.sleep(2)
            return evaluate()

        return slow

    monkeypatch.setattr(loop, "create_evaluation_callback", create)
    monkeypatch.setattr("ner11.training.compose.EVALUATIONS", 1)
    rows = []
    train(make_config(toy_bert, "5"), tmp_path / "training", device=CPU, quiet=True, on_row=rows.append)
    words = 5 * 36
    assert rows[1]["words_per_second"] > words / 2  # with its evaluation, the second row takes more than two seconds


class Calibrated:
    """A component that keeps what it was calibrated on."""

    def __init__(self):
        self.seen = []

    def __call__(self, doc):
        raise AssertionError("components from this one on do not run before it is calibrated")

    def fit_temperature(self, examples):
        self.seen = [(eg.text, [ent.text for ent in eg.reference.ents], len(eg.predicted.ents)) for eg in examples]

    def to_disk(self, path, exclude=()):
        path.write_text(json.dumps(self.seen))

    def from_disk(self, path, exclude=()):
        self.seen = json.loads(path.read_text())


def test_the_best_model_is_calibrated_on_dev(make_config, toy_bert, tmp_path):
    train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True)
    Language.factory("calibrated", func=lambda nlp, name: Calibrated())
    path = tmp_path / "training/model-best"
    nlp = spacy.load(path)
    nlp.add_pipe("calibrated")
    nlp.to_disk(path)
    loop._fit_temperatures(path, ["calibrated"])
    seen = spacy.load(path).get_pipe("calibrated").seen
    assert len(seen) == 12
    assert ["zz went to qq", ["qq"], 1] in seen  # the component before it has run


def test_the_temperature_is_kept(make_config, toy_bert, tmp_path):
    train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True)
    nlp = spacy.load(tmp_path / "training/model-best")
    assert nlp.get_pipe("ner").temperature != 1.0


def test_energy_is_measured_while_it_trains_and_kept(make_config, toy_bert, tmp_path, monkeypatch):
    joules = iter(range(1000, 2000))
    monkeypatch.setattr(loop, "EnergyMeter", lambda device: SimpleNamespace(read=lambda: float(next(joules))))
    result = train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True)
    evaluations = len(read_log(tmp_path / "training/log.jsonl"))
    assert result.joules == 1000 + evaluations  # read at every evaluation, and once more at the end
    assert json.loads((tmp_path / "training/train.json").read_text())["joules"] == result.joules


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


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_last_good_model(make_config, toy_bert, tmp_path, monkeypatch):
    (tmp_path / "training/model-best").mkdir(parents=True)
    (tmp_path / "training/model-best/meta.json").write_text("the last good model")
    follow = loop.train_while_improving

    def spoil(*given, **settings):
        for batch, info, is_best in follow(*given, **settings):
            if info["step"] == 7:
                info["losses"]["ner"] = float("nan")
            yield batch, info, is_best

    monkeypatch.setattr(loop, "train_while_improving", spoil)
    with pytest.raises(Ner11Error, match=r"train, step 7: the loss of 'ner' is nan; .*initial_rate.*--vars\.precision fp32"):
        train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True)
    assert (tmp_path / "training/model-best/meta.json").read_text() == "the last good model"


def test_a_training_that_collapses_stops(make_config, toy_bert, tmp_path, monkeypatch):
    scores = {"ents_f": 0.0, "ents_predicted": 0, "ents_gold": 9}
    monkeypatch.setattr(loop, "create_evaluation_callback", lambda *_: lambda: (0.0, scores))
    with pytest.raises(CollapseError, match="predicted nothing in 5 evaluations after warm-up"):
        train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True)
    assert len(read_log(tmp_path / "training/unfinished/log.jsonl")) < 15


@pytest.mark.parametrize("head", ["softmax", "transition"])
@pytest.mark.parametrize(("split", "message"), [("train", "no entit"), ("dev", "corpus: no entities on dev")])
def test_a_corpus_without_entities(make_config, toy_bert, tmp_path, split, message, head):
    path = make_config(toy_bert, head=head)
    doc = spacy.blank("en")("nothing here")
    doc.set_ents([])
    write_shards([doc] * 8, tmp_path / "corpus/merged" / split)
    with pytest.raises(Ner11Error, match=message):
        train(path, tmp_path / "training", device=CPU, quiet=True)


def test_what_the_component_complains_about_is_one_line(make_config, toy_bert, tmp_path, monkeypatch):
    def complain(*_, **__):
        raise ValueError("softmax_ner: the label X is not known; train anew.")

    path = make_config(toy_bert)
    monkeypatch.setattr("ner11.pipeline.softmax_ner.SoftmaxNER.update", complain)
    with pytest.raises(Ner11Error) as error:
        train(path, tmp_path / "training", device=CPU, quiet=True)
    assert str(error.value) == "train, step 0: the label X is not known; train anew."


@pytest.mark.parametrize(
    ("head", "message"), [("softmax", "width 32, the head expects 64"), ("transition", "does not fit the enc")]
)
def test_a_listener_whose_width_does_not_fit_is_one_line(make_config, toy_trf, tmp_path, head, message):
    path = make_config(toy_trf, head=head)
    config = load_config(path, interpolate=False)
    config["components"]["ner"]["model"]["tok2vec"]["width"] = 64
    config.to_disk(path)
    with pytest.raises(Ner11Error, match=message):
        train(path, tmp_path / "training", device=CPU, quiet=True)


def test_a_defect_keeps_its_traceback(make_config, toy_bert, tmp_path, monkeypatch):
    def break_down(*_, **__):
        raise ValueError("shapes do not fit")

    monkeypatch.setattr(loop, "train_while_improving", break_down)
    with pytest.raises(ValueError, match="shapes do not fit"):
        train(make_config(toy_bert), tmp_path / "training", device=CPU, quiet=True)


def test_plain_spacy_train_accepts_the_configuration(make_config, toy_bert, tmp_path):
    from spacy.cli.train import train as spacy_train

    path = make_config(toy_bert, "3")
    spacy_train(path, tmp_path / "plain")
    assert (tmp_path / "plain/model-last").is_dir()
    assert load_config(path)["training"]["max_epochs"] == 0
