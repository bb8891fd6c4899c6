import pytest

from ner11.errors import CollapseError, Ner11Error
from ner11.training.loop import TrainResult

DONE = TrainResult(best_score=0.5, best_step=20, steps=30, words=900, seconds=3, stopped_early=False)


@pytest.fixture
def sent(project, monkeypatch):
    """What `train` sends; there is a configuration, and nothing is trained."""
    (project / "training").mkdir()
    (project / "training/config.cfg").write_text("[system]\ngpu_id = -1\n")
    messages = []
    monkeypatch.setattr("train.notify", lambda title, body: messages.append((title, body)))
    return messages


def end_with(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("train.train", fail)


def test_success_is_told(run, sent, monkeypatch):
    monkeypatch.setattr("train.train", lambda *_, **__: DONE)
    assert run("train").exit_code == 0
    ((title, body),) = sent
    assert title == "ner11: training done" and "Best dev F1 50.00 at step 20 of 30" in body


@pytest.mark.parametrize(("error", "code"), [(Ner11Error("no luck"), 1), (CollapseError("it predicts nothing"), 3)])
def test_failure_is_told_and_has_its_exit_code(run, sent, monkeypatch, error, code):
    end_with(monkeypatch, error)
    assert run("train").exit_code == code
    assert sent == [("ner11: training failed", str(error))]


def test_who_interrupts_knows(run, sent, monkeypatch):
    end_with(monkeypatch, KeyboardInterrupt())
    assert run("train").exit_code == 130
    assert sent == []


def test_a_message_that_fails_is_a_warning(run, sent, monkeypatch):
    monkeypatch.setattr("train.train", lambda *_, **__: DONE)
    monkeypatch.setattr("train.notify", lambda *_: "could not be delivered")
    done = run("train")
    assert done.exit_code == 0 and "could not be delivered" in done.stdout


def test_an_unknown_tracker_is_one_line(run, sent):
    done = run("train", "--track", "wandb")
    assert done.exit_code == 1 and "track: 'wandb' is unknown" in done.stderr
