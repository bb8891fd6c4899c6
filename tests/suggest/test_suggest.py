"""A suggested entry, pasted into datasets.yml, loads, converts, and has a line for every label."""

import json
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin, Span

from ner11.corpus.convert import BatchConverter, batches
from ner11.datasets import load_datasets
from ner11.errors import Ner11Error
from ner11.gazetteer.entities import Entity
from ner11.schema import load_schema
from ner11.suggest.columns import guess_columns
from ner11.suggest.entry import label_line, scalar
from ner11.suggest.evidence import compare_name
from ner11.suggest.files import split_of
from ner11.suggest.suggest import suggest

SCHEMA = load_schema(Path("configs/domains/cyber/schema.yml"))
ACTORS = ["Gnawer", "Violet Heron", "TA9999", "Mudlark"]
MALWARE = ["Zorbit", "Kraxo", "Plimsoll RAT", "Vexo"]
PLACES = ["Vantaa", "Oruro", "Lower Saxony", "Gdynia"]


def sentences(count=80):
    """Tokens with (first, one past the last, label)."""
    made = []
    for i in range(count):
        actor, malware, place = ACTORS[i % 4].split(), MALWARE[i // 2 % 4].split(), PLACES[i // 3 % 4].split()
        tokens, spans = [], []
        parts = (actor, "Actor"), (["used"], ""), (malware, "Mal"), (["number", str(i), "in"], ""), (place, "LOC"), (["."], "")
        for part, label in parts:
            if label:
                spans.append((len(tokens), len(tokens) + len(part), label))
            tokens += part
        made.append((tokens, spans))
    return made


def tags(tokens, spans, scheme="BIO"):
    made = ["O"] * len(tokens)
    for first, last, label in spans:
        for i in range(first, last):
            prefix = "B" if i == first else "I"
            if scheme == "BIOES":
                prefix = "S" if last - first == 1 else "B" if i == first else "E" if i == last - 1 else "I"
            made[i] = label if scheme == "bare" else f"{prefix}-{label}"
    return made


def offsets(tokens, spans):
    text = " ".join(tokens)
    starts = [len(" ".join(tokens[:i])) + bool(i) for i in range(len(tokens))]
    return text, [(starts[a], starts[b - 1] + len(tokens[b - 1]), label) for a, b, label in spans]


def conll(separator="\t", scheme="BIO", row="{token}{s}{tag}", head="", count=80):
    lines = []
    for tokens, spans in sentences(count):
        lines += [row.format(token=t, s=separator, tag=tag) for t, tag in zip(tokens, tags(tokens, spans, scheme), strict=True)]
        lines.append("")
    return head + "\n".join(lines) + "\n"


def records(make):
    return [make(tokens, spans, *offsets(tokens, spans)) for tokens, spans in sentences()]


def as_json(make):
    return json.dumps(records(make), indent=1)


def as_jsonl(make):
    return "".join(json.dumps(record) + "\n" for record in records(make))


def csv_tokens():
    rows = ["Sentence #,Word,POS,Tag"]
    for i, (tokens, spans) in enumerate(sentences()):
        for j, (token, tag) in enumerate(zip(tokens, tags(tokens, spans), strict=True)):
            rows.append(f"{f'Sentence: {i}' if not j else ''},{token},NN,{tag}")
    return "\n".join(rows)


def csv_cells():
    def cell(spans, text):
        return json.dumps([{"from": a, "to": b, "kind": label, "words": text[a:b]} for a, b, label in spans]).replace('"', '""')

    return "id,body,found\n" + "".join(
        f'{i},"{r[0]}","{r[1]}"\n' for i, r in enumerate(records(lambda _, __, t, s: (t, cell(s, t))))
    )


def brackets(tokens, spans):
    ends = {last: label for _, last, label in spans}
    starts = {first: label for first, _, label in spans}
    said = [
        (f"[SL:{starts[i]} " if i in starts else "") + token + (" ]" if i + 1 in ends else "") for i, token in enumerate(tokens)
    ]
    return f"[IN:TELL {' '.join(said)} ]".replace("SL:Actor", "SL:ACTOR").replace("SL:Mal", "SL:MAL")


def task(_, __, text, spans):
    result = [
        {
            "from_name": "l",
            "to_name": "t",
            "type": "labels",
            "value": {"start": a, "end": b, "text": text[a:b], "labels": [label]},
        }
        for a, b, label in spans
    ]
    return {"id": text, "data": {"body": text}, "annotations": [{"result": result}]}


def doccano(_, __, text, spans):
    return {"text": text, "label": spans}


def prodigy(tokens, _, text, spans):
    return {
        "text": text,
        "_input_hash": 7,
        "tokens": [{"text": token, "id": i, "start": 2 * i, "end": 2 * i + 1} for i, token in enumerate(tokens)],
        "spans": [{"start": a, "end": b, "token_start": 1, "token_end": 2, "label": label} for a, b, label in spans],
    }


def number_of(tag):
    prefix, _, label = tag.partition("-")
    return 0 if tag == "O" else 1 + 2 * ["Actor", "Mal", "LOC"].index(label) + (prefix == "I")


KINDS = {
    "tab": ("x.conll", conll(), "columns", {}),
    "blank": ("x.txt", conll(" ", "BIOES"), "columns", {"separator": " "}),
    "comma": ("x.txt", conll(","), "columns", {"separator": ","}),
    "semicolon": ("x.bio", conll(";"), "columns", {"separator": ";"}),
    "bare": ("x.tsv", conll(scheme="bare"), "columns", {"bare": True}),
    "conll2003": (
        "x.txt",
        "-DOCSTART- -X- -X- O\n\n" * 1 + conll(" ", row="{token} NN I-NP {tag}"),
        "columns",
        {"separator": " ", "document_mark": "-DOCSTART-"},
    ),
    "token second": ("x.iob", conll(row="1\t{token}\t{tag}"), "columns", {"token_column": 1}),
    "tag first": ("x.txt", conll(row="{tag}\t{token}"), "columns", {"token_column": 1, "tag_columns": [0]}),
    "comments": ("x.txt", conll(head="# newdoc id = a\n"), "columns", {"comment": "# ", "group": "^# newdoc id = (.*)"}),
    "doccano": ("x.jsonl", as_jsonl(doccano), "jsonl", {"spans": "label", "start": 0, "end": 1, "label": 2}),
    "prodigy": ("x.jsonl", as_jsonl(prodigy), "jsonl", {}),
    "label studio": ("x.json", as_json(task), "label_studio", {"text": "body"}),
    "json min": (
        "x.json",
        as_json(lambda a, b, text, spans: {
            "id": text, "text": text, "annotator": 1, "lead_time": 2.5,
            "label": [{"start": s, "end": e, "labels": [label], "text": text[s:e]} for s, e, label in spans],
        }),
        "label_studio",
        {},
    ),
    "tokens and tags": (
        "x.json",
        as_json(lambda tokens, spans, *_: {"words": tokens, "ner": tags(tokens, spans)}),
        "json",
        {"tokens": "words", "tags": "ner"},
    ),
    "tags as integers": (
        "x.jsonl",
        as_jsonl(lambda tokens, spans, *_: {"tokens": tokens, "ner_tags": [number_of(tag) for tag in tags(tokens, spans)]}),
        "jsonl",
        {"tokens": "tokens", "tags": "ner_tags", "names": ["O", "B-1", "I-1", "B-2", "I-2", "B-3", "I-3"]},
    ),
    "token spans": (
        "x.json",
        as_json(lambda toks, spans, *_: {"tokens": toks, "entities": [{"start": a, "end": b, "type": x} for a, b, x in spans]}),
        "json",
        {"text": None, "tokens": "tokens", "spans": "entities", "label": "type", "unit": "tokens"},
    ),
    "inclusive ends": (
        "x.json",
        as_json(lambda tokens, spans, *_: {"sentence": tokens, "ner": [[a, b - 1, x] for a, b, x in spans]}),
        "json",
        {"text": None, "tokens": "sentence", "spans": "ner", "start": 0, "end": 1, "label": 2, "unit": "tokens",
         "inclusive_end": True},
    ),
    "pairs": (
        "x.json",
        as_json(lambda _, __, text, spans: [text, {"entities": spans}]),
        "json",
        {"text": "0", "spans": "1.entities", "start": 0, "end": 1, "label": 2},
    ),
    "below a key": (
        "x.json",
        json.dumps({"version": 1, "data": {"docs": records(lambda a, b, text, spans: {"body": text, "marks": [
            {"begin": s, "stop": e, "covered": text[s:e], "category": x, "id": f"T{s}"} for s, e, x in spans]})}}),
        "json",
        {"records": "data.docs.item", "text": "body", "spans": "marks", "start": "begin", "end": "stop", "label": "category",
         "surface": "covered"},
    ),
    "chunks": (
        "x.json",
        as_json(lambda tokens, spans, *_: {"data": [
            {"text": f"{token} ", **({"entity": label} if label != "O" else {})}
            for token, label in zip(tokens, tags(tokens, spans, "bare"), strict=True)]}),
        "json",
        {"chunks": "data", "label": "entity"},
    ),
    "token rows": ("x.csv", csv_tokens(), "csv", {"layout": "tokens", "sentence": "Sentence #", "token": "Word", "tag": "Tag"}),
    "cells": (
        "x.csv",
        csv_cells(),
        "csv",
        {"layout": "spans", "text": "body", "spans": "found", "start": "from", "end": "to", "label": "kind", "surface": "words"},
    ),
    "brackets": (
        "x.tsv",
        "said\tparse\n" + "".join(f"{' '.join(t)}\t{brackets(t, s)}\n" for t, s in sentences()),
        "brackets",
        {"parse": "parse"},
    ),
}  # fmt: skip


def paste(entry, folder):
    path = folder / "datasets.yml"
    path.write_text("weights: {gold: 3.0, expert: 1.0, silver: 0.5}\n\ndatasets:\n" + entry, encoding="utf8")
    (dataset,) = load_datasets(path)
    return dataset


def round_trip(path, root, **more):
    """Suggest, paste, load, convert; give the data set and the spans of each label."""
    entry = suggest(path, schema=SCHEMA, datasets=more.pop("datasets", []), root=root, **more)
    dataset = paste(entry, root)
    converter = BatchConverter(SCHEMA, root / "out")
    counts = {}
    for batch in batches(dataset, root=root, seed=0):
        converted = converter(batch)
        converted.unmapped.check(dataset.name)
        for (_, _, label), count in converted.ledger.read.items():
            counts[label] = counts.get(label, 0) + count
    return dataset, counts, entry


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_found_out_and_converts(tmp_path, kind):
    name, content, reader, options = KINDS[kind]
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / name).write_text(content, encoding="utf8")
    (tmp_path / "data" / "README.md").write_text("Not [data](https://example.org).")
    dataset, counts, _ = round_trip(tmp_path / "data", tmp_path)
    assert (dataset.format, dataset.options) == (reader, options)
    assert (
        dataset.name == "data"
        and dataset.path == Path("data")
        and dataset.hold_out == ({"dev": 0.1, "test": 0.1} if kind != "conll2003" and kind != "comments" else {})
    )
    assert len(counts) == 3 and (min(counts.values()) >= 80)
    assert set(counts) == set(dataset.labels)


