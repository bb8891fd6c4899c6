import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from ner11.corpus import convert as module
from ner11.corpus.convert import assign_split, convert
from ner11.corpus.index import index_path
from ner11.corpus.merge import merge
from ner11.corpus.shards import list_shards, read_docs
from ner11.errors import Ner11Error
from ner11.gazetteer.entities import Entity
from ner11.ledger import Ledger, by_outcome
from ner11.readers import readers
from ner11.readers.columns import read_columns
from tests.corpus.conftest import SCHEMA, make_dataset
from tests.readers.fuzz import FUZZ

NLP = spacy.blank("en")
TRAIN = "Emotet\tB-MAL\nhit\tO\nKyiv\tB-LOC\n\nwe\tO\nleft\tB-ACT\n\na\tO\nb\tO\nc\tO\nd\tB-MAL\n"
TEST = "a\tO\nb\tO\nc\tO\nd\tB-MAL\n"
LABELS = {"MAL": "MALWARE", "LOC": "PLACE", "ACT": "drop"}


@pytest.fixture
def run(tmp_path):
    def run(train=TRAIN, test=TEST, *, seed=0, strict=False, out="out", **more):
        (tmp_path / "in").mkdir(exist_ok=True)
        for name, content in {"train.txt": train, "test.txt": test}.items():
            (tmp_path / "in" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        dataset = make_dataset(**{"tier": "silver", "weight": 0.5, "labels": LABELS, "max_tokens": 3, **more})
        counts, ledger = convert([dataset], schema=SCHEMA, root=tmp_path, out=tmp_path / out, seed=seed, strict=strict)
        ledger.check()
        folder = tmp_path / out / "toy"
        docs = {split: list(read_docs(folder / split, NLP.vocab)) for split in counts["toy"]}
        assert counts["toy"] == {split: len(found) for split, found in docs.items()}
        return docs, ledger

    return run


def test_a_data_set_becomes_documents_of_the_schema(run):
    docs, _ = run()
    first, second = docs["train"]
    assert (first.text, [(ent.text, ent.label_) for ent in first.ents]) == (
        "Emotet hit Kyiv",
        [("Emotet", "MALWARE"), ("Kyiv", "PLACE")],
    )
    assert [token.ent_iob_ for token in second] == ["O", ""]
    assert {**first.user_data, "coverage": list(first.user_data["coverage"])} == {
        "source": "toy",
        "tier": "silver",
        "weight": 0.5,
        "group": "train:1",
        "coverage": ["MALWARE", "PLACE"],
    }
    assert [made.text for made in docs["test"]] == ["a b c d"]


def test_every_span_is_in_the_ledger(run):
    rows = run()[1].to_rows()
    assert by_outcome(rows["spans"]) == [
        ("toy", "kept", "", 3),
        ("toy", "unknown", "mapped to drop", 1),
        ("toy", "dropped", "over 3 tokens without a sentence end", 1),
    ]
    assert Counter({row["outcome"]: row["count"] for row in rows["texts"] if row["split"] == "train"}) == {
        "kept": 2,
        "dropped": 1,
    }


def test_options_reach_the_reader_those_of_a_split_before_those_of_the_set(run):
    splits = {"train": "train.txt", "test": {"files": "test.txt", "options": {"tag_columns": [2]}}}
    options = {"separator": " ", "tag_columns": [1]}
    docs, _ = run(train="a B-MAL O\n", test="a O B-MAL\n", options=options, splits=splits)
    assert [[ent.text for ent in docs[split][0].ents] for split in ("train", "test")] == [["a"], ["a"]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "conll"}, f"data set toy: unknown format 'conll'. Choose from {', '.join(sorted(readers.get_all()))}."),
        (
            {"options": {"seperator": " "}},
            "data set toy: options: seperator: Unexpected keyword argument. Correct it.",
        ),
        ({"options": {"tag_columns": 1}}, "data set toy: options: tag_columns: Input should be a valid list"),
        ({"options": {"separator": ""}}, "data set toy: options: separator: String should have at least 1 character"),
        ({"labels": {"MAL": "MALWRE"}}, "data set toy: labels: unknown label 'MALWRE'. Did you mean MALWARE."),
    ],
    ids=["format", "option", "type of an option", "empty option", "node"],
)
def test_a_mistake_in_the_settings_names_the_data_set(run, settings, message):
    with pytest.raises(Ner11Error) as error:
        run(**settings)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("train", ["", "a\tO\nb\tO\nc\tO\nd\tO\n"], ids=["empty file", "all texts too long"])
def test_a_split_without_texts_is_an_error(run, train):
    with pytest.raises(Ner11Error, match="data set toy: the train split has no texts"):
        run(train=train)


