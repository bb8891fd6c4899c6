import zlib

import pytest
import spacy
import srsly
from hypothesis import given
from spacy.tokens import DocBin, Span

from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.docbin import read_docbin
from tests.readers.fuzz import FUZZ, check_texts, damaged

NLP = spacy.blank("en")
TEXT = "Lee of Acme flew to New York."


def make_doc(*entities, text=TEXT, missing=(), groups=None, **user_data):
    """Make a document from (first token, one past the last, label) of its entities."""
    doc = NLP(text)
    doc.set_ents(
        [Span(doc, *entity) for entity in entities],
        missing=[Span(doc, first, last) for first, last in missing],
        default="outside",
    )
    for key, spans in (groups or {}).items():
        doc.spans[key] = [Span(doc, *span) for span in spans]
    doc.user_data.update(user_data)
    return doc


def to_bytes(*docs):
    return DocBin(docs=docs, store_user_data=True).to_bytes()


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "f.spacy"
        path.write_bytes(content)
        return list(read_docbin(path, **options))

    return read


def found(text):
    return [(text.text[span.start : span.end], span.origin, span.outcome, span.reason) for span in text.spans]


def kept(*pairs):
    return [(*pair, "kept", "") for pair in pairs]


def test_entities_become_spans(read, tmp_path):
    first, second = read(to_bytes(make_doc((0, 1, "PER"), (5, 7, "LOC")), make_doc(text="  Hi\n\nyou ")))
    assert (first.text, found(first), first.damage) == (TEXT, kept(("Lee", "PER"), ("New York", "LOC")), "")
    assert (second.text, second.spans, second.damage) == ("  Hi\n\nyou ", [], "")
    assert (first.where, first.line) == (f"{tmp_path}/f.spacy: doc 1", 1)
    assert first.group != second.group


def test_tokens_without_annotation_are_unknown(read):
    (text,) = read(to_bytes(make_doc((0, 1, "PER"), missing=[(1, 3), (5, 8)])))
    unknown = ("?", "unknown", "missing annotation")
    assert found(text) == [*kept(("Lee", "PER")), ("of Acme", *unknown), ("New York.", *unknown)]


def test_a_document_whose_entities_were_never_set_is_damage(read):
    text, after = read(to_bytes(NLP(TEXT), make_doc((0, 1, "PER"))))
    assert (text.damage, text.spans, after.damage) == ("no entity annotation", [], "")


def test_a_span_group_is_read_beside_the_entities(read):
    group = {"sc": [(0, 3, "A"), (2, 3, "B")]}
    content = to_bytes(make_doc((0, 1, "PER"), groups=group), make_doc((0, 1, "PER")))
    first, second = read(content, spans_key="sc")
    assert found(first) == kept(("Lee", "PER"), ("Lee of Acme", "A"), ("Acme", "B"))
    assert found(second) == kept(("Lee", "PER"))
    assert found(read(content)[0]) == kept(("Lee", "PER"))


def test_a_span_group_alone_is_annotation_enough(read):
    doc = NLP(TEXT)
    doc.spans["sc"] = [Span(doc, 0, 1, "PER")]
    (text,) = read(to_bytes(doc), spans_key="sc")
    assert (found(text), text.damage) == (kept(("Lee", "PER")), "")
    assert read(to_bytes(doc))[0].damage


def test_a_span_without_a_label_is_unknown(read):
    (text,) = read(to_bytes(make_doc(groups={"sc": [(0, 1, "")]})), spans_key="sc")
    assert found(text) == [("Lee", "?", "unknown", "no label")]


@pytest.mark.parametrize(("group", "expected"), [("report-7", "report-7"), (7, "f:1"), ("", "f:1")])
def test_the_group_comes_from_the_user_data(read, group, expected):
    assert read(to_bytes(make_doc(group=group)))[0].group == expected


def test_a_folder_is_read_file_by_file(tmp_path):
    for name, label in (("b", "LOC"), ("a", "PER")):
        (tmp_path / f"{name}.spacy").write_bytes(to_bytes(make_doc((0, 1, label))))
    assert [(text.group, text.spans[0].origin) for text in read_docbin(tmp_path)] == [("a:1", "PER"), ("b:1", "LOC")]


def test_a_folder_without_files_is_named(tmp_path):
    with pytest.raises(Ner11Error, match=r"no \*\.spacy files here"):
        list(read_docbin(tmp_path))


@pytest.mark.parametrize("content", [b"", to_bytes()], ids=["no bytes", "no docs"])
def test_an_empty_file_has_no_texts(read, content):
    assert read(content) == []


@pytest.mark.parametrize(
    "content",
    [b"x", b"\xff\xfex", to_bytes(make_doc())[:-9], zlib.compress(b"x"), zlib.compress(srsly.msgpack_dumps({"attrs": []}))],
    ids=["junk", "UTF-16", "truncated", "no msgpack", "keys missing"],
)
def test_a_damaged_file_is_named(read, tmp_path, content):
    with pytest.raises(Ner11Error) as error:
        read(content)
    assert str(error.value).startswith(f"{tmp_path}/f.spacy") and error.value.fix


def test_a_document_whose_labels_the_file_does_not_hold_is_damage(read):
    message = srsly.msgpack_loads(zlib.decompress(to_bytes(make_doc((0, 1, "KERRYX")), make_doc((0, 1, "PER")))))
    message["strings"].remove("KERRYX")
    text, after = read(zlib.compress(srsly.msgpack_dumps(message)))
    assert (text.text, text.damage[:18], after.damage) == (TEXT, "a damaged document", "")


def test_the_reader_is_registered():
    assert readers.get("docbin") is read_docbin


DOCS = to_bytes(make_doc((0, 1, "PER"), missing=[(5, 7)], groups={"sc": [(2, 3, "ORG")]}, group="g"), make_doc())


@FUZZ
@given(damaged(DOCS))
def test_damaged_files_end_in_located_errors_or_whole_texts(tmp_path, content):
    path = tmp_path / "f.spacy"
    path.write_bytes(content)
    check_texts(lambda: read_docbin(path, spans_key="sc"))