def test_brat(tmp_path):
    for i, (_, _, text, spans) in enumerate(records(lambda *each: each)[:30]):
        (tmp_path / f"{i}.txt").write_text(text)
        (tmp_path / f"{i}.ann").write_text("".join(f"T{j}\t{x} {a} {b}\t{text[a:b]}\n" for j, (a, b, x) in enumerate(spans)))
    dataset, counts, _ = round_trip(tmp_path, tmp_path)
    assert dataset.format == "brat" and dataset.splits["train"].files == ["."] and counts == {"Actor": 30, "Mal": 30, "LOC": 30}


def test_inline_markup(tmp_path):
    for split in ("train", "dev", "test"):
        (tmp_path / "set" / split).mkdir(parents=True)
        (tmp_path / "set" / split / "a.md").write_text("[Zorbit](MALWARE) met [Gnawer](THREAT_ACTOR).")
    dataset, counts, _ = round_trip(tmp_path / "set", tmp_path)
    assert dataset.format == "inline" and {k: v.files for k, v in dataset.splits.items()} == {s: [s] for s in dataset.splits}
    assert dataset.labels == {"MALWARE": "MALWARE", "THREAT_ACTOR": "THREAT_ACTOR"} and counts["MALWARE"] == 3


def test_docbin(tmp_path):
    nlp, box = spacy.blank("en"), DocBin()
    for tokens, spans in sentences():
        doc = spacy.tokens.Doc(nlp.vocab, tokens)
        doc.ents = [Span(doc, first, last, label) for first, last, label in spans]
        box.add(doc)
    box.to_disk(tmp_path / "train.spacy")
    dataset, counts, _ = round_trip(tmp_path / "train.spacy", tmp_path, name="boxed")
    assert dataset.format == "docbin" and dataset.name == "boxed" and counts["Mal"] == 80