def test_labels_that_the_map_does_not_have_are_counted_over_the_whole_data_set(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD_SIZE", 1)
    with pytest.raises(Ner11Error) as error:
        run(train="a\tB-X\n\nb\tB-Y\n\nc\tB-X\n\nd\tB-MAL\n", test="a\tB-X\n")
    assert str(error.value).startswith(
        f"data set toy: labels without a place in the schema: X (3 spans, first in {tmp_path}/in/train.txt:1), "
        f"Y (1 spans, first in {tmp_path}/in/train.txt:3). "
    )


DAMAGED = b"a\tB-MAL\n\nb\xe9\tB-MAL\nc\tB-LOC\n\nd\n\ne\tX\n"


def test_damaged_records_are_left_out_and_accounted_for(run, tmp_path):
    docs, ledger = run(train=DAMAGED)
    assert [made.text for made in docs["train"]] == ["a", "d", "e"]
    path = f"{tmp_path}/in/train.txt"
    rows = ledger.to_rows()
    (text,) = (row for row in rows["texts"] if row["outcome"] == "dropped")
    assert (text["reason"], text["count"], text["examples"]) == ("line 3: byte 0xe9 is not UTF-8", 1, [f"{path}:3: b\ufffd c"])
    lost = {row["label"]: row["count"] for row in rows["spans"] if row["outcome"] == "dropped"}
    assert lost == {"?": 1, "LOC": 1}
    problems = {row["problem"]: row["examples"] for row in rows["problems"]}
    assert problems == {"a damaged tag": [f"{path}:8"], "a token without a tag": [f"{path}:3", f"{path}:6"]}


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (DAMAGED, "3: line 3: byte 0xe9 is not UTF-8"),
        ("a\tO\n\nb\n", "3: a token without a tag"),
        ("a\tO\n\nb\tB\n", "3: a damaged tag"),
    ],
    ids=["damage", "problem", "tag"],
)
def test_strict_stops_at_the_first_damaged_record(run, tmp_path, train, message):
    with pytest.raises(Ner11Error) as error:
        run(train=train, strict=True)
    assert str(error.value) == f"{tmp_path}/in/train.txt:{message}. Correct it, or leave --strict out."


def test_strict_says_nothing_of_what_is_left_out_by_rule(run):
    docs, ledger = run(train="x\tB-MAL\n\na\tO\n", skip="x", strict=True)
    assert [made.text for made in docs["train"]] == ["a"]
    assert ledger.texts["toy", "train", "dropped", "left out by the rule 'skip'"] == 1


def test_shards_are_full_and_each_has_its_index(run, tmp_path, monkeypatch):
    train = "".join(f"t{i}\tB-MAL\n\n" for i in range(7))
    whole, one_ledger = run(train=train, out="one")
    monkeypatch.setattr(module, "SHARD_SIZE", 3)
    parts, ledger = run(train=train, out="many")
    shards = list_shards(tmp_path / "many" / "toy" / "train")
    assert [path.name for path in shards] == ["0000.spacy", "0001.spacy", "0002.spacy"]
    assert all(index_path(path).is_file() for path in shards)
    assert [made.text for made in parts["train"]] == [made.text for made in whole["train"]] == [f"t{i}" for i in range(7)]
    assert ledger.to_rows() == one_ledger.to_rows()


