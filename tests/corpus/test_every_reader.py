"""For every reader: each span that stands in a file is read, and ends up in exactly one outcome of the ledger."""

import json
from collections import Counter

import pytest
import spacy
from hypothesis import given, settings
from spacy.tokens import DocBin, Span

from ner11.corpus.convert import BatchConverter, batches
from ner11.errors import Ner11Error
from ner11.harmonize import Unmapped
from ner11.ledger import Ledger
from ner11.readers import readers
from tests.corpus.conftest import SCHEMA, make_dataset
from tests.readers.fuzz import FUZZ, damaged

LABELS = {"MAL": "MALWARE", "LOC": "PLACE", "ANY": ["MALWARE", "PLACE"], "OFF": "drop", "NEW": "CAMPAIGN", "?": "drop"}
TEXT = "Emotet hit  Kyiv and Oslo"
# Kept; blank edges; inside a token; overlapping; twice; past the end; ambiguous, dropped and reserved labels.
SPANS = [
    *((0, 6, "MAL"), (10, 16, "LOC"), (0, 3, "MAL"), (0, 10, "LOC"), (0, 6, "MAL")),
    *((20, 99, "LOC"), (21, 25, "ANY"), (7, 10, "OFF"), (17, 20, "NEW")),
]
RECORD = {"text": TEXT, "spans": [{"start": start, "end": end, "label": label} for start, end, label in SPANS]}
REGIONS = [
    {"type": "labels", "from_name": "label", "to_name": "text", "value": {"start": start, "end": end, "labels": [label]}}
    for start, end, label in SPANS
]
TASK = {"id": 1, "data": {"text": TEXT}, "annotations": [{"id": 1, "result": REGIONS}]}
ANN = "".join(f"T{i}\t{label} {start} {end}\t{TEXT[start:end]}\n" for i, (start, end, label) in enumerate(SPANS))
TABLE = 'text,spans\n"{}","{}"\n'.format(TEXT, json.dumps(RECORD["spans"]).replace('"', '""'))


def docbin():
    doc = spacy.blank("en")(TEXT)
    doc.ents = [Span(doc, 0, 1, "MAL"), Span(doc, 3, 4, "LOC"), Span(doc, 4, 5, "NEW")]
    return DocBin(docs=[doc]).to_bytes()


# For each format the files, the options, and the spans that stand in the files.
SAMPLES = {
    "columns": ({"a.tsv": "Emotet\tB-MAL\nhit\tX\nKyiv\tB-LOC\nand\n\tB-NEW\n\nOslo\tB-ANY\n"}, {}, 6),
    "json": ({"a.json": json.dumps([RECORD])}, {}, 9),
    "jsonl": ({"a.jsonl": json.dumps(RECORD) + "\n{\n" + json.dumps(RECORD)}, {}, 18),
    "csv": ({"a.csv": TABLE}, {"layout": "spans"}, 9),
    "brat": ({"a/1.txt": TEXT, "a/1.ann": ANN, "a/2.ann": "T1\tMAL 0 1\tx\n"}, {}, 10),
    "brackets": ({"a.tsv": "p\n[IN:X [SL:MAL Emotet ] hit [SL:LOC [SL:OFF big ] Kyiv ] ]\n[IN:X [SL:MAL a\n"}, {"parse": "p"}, 4),
    "label_studio": ({"a.json": json.dumps([TASK])}, {}, 9),
    "docbin": ({"a.spacy": docbin()}, {}, 3),
    "inline": ({"a/1.md": "[Emotet](MAL) hit [Kyiv](LOC) and [Oslo](ANY)[lo](OFF)"}, {}, 4),
}


def account(folder, kind, files, options):
    """Convert files; give the ledger and what the reader gave, by label."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = {"format": kind, "options": options, "labels": LABELS, "splits": {"train": next(iter(files)).split("/")[0]}}
    dataset = make_dataset(path=folder, **settings)
    converter, ledger, unmapped = BatchConverter(SCHEMA, folder / "out"), Ledger(), Unmapped()
    read = Counter()
    for batch in batches(dataset, root=folder, seed=0):
        read.update(span.origin for text in batch.texts for span in text.spans)
        converted = converter(batch)
        ledger.update(converted.ledger)
        unmapped.update(converted.unmapped)
    ledger.check()
    return ledger, read


def test_every_reader_is_here():
    assert set(SAMPLES) == set(readers.get_all())


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_span_has_one_outcome(tmp_path, kind):
    files, options, expected = SAMPLES[kind]
    ledger, read = account(tmp_path, kind, files, options)
    assert read.total() == expected
    counted, outcomes = Counter(), Counter()
    for (_, _, label), count in ledger.read.items():
        counted[label] += count
    for key, count in ledger.spans.items():
        outcomes[key.label] += count
    assert counted == outcomes == read


@pytest.mark.parametrize("kind", SAMPLES)
@settings(FUZZ, max_examples=15)
@given(junk=damaged(b"#" * 40))
def test_damage_is_accounted_for_too(tmp_path_factory, kind, junk):
    """Whatever is appended to a file, what its reader still gives adds up."""
    files, options, _ = SAMPLES[kind]
    name = next(iter(files))
    content = files[name] if isinstance(files[name], bytes) else files[name].encode()
    try:
        ledger, read = account(tmp_path_factory.mktemp("x"), kind, {**files, name: content + junk}, options)
    except Ner11Error as e:
        assert e.where and e.fix
    else:
        assert sum(ledger.spans.values()) == read.total()
