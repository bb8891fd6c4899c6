import hashlib
import json
from types import SimpleNamespace

import pytest

from ner11.errors import Ner11Error
from ner11.evaluation.inputs import describe, load_pipeline, read_baseline, read_log
from ner11.evaluation.predictions import write_predictions
from ner11.training.encoder import Encoder


def released(packages, *versions):
    """Leave the predictions of releases, and the record of them."""
    record = {}
    for version in versions:
        path = packages / f"en_toy-{version}.predictions.jsonl"
        write_predictions(path, [], model={"name": "en_toy", "version": version})
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        record[version] = {"wheel": "0" * 64, "predictions": sha256, "date": "2026-01-01T00:00:00+00:00"}
    (packages / "releases.json").write_text(json.dumps({"en_toy": record}))


def read(packages, wanted="auto", version="1.1.0"):
    return read_baseline(wanted, packages=packages, name="en_toy", version=version)


def test_the_last_release_is_read(tmp_path):
    released(tmp_path, "0.9.0", "1.0.0", "2.0.0")
    found, compared = read(tmp_path)
    assert found.model["version"] == "1.0.0" and compared["status"] == "compared"


def test_why_there_is_nothing_to_compare_with(tmp_path):
    assert read(tmp_path) == (None, {"status": "first", "note": "no earlier release to compare with"})
    assert read(tmp_path, wanted="none")[1]["status"] == "off"
    released(tmp_path, "1.0.0")
    (tmp_path / "en_toy-1.0.0.predictions.jsonl").unlink()
    found, compared = read(tmp_path)
    assert found is None and compared["status"] == "missing" and "release 1.0.0" in compared["note"]


def test_a_named_file_must_be_there(tmp_path):
    with pytest.raises(Ner11Error, match=r"nowhere\.jsonl"):
        read(tmp_path, wanted=str(tmp_path / "nowhere.jsonl"))


@pytest.mark.parametrize(
    ("content", "steps"),
    [('{"step": 1, "score": 0.5}\n{"step": 2}\n[]\n', [1]), ("", []), (None, [])],
    ids=["rows without a score are no evaluations", "empty", "no log"],
)
def test_the_log_gives_its_evaluations(tmp_path, content, steps):
    if content is not None:
        (tmp_path / "log.jsonl").write_text(content)
    assert [row["step"] for row in read_log(tmp_path / "log.jsonl")] == steps


def test_a_damaged_log_is_one_line(tmp_path):
    (tmp_path / "log.jsonl").write_text("{broken\n")
    with pytest.raises(Ner11Error, match=r"log\.jsonl: damaged"):
        read_log(tmp_path / "log.jsonl")


def test_what_is_no_pipeline_is_one_line(tmp_path):
    (tmp_path / "config.cfg").write_text("[nlp]\nlang = 'en'\n")
    with pytest.raises(Ner11Error, match="cannot be loaded"):
        load_pipeline(tmp_path)


@pytest.mark.parametrize(("factory", "head"), [("softmax_ner", "softmax"), ("ner", "transition")])
def test_head_and_encoder_are_those_of_the_model(factory, head):
    parts = {"transformer": {"factory": "transformer", "model": {"name": "roberta-base"}}, "ner": {"factory": factory}}
    nlp = SimpleNamespace(config={"components": parts})
    encoder = Encoder("huggingface", "roberta-base", width=768, layers=12, reason="")
    assert describe(nlp, encoder) == {"encoder": "roberta-base", "head": head}
    parts["transformer"]["model"]["name"] = "assets/encoders/minilm"
    with pytest.raises(Ner11Error, match="has the encoder assets/encoders/minilm, but roberta-base is chosen now"):
        describe(nlp, encoder)