def test_texts_without_number_make_more_shards(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD_CHARACTERS", 10)
    docs, _ = run(train="".join(f"{'x' * 6}{i}\tO\n\n" for i in range(5)))
    assert len(list_shards(tmp_path / "out" / "toy" / "train")) == 3 and len(docs["train"]) == 5


GROUPS = "".join(f"-D-\tO\n\na{i}\tO\n\nb{i}\tB-MAL\n\n" for i in range(40))
HOLD_OUT = {"splits": {"train": "train.txt"}, "hold_out": {"dev": 0.2, "test": 0.3}, "options": {"document_mark": "-D-"}}


def test_held_out_documents_are_whole_and_the_same_for_a_seed(run):
    def sides(**more):
        docs, ledger = run(train=GROUPS, **HOLD_OUT, **more)
        assert sum(ledger.read.values()) == 40 and {key[1] for key in ledger.read} == {"train", "dev", "test"}
        return {split: [made.text for made in found] for split, found in docs.items()}

    one = sides(out="one")
    assert sorted(text for texts in one.values() for text in texts) == sorted(f"{c}{i}" for c in "ab" for i in range(40))
    for texts in one.values():
        assert {text[1:] for text in texts if text[0] == "a"} == {text[1:] for text in texts if text[0] == "b"}
    assert sides(out="two") == one
    assert sides(out="three", seed=1) != one


def test_hold_out_takes_its_fractions_whatever_else_is_there():
    dataset = make_dataset(**HOLD_OUT)
    counts = Counter(assign_split(dataset, f"doc {i}", 0) for i in range(5000))
    assert [counts[split] / 5000 for split in ("dev", "test", "train")] == pytest.approx([0.2, 0.3, 0.5], abs=0.03)


def test_a_few_texts_may_leave_nothing_to_hold_out(run):
    docs, _ = run(train="c\tO\n\nd\tO\n\ne\tO\n", hold_out={"dev": 0.01})
    assert docs["train"] and not docs["dev"]


def test_official_splits_stay_as_they_are(run):
    docs, _ = run(train=GROUPS, test="c\tO\n", hold_out={"dev": 0.3}, options={"document_mark": "-D-"})
    assert [made.text for made in docs["test"]] == ["c"] and docs["dev"]


def test_file_names_that_are_no_utf_8_are_written_as_escapes(run, tmp_path):
    (tmp_path / "in").mkdir()
    with open(os.fsencode(tmp_path / "in") + b"/\xe9.tsv", "wb") as file:  # noqa: PTH123  (a name that is no text)
        file.write(b"a\tX\n")
    docs, ledger = run(splits={"train": ["train.txt", "*.tsv"], "test": "test.txt"})
    assert "\\udce9:1" in {made.user_data["group"] for made in docs["train"]}
    assert any("\\udce9.tsv:1" in place for places in ledger.examples.values() for place in places)


def crash(*_args):
    raise RuntimeError("boom")


def test_a_defect_in_a_worker_names_the_record(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "tag_text", lambda text, **_: crash() if text.text == "we left" else [])
    with pytest.raises(Ner11Error) as error:
        run()
    assert str(error.value) == (
        f"{tmp_path}/in/train.txt:5: ner11 failed on this record (RuntimeError: boom). "
        "Take it out, and report this as a defect of ner11."
    )


def test_a_defect_in_a_reader_names_the_file(run, tmp_path, monkeypatch):
    def reader(path):
        yield from read_columns(path)
        crash()

    monkeypatch.setattr(module.readers, "get", lambda name: reader)
    with pytest.raises(Ner11Error, match=r"the reader 'columns' failed \(RuntimeError: boom\)") as error:
        run()
    assert error.value.where == tmp_path / "in" / "train.txt"


@pytest.mark.parametrize("texts", [1, 50])
def test_a_worker_that_dies_is_told_with_the_place(run, tmp_path, monkeypatch, texts):
    monkeypatch.setattr(module, "SHARD_SIZE", 1)
    monkeypatch.setattr(module, "tag_text", lambda text, **_: os._exit(9))
    with pytest.raises(Ner11Error, match="a worker process died between here and") as error:
        run(train="a\tO\n\n" * texts)
    assert str(error.value.where) == f"{tmp_path}/in/train.txt:1"


WORDS = st.sampled_from(["Ann", "Oslo", "U.S", ".", ",", "(x)", "e-mail", "é", "\xa0", "2.5kg", ""])
TAGS = st.sampled_from(["O", "O", "B-MAL", "I-MAL", "B-LOC", "I-LOC", "B-ACT", "B-BOTH", "I-BOTH", "B-RES", "B", ""])
SENTENCE = st.lists(st.tuples(WORDS, TAGS, TAGS), min_size=1, max_size=7)
ALL_LABELS = {**LABELS, "BOTH": ["MALWARE", "PLACE"], "RES": "CAMPAIGN"}
SETTINGS = {"labels": ALL_LABELS, "format": "columns", "options": {"tag_columns": [1, 2]}}


def content(sentences):
    return "\n\n".join("\n".join("\t".join(row) for row in sentence) for sentence in sentences) + "\n"


@settings(FUZZ, max_examples=20)
@given(
    st.lists(SENTENCE, min_size=1, max_size=12),
    st.lists(SENTENCE, max_size=6),
    st.sampled_from(["split", "drop"]),
    st.binary(max_size=3),
)
def test_read_is_what_became_of_it_through_convert_and_merge(tmp_path_factory, first, second, long_texts, junk):
    """End to end: by source, split and label, what the reader gave is the sum of all outcomes."""
    root = tmp_path_factory.mktemp("root")
    always = "fine\tO\tO\nAnn\tB-MAL\tO\n\n"
    read = Counter()
    ledger = Ledger()
    sets = {"one": (first, "gold"), "two": ([*second, *first[:2]], "expert")}
    for name, (sentences, tier) in sets.items():
        files = {split: f"{split}.txt" for split in ("train", "dev", "test")}
        dataset = make_dataset(name, path=name, tier=tier, max_tokens=5, long_texts=long_texts, splits=files, **SETTINGS)
        converter = module.BatchConverter(SCHEMA, root / "out")
        (root / name).mkdir()
        for i, split in enumerate(("train", "dev", "test")):
            text = f"{split}\tO\tO\n\n{always}{content(sentences[i::2])}".encode() + (b"\n" + junk if split == "dev" else b"")
            (root / name / f"{split}.txt").write_bytes(text)
            for one in read_columns(root / name / f"{split}.txt", tag_columns=[1, 2]):
                read.update((name, split, span.origin) for span in one.spans)
        for batch in module.batches(dataset, root=root, seed=0):
            ledger.update(converter(batch).ledger)
    ledger.check()
    assert +ledger.read == read
    before = ledger.spans.copy()
    result = merge([root / "out" / name for name in sets], root / "merged", seed=0, ledger=ledger)
    ledger.check()
    assert +ledger.read == read
    assert sum(ledger.spans.values()) == sum(before.values()) == sum(read.values())
    texts = Counter()
    for (source, split, outcome, _), count in ledger.texts.items():
        if outcome == "kept":
            texts[split, source] += count
    assert texts == result.texts
    lost = Counter()
    for (split, source, outcome, reason), count in result.removed.items():
        lost[source, split, outcome, reason] += count
    assert all(ledger.texts[key] == count for key, count in lost.items())


@pytest.mark.parametrize(
    ("content", "labels", "message"),
    [
        ("a\tO\n", LABELS, "not one usable span in 2 texts."),
        ("a\tB-ACT\n", LABELS, "not one usable span in 2 texts (2 x mapped to drop)."),
    ],
    ids=["nothing annotated", "nothing left"],
)
def test_a_set_without_a_usable_span_is_a_mistake(run, content, labels, message):
    with pytest.raises(Ner11Error) as error:
        run(content, content, labels=labels)
    assert message in str(error.value) and error.value.fix


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the train split has no texts: its files are empty."),
        (b"a\tB-MAL\xff\n", "the train split has no texts: 1 x line 1: byte 0xff is not UTF-8, first in"),
    ],
    ids=["empty", "damaged"],
)
def test_a_split_without_texts_says_why(run, content, message):
    with pytest.raises(Ner11Error) as error:
        run(content)
    assert message in str(error.value)