def test_a_table_of_spans_and_texts_elsewhere(tmp_path):
    for split, texts, count in (("train", "texts", 40), ("test", "txt", 30)):
        (tmp_path / split / "tsv").mkdir(parents=True)
        (tmp_path / split / texts).mkdir()
        for i, (_, _, text, spans) in enumerate(records(lambda *each: each)[:count]):
            (tmp_path / split / texts / f"{i}.txt").write_text(text)
            rows = "".join(f"{i}\t{a}\t{b}\t{x}\t{text[a:b]}\n" for a, b, x in spans)
            (tmp_path / split / "tsv" / f"{i}.tsv").write_text(f"doc\tfrom\tto\ttype\twords\n{rows}")
    dataset, counts, _ = round_trip(tmp_path, tmp_path)
    assert dataset.options["layout"] == "standoff" and dataset.options["texts"] == "../texts"
    assert dataset.splits["test"].options == {"texts": "../txt"} and counts["LOC"] == 70


def test_splits_by_name(tmp_path):
    for name in ("APTtrain.txt", "x.valid.txt", "test_set.txt", "notes.txt"):
        (tmp_path / name).write_text(conll() if name != "notes.txt" else "just words\n")
    dataset, _, _ = round_trip(tmp_path, tmp_path)
    files = {split: each.files for split, each in dataset.splits.items()}
    assert files == {"train": ["APTtrain.txt"], "dev": ["x.valid.txt"], "test": ["test_set.txt"]} and not dataset.hold_out


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("a/train.txt", "train"),
        ("a/eng.testa", None),
        ("dev/x.txt", "dev"),
        ("a/latest.txt", None),
        ("train_devel.json", None),
        ("validation/text/7.txt", "dev"),
    ],
)
def test_the_split_of_a_name(name, split):
    assert split_of(Path("/top") / name, Path("/top")) == split


