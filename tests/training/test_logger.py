import io
import json

import pytest
import spacy
from spacy.util import registry

from ner11.errors import CollapseError
from ner11.training.logger import make_training_logger
from ner11.training.watch import STOP_AFTER


class Terminal(io.StringIO):
    def isatty(self):
        return True


def info(step, predicted=5, score=0.5):
    scores = {"ents_p": 0.6, "ents_r": 0.4, "ents_predicted": predicted, "ents_gold": 10}
    return {
        "epoch": 0,
        "step": step,
        "score": score,
        "other_scores": scores,
        "losses": {"ner": 2.0, "transformer": 900.0},
        "words": 10 * step,
        "seconds": step,
    }


@pytest.fixture
def start(tmp_path):
    def make(stderr=None, **settings):
        defaults = {
            "output_file": str(tmp_path / "log.jsonl"),
            "progress_bar": True,
            "warmup_steps": 1,
            "total_steps": 20,
            "groups": {},
        }
        out = io.StringIO()
        log_step, finalize = make_training_logger(**defaults | settings)(spacy.blank("en"), out, stderr or io.StringIO())
        return log_step, finalize, out

    return make


def test_is_registered():
    assert registry.loggers.get("ner11.TrainingLogger.v1") is make_training_logger


def test_a_row_and_a_line_an_evaluation(start, tmp_path):
    log_step, finalize, out = start()
    for step in range(11):
        log_step(info(step) if step % 10 == 0 else None)
    finalize()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 10]
    header, _, _, last = out.getvalue().splitlines()
    assert header.split() == ["E", "#", "LOSS", "P", "R", "SCORE", "RATIO", "WORDS/S"]
    assert last.split()[:7] == ["0", "10", "0.20", "60.00", "40.00", "50.00", "0.50"]


def test_the_line_is_there_while_training_goes_on(start, tmp_path):
    log_step, _, _ = start()
    log_step(info(0))
    assert (tmp_path / "log.jsonl").read_text().endswith("\n")


def test_whoever_drives_the_training_gets_the_row(start):
    log_step, _, _ = start(output_file=None)
    step = info(3)
    log_step(step)
    assert step["row"]["step"] == 3


@pytest.mark.parametrize(
    ("stderr", "progress_bar", "shown"), [(Terminal(), True, True), (Terminal(), False, False), (io.StringIO(), True, False)]
)
def test_a_progress_bar_where_there_is_a_terminal(start, stderr, progress_bar, shown):
    log_step, finalize, _ = start(stderr, progress_bar=progress_bar)
    for step in range(11):
        log_step(info(step) if step % 10 == 0 else None)
    finalize()
    assert ("11/21" in stderr.getvalue() and "score 50.00" in stderr.getvalue()) is shown
    assert bool(stderr.getvalue()) is shown


def test_a_collapse_is_warned_of_and_then_ends_the_training(start, tmp_path):
    log_step, finalize, out = start()
    with pytest.raises(CollapseError):
        for step in range(20):
            log_step(info(step, predicted=0, score=0.0))
    finalize()
    assert out.getvalue().count("The model predicts nothing") == 1
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2 + STOP_AFTER