def test_strict_stops_at_an_offset_outside_of_the_text(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"text": "Ann", "spans": [{"start": 0, "end": 99, "label": "MAL"}, {"start": 0, "end": 3, "label": "MAL"}]}'
    )
    dataset = make_dataset(path=tmp_path, format="jsonl", splits={"train": "a.jsonl"}, labels=LABELS)
    settings = {"schema": SCHEMA, "root": tmp_path, "seed": 0}
    assert convert([dataset], out=tmp_path / "out", **settings)[0] == {"toy": {"train": 1}}
    with pytest.raises(Ner11Error, match=r"a\.jsonl:1: MAL: offsets outside the text"):
        convert([dataset], out=tmp_path / "strict", strict=True, **settings)


def test_what_a_rule_leaves_out_does_not_stop_strict(run):
    docs, _ = run("skip\tO\nme\tO\n\nAnn\tB-MAL\n", skip="skip", strict=True, max_tokens=9)
    assert [made.text for made in docs["train"]] == ["Ann"]


def test_silver_holds_what_the_set_does_not_cover_and_pieces_with_a_name_only(tmp_path):
    (tmp_path / "in").mkdir()
    sentence = "We met in Oslo today .".replace(" ", "\tO\n") + "\tO\n"
    (tmp_path / "in" / "a.tsv").write_text("Emotet\tB-MAL\ncame\tO\n.\tO\n" * 3 + sentence)
    dataset = make_dataset(splits={"train": "a.tsv"}, labels={"MAL": "MALWARE"}, max_tokens=6)
    source = module.SilverSource("silver", 0.5, [Entity("Oslo", "PLACE", False, ()), Entity("Emotet", "MALWARE", False, ())])
    _, ledger = convert([dataset], schema=SCHEMA, root=tmp_path, out=tmp_path / "out", seed=0, silver=source)
    ledger.check()
    (made,) = read_docs(tmp_path / "out" / "silver" / "train", NLP.vocab)
    assert [(ent.text, ent.label_) for ent in made.ents] == [("Oslo", "PLACE")]
    assert {token.ent_iob for token in made if token.text != "Oslo"} == {0}, "nothing else is said"
    assert (made.user_data["weight"], made.user_data["tier"], made.user_data["coverage"]) == (0.5, "silver", ())


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    """Killed, it cannot end them itself."""
    code = """
import os, signal, time
from concurrent.futures import ProcessPoolExecutor
from ner11.corpus.workers import start_worker
pool = ProcessPoolExecutor(1, initializer=start_worker)
print(pool.submit(os.getpid).result(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    worker = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{worker}/stat").is_file() and ") Z " in Path(f"/proc/{worker}/stat").read_text():
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    raise AssertionError("the worker outlived its parent")