def test_many_documents_become_a_glob_with_a_mark(tmp_path):
    for i in range(30):
        (tmp_path / f"how-to-test-{i}.txt" if i < 3 else tmp_path / f"{i}.txt").write_text(conll(count=2))
    dataset, _, entry = round_trip(tmp_path, tmp_path)
    assert dataset.splits["train"].files == ["*.txt"] and dataset.options == {"document_mark": "-DOCSTART-"}
    assert "each file is one" in entry


def test_a_layer_of_tags_that_only_some_files_use_and_one_that_repeats(tmp_path):
    first = [("Zorbit", "B-Mal", "O", "B-Mal"), ("ran", "O", "O", "O"), ("", "", "", "")] * 40
    second = [("Zorbit", "O", "O", "O"), ("today", "O", "B-TIME", "B-TIME"), ("", "", "", "")] * 40
    for name, rows in {"train.txt": first, "test.txt": second}.items():
        (tmp_path / name).write_text("\n".join("\t".join(row).strip() for row in rows))
    dataset, counts, entry = round_trip(tmp_path, tmp_path)
    assert dataset.options == {"tag_columns": [1, 2]} and counts == {"Mal": 40, "TIME": 40} and "left out" in entry


def test_agreement_with_a_configured_set_outweighs_the_name(tmp_path):
    for folder, label in (("old", "Mal"), ("new", "Tool")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.txt").write_text(conll().replace("Mal", label))
    (old, _, _) = round_trip(tmp_path / "old", tmp_path)
    assert old.labels["Mal"] == "MALWARE"
    new, _, entry = round_trip(tmp_path / "new", tmp_path, datasets=[old])
    assert new.labels["Tool"] == "MALWARE" and "MALWARE 100% of 80 shared spans (old); name says TOOL" in entry
    alone, _, _ = round_trip(tmp_path / "new", tmp_path, datasets=[new])
    assert alone.labels["Tool"] == "TOOL", "the set itself proves nothing"


def test_two_types_make_a_list_and_none_makes_a_todo(tmp_path):
    names = [f"{word}{i}" for i in range(20) for word in ("Mal", "Act")]
    (tmp_path / "x.txt").write_text("".join(f"{name}\tB-Thing\nran\tO\n\nsomething\tB-Stuff\nran\tO\n\n" for name in names))
    entities = [Entity(name, "MALWARE" if name[0] == "M" else "THREAT_ACTOR", False, ()) for name in names]
    dataset, _, entry = round_trip(tmp_path, tmp_path, entities=entities)
    assert dataset.labels == {"Thing": ["MALWARE", "THREAT_ACTOR"], "Stuff": "drop"}
    assert "of 40 in 40 names that gazetteers have" in entry and "Stuff: drop # TODO" in entry


def test_names_that_are_common_nouns_are_left_to_a_person(tmp_path):
    (tmp_path / "x.txt").write_text("hackers\tB-Threat_Actor\nran\tO\n\n" * 30)
    dataset, _, entry = round_trip(tmp_path, tmp_path)
    assert dataset.labels == {"Threat_Actor": "drop"} and "TODO: THREAT_ACTOR or drop?" in entry and "small letters" in entry


@pytest.mark.parametrize(
    ("label", "node"),
    [
        ("threat-actors", "THREAT_ACTOR"),
        ("OperatingSystem", "OPERATING_SYSTEM"),
        ("PER", "PERSON"),
        ("IP", "IP_ADDRESS"),
        ("System", "PRODUCT"),
        ("PRO", ""),
        ("Thing", ""),
    ],
)
def test_names_of_labels(label, node):
    assert compare_name(label, SCHEMA)[0] == node


def test_a_similar_name_is_only_a_candidate():
    assert compare_name("Malware_Kind", SCHEMA) == ("", ["MALWARE"])


def test_a_taken_name_is_changed_and_a_wrong_one_refused(tmp_path):
    (tmp_path / "Set_A").mkdir()
    (tmp_path / "Set_A" / "x.txt").write_text(conll())
    dataset, _, _ = round_trip(tmp_path / "Set_A", tmp_path, taken=["set-a", "set-a-2"])
    assert dataset.name == "set-a-3"
    for name in ("set-a", "Set A"):
        with pytest.raises(Ner11Error, match="--name"):
            suggest(tmp_path, schema=SCHEMA, datasets=[], name=name, taken=["set-a"], root=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (bytes(range(256)) * 20, "no annotation found in 1 file"),
        (b"Just a few words.\n\nAnd more.\n", "tried the readers"),
        (b'{"a": [', "no annotation found"),
        ("a\tO\n".encode("utf-16"), "no annotation found"),
        (b"[" * 5000, "no annotation found"),
    ],
)
def test_what_is_no_data_is_told_in_one_line(tmp_path, content, message):
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(Ner11Error, match=message) as error:
        suggest(tmp_path / "x.txt", schema=SCHEMA, datasets=[], root=tmp_path)
    assert str(tmp_path / "x.txt") in str(error.value) and "\n" not in str(error.value)


