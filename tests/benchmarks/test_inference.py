import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import inference

# isort: split
from peers import inference_measure
from peers.inference_ceiling import ceiling, operations
from peers.inference_measure import chunks, time_batches, time_singly
from peers.inference_systems import ENCODER, STOCK, TORCH, TRANSFORMERS, load, make_peers
from peers.inference_texts import TextSet, make_texts, read_set, write_sets

from ner11.corpus.shards import write_docs
from ner11.datasets import Dataset
from ner11.errors import Ner11Error

SOURCES = [["Turla", "hit", "Acme", "Corp", "."] * 10, ["nothing"] * 3]
TEXTS = TextSet(texts=["a b"] * 10, words=[2] * 10, pieces=[3] * 10)


def test_made_texts_have_the_length_and_the_variety_that_is_said() -> None:
    texts = [text.split() for text in islice(make_texts(SOURCES, (10, 15), seed=0), 300)]
    assert {len(words) for words in texts} == set(range(10, 16))
    known = {word for source in SOURCES for word in source}
    words = [word for text in texts for word in text]
    assert 0.08 < sum(word not in known for word in words) / len(words) < 0.12
    assert [" ".join(words) for words in texts] == list(islice(make_texts(SOURCES, (10, 15), seed=0), 300))


@pytest.mark.parametrize("words", [[], [5], [9_000], [30] * 1_000, [2_000] * 10])
def test_chunks_are_whole_batches_and_leave_no_text_out(words: list[int]) -> None:
    found = list(chunks(words, 8))
    assert [i for chunk in found for i in range(len(words))[chunk]] == list(range(len(words)))
    assert all((chunk.stop - chunk.start) % 8 == 0 for chunk in found[:-1])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until a system takes its second a text."""
    now = [0.0]
    monkeypatch.setattr(inference_measure, "perf_counter", lambda: now[0])
    return now


def test_the_time_is_kept_and_whole_batches_are_counted(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_measure, "CHUNK_WORDS", 4)

    def many(texts: list[str], batch: int) -> int:
        clock[0] += len(texts)
        return len(texts)

    assert time_batches(many, TEXTS, 2, 3.0) == {"texts": 4, "words": 8, "entities": 4, "seconds": 4.0}
    assert time_batches(many, TEXTS, 2, 99.0)["texts"] == 10


def test_latencies_are_those_of_single_texts(clock: list[float]) -> None:
    def one(text: str) -> int:
        clock[0] += 1
        return 2

    timed = time_singly(one, TEXTS, 2.5)
    assert timed == {"texts": 3, "words": 6, "entities": 6, "seconds": 3.0, "latencies": [1.0, 1.0, 1.0]}


def test_speeds_are_medians_and_percentiles_are_over_all_rounds() -> None:
    rounds = [{"texts": 2, "words": 10, "entities": 3, "seconds": s, "latencies": [s / 2] * 50} for s in (1.0, 2.0, 10.0)]
    row = inference.summarize(rounds)
    assert (row["words_per_second"], row["texts_per_second"], row["range"]) == (5.0, 1.0, [1.0, 10.0])
    assert (row["latencies"], row["p50_ms"], row["p99_ms"]) == (150, 1000.0, 5000.0)
    assert [inference.percentile([1, 2, 3, 4], share) for share in (0.25, 0.5, 0.51, 1.0)] == [1, 2, 3, 4]
    assert "p50_ms" not in inference.summarize([{"texts": 2, "words": 10, "entities": 3, "seconds": 1.0}])


def test_systems_take_turns_and_what_took_the_time_of_all_rounds_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []

    def alone(function, job):
        jobs.append(job)
        slow = job.system == "stock"
        cells = {cell: {"texts": 1, "words": 1, "entities": 1, "seconds": 9.0 if slow else 1.0} for cell in job.seconds}
        return {"precision": "fp32", "load_seconds": 1.0, "peak_mib": {"short": 5.0 + len(jobs)}, "cells": cells}

    monkeypatch.setattr(inference, "_alone", alone)
    found = list(inference.measure_all(Path("x"), ["torch", "stock"], {("short", 64): 3.0}, [1, 2], 3))
    assert [(job.system, job.threads) for job in jobs[:4]] == [("torch", 1), ("stock", 1), ("torch", 2), ("stock", 2)]
    assert [len(job.seconds) for job in jobs if job.system == "stock"] == [1, 1, 0, 0, 0, 0]
    assert [len(job.seconds) for job in jobs if job.system == "torch"] == [1] * 6
    collected = inference.collect(found)
    assert [row["rounds"] for row in collected["rows"]] == [3, 1, 3, 1]
    assert collected["processes"][0]["peak_mib"] == {"short": 14.0}


def test_operations_are_those_of_the_weights_and_of_the_window() -> None:
    encoder = {"weights": 1_000, "layers": 2, "width": 10, "longest": 50}
    assert operations(encoder, [20, 100]) == {"weights": 2 * 1_000 * 120, "attention": 4 * 2 * 10 * (20 * 20 + 100 * 50)}
    rates = {"fp32": 10.0, "bf16": 20.0, "int8": 40.0}
    seconds = {name: ceiling({"weights": 80.0, "attention": 20.0}, rates, name) for name in rates}
    assert seconds == {"fp32": 10.0, "bf16": 5.0, "int8": 4.0}


def test_the_ceiling_is_in_words_a_second(tmp_path: Path) -> None:
    (tmp_path / "short.json").write_text(json.dumps({"texts": ["a"], "words": [10], "pieces": [20]}))
    results = {
        "encoder": {"weights": 1_000, "layers": 0, "width": 0, "longest": 50},
        "sets": {"short": {"words": 10}},
        "processes": [{"system": "torch", "threads": 2, "precision": "bf16"}],
    }
    found = inference.find_ceilings(results, {2: {"fp32": 1e4, "bf16": 2e4, "int8": 4e4}}, tmp_path)
    assert found["2"]["words_per_second"] == {"torch": {"short": 5.0}}


def test_installed_sizes_are_those_of_the_two_kinds_of_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert inference.read_installed() == {}
    (tmp_path / "training").mkdir()
    names = {"en_ner11_cyber_failed_gates": 900, "en_ner11_cyber_onnx_failed_gates": 200}
    rows = [{"name": name, "installed_bytes": size} for name, size in names.items()]
    inference.INSTALLED.write_text(json.dumps({"packages": rows}))
    assert inference.read_installed() == {"torch": 900, "onnx": 200}
    inference.INSTALLED.write_text(json.dumps({"package": "en_ner11_cyber"}))
    with pytest.raises(Ner11Error, match="check-package' again"):
        inference.read_installed()


@pytest.mark.parametrize("arguments", [{"systems": "torch,spark"}, {"sets": "moon"}])
def test_unknown_names_are_told_with_those_that_are_known(arguments: dict[str, str]) -> None:
    with pytest.raises(Ner11Error, match="Choose from"):
        inference.main(**arguments)


def test_a_missing_pipeline_is_told_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Ner11Error, match="training/onnx/int8: no such pipeline"):
        inference.main(systems="onnx-int8")


def test_hidden_torch_stays_away_from_spacy() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from peers.inference_systems import hide_torch\n"
        "hide_torch()\n"
        "import spacy; spacy.blank('en')('a')\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('torch', 'transformers') and sys.modules[name]))"
    )
    done = subprocess.run([sys.executable, "-c", code, inference.__file__.rsplit("/", 1)[0]], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, toy_bert: Path) -> Path:
    """A folder with a trained pipeline, its corpus, and the peers made from both."""
    from tests.pipeline.test_softmax_ner import build, make_examples, train

    folder = tmp_path_factory.mktemp("inference")
    nlp = build(toy_bert)
    examples = make_examples(nlp)
    train(nlp, examples)
    nlp.to_disk(folder / "model")
    for split in ("train", "dev", "test"):
        write_docs([example.reference for example in examples], folder / "corpus" / split)
    figures = make_peers(folder / "made", model=folder / "model", train=folder / "corpus" / "train", seed=0)
    assert (figures["labels"], figures["layers"], figures["width"], figures["longest"]) == (2, 2, 32, 34)
    assert figures["weights"] == 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 5
    return folder


@pytest.mark.parametrize("system", [TORCH, STOCK, TRANSFORMERS])
def test_every_system_is_loaded_from_disk_and_finds_the_entities(project: Path, system: str) -> None:
    loaded = load(system, project / "model" if system == TORCH else project / "made" / system, 1)
    assert loaded.many(["zz went to qq qq", "", "zz"], 2) >= (0 if system == STOCK else 3)
    assert loaded.one("zz saw zz") >= (0 if system == STOCK else 2)
    assert loaded.precision == "fp32"


def test_the_sets_are_written_with_what_is_counted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    (project / "test.tsv").write_text("Emotet\tB-Malware\nhit\tO\n\nagain\tO\n\n", encoding="utf8")
    public = Dataset(
        name="cyner",
        path=Path(),
        url="-",
        license="MIT",
        format="columns",
        splits={"test": "test.tsv"},
        tier="expert",
        labels={},
    )
    counts, made = {"short": 4, "long": 1}, project / "made"
    sizes = write_sets(
        project / "sets", public=[public], corpus=project / "corpus", tokenizer=made / ENCODER, counts=counts, seed=0
    )
    assert sizes["cyner"] == {"texts": 2, "words": 3, "pieces": len("Emotethitagain")}
    assert (sizes["short"]["texts"], sizes["long"]["texts"]) == (4, 1) and sizes["long"]["words"] >= 1_800
    read = read_set(project / "sets", "cyner")
    assert sorted(read.texts) == ["Emotet hit", "again"] and sum(read.words) == 3