def test_labels_of_any_kind_stay_yaml(tmp_path):
    labels = ["no", "1", "a:b", "#x", "Straße", "l'x", "null", "x,y", '"', "🙂", "a\u2028b", "- a", "~", "1e3", "0x1f", "O-"]
    (tmp_path / "x.jsonl").write_text(
        "".join(
            json.dumps({"text": f"the {i} thing\nhere", "spans": [{"start": 4, "end": 11, "label": label}]}) + "\n"
            for i in range(3)
            for label in labels
        )
    )
    dataset, counts, _ = round_trip(tmp_path, tmp_path)
    assert set(dataset.labels) == set(labels) == set(counts)


@given(st.text(max_size=20))
def test_any_string_is_written_so_that_yaml_reads_it(text):
    import srsly

    assert srsly.yaml_loads(f"a: {{x: {scalar([text])}, {scalar(text)}: 1}} # b")["a"] == ({"x": [text]} | {text: 1})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="ab\t ,;O-BI#", max_size=12), max_size=30))
def test_guesses_at_columns_never_fail(lines):
    assert all(isinstance(options, dict) for options in guess_columns(lines))


def json_values():
    scalars = st.none() | st.booleans() | st.integers(-2, 9) | st.text("abO-B ", max_size=5)
    keys = st.sampled_from(
        ["text", "start", "end", "label", "spans", "tokens", "tags", "data", "annotations", "result", "", "a.b"]
    )
    return st.recursive(scalars, lambda each: st.lists(each, max_size=4) | st.dictionaries(keys, each, max_size=4), max_leaves=25)


@settings(max_examples=150, deadline=None)
@given(value=json_values())
def test_any_json_gives_an_entry_or_one_line(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("json")
    (folder / "x.json").write_text(json.dumps(value))
    try:
        entry = suggest(folder / "x.json", schema=SCHEMA, datasets=[], root=folder)
    except Ner11Error as e:
        assert "\n" not in str(e)
    else:
        paste(entry, folder)


def test_a_comment_stays_a_comment():
    from ner11.suggest.choose import Choice

    line = label_line("X", 2, ["two\nlines\x85", "# more"], Choice([], [], []))
    assert "\n" not in line and len(line.splitlines()) == 1
