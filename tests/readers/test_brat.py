import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.brat import read_brat
from tests.readers.fuzz import FUZZ, check_texts, damaged

TEXT = "Ann Lee 🐍 of Oslo\nruns Blue Fox."
ANN = (
    "T1\tPER 0 7\tAnn Lee\n"
    "T2\tLOC 13 17\tOslo\n"
    "R1\tlives Arg1:T1 Arg2:T2\n"
    "T3\tTOOL 23 31\tBlue Fox\n"
    "E1\tRun:T3 who:T1\n*\tEquiv T1 T2\nA1\tSure T1\nM1\tSure T1\nN1\tReference T2 Wikipedia:1\tOslo\n#1\tNote T1\tT9\tX 0 1\tA\n"
)


@pytest.fixture
def read(tmp_path):
    def read(files, **options):
        folder = tmp_path / "corpus"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_brat(folder, **options))

    return read


def found(text):
    return [(text.text[span.start : span.end], span.origin) for span in text.spans]


def outcomes(text):
    return [(span.origin, span.start, span.end, span.outcome, span.reason) for span in text.spans]


def test_text_bound_annotations_are_spans_and_all_else_is_none(read, tmp_path):
    (text,) = read({"a.txt": TEXT, "a.ann": ANN})
    assert found(text) == [("Ann Lee", "PER"), ("Oslo", "LOC"), ("Blue Fox", "TOOL")]
    assert [span.surface for span in text.spans] == ["Ann Lee", "Oslo", "Blue Fox"]
    assert (text.text, text.group, text.where, text.line) == (TEXT, "a", f"{tmp_path}/corpus/a.txt", 1)
    assert not text.problems and not text.damage
    assert text.place(text.spans[2]) == f"{tmp_path}/corpus/a.txt:2"


def test_documents_come_in_the_order_of_their_names(read):
    texts = read({"b.txt": "b", "b.ann": "", "a.v2.txt": "a", "a.v2.ann": "", "notes.md": "x"})
    assert [(text.group, text.text, text.spans, text.damage) for text in texts] == [("a.v2", "a", [], ""), ("b", "b", [], "")]


def test_a_crlf_in_the_text_counts_two_and_one_behind_an_annotation_counts_none(read):
    (text,) = read({"a.txt": "Ann\r\nOslo", "a.ann": "T1\tLOC 5 9\tOslo\r\n"})
    assert (found(text), text.spans[0].surface) == ([("Oslo", "LOC")], "Oslo")


@pytest.mark.parametrize(("content", "end", "surface"), [("New\nYork", 8, "New York"), ("New\r\nYork", 9, "New\r York")])
def test_a_surface_over_a_line_break_is_no_proof_against_its_span(read, content, end, surface):
    (text,) = read({"a.txt": content, "a.ann": f"T1\tLOC 0 {end}\t{surface}\n"})
    assert (found(text), text.spans[0].surface, text.spans[0].outcome) == ([(content, "LOC")], None, "kept")


def test_shifted_offsets_come_with_the_surface_that_proves_it(read):
    (text,) = read({"a.txt": "in Oslo", "a.ann": "T1\tLOC 2 6\tOslo\n"})
    (span,) = text.spans
    assert (span.start, span.end, span.surface, span.outcome) == (2, 6, "Oslo", "kept")


def test_a_discontinuous_span_is_unknown_from_its_first_to_its_last_character(read):
    (text,) = read({"a.txt": "left and right arm", "a.ann": "T1\tBODY 0 4;15 18\tleft arm\n"})
    assert outcomes(text) == [("BODY", 0, 18, "unknown", "discontinuous")]


@pytest.mark.parametrize(
    ("line", "label"),
    [
        pytest.param("T2\tLOC x 7\tOslo", "LOC", id="no number"),
        pytest.param("T2\tLOC 3\tOslo", "LOC", id="no end"),
        pytest.param("T2\tLOC", "LOC", id="no place"),
        pytest.param("T2\tLOC 3 7;\tOslo", "LOC", id="half a fragment"),
        pytest.param("T2 LOC 3 7 Oslo", "LOC", id="blanks for tabs"),
        pytest.param("T2", "?", id="no label"),
    ],
)
def test_a_damaged_annotation_is_a_dropped_span_and_a_problem(read, line, label):
    (text,) = read({"a.txt": "in Oslo", "a.ann": f"{line}\nT1\tX 0 2\tin\n"})
    lost, whole = outcomes(text)
    assert lost == (label, 0, 0, "dropped", "a damaged annotation") and whole[3] == "kept"
    assert text.problems == ["a damaged annotation"]


@pytest.mark.parametrize("line", ["1\tLOC 3 7\tOslo", "Oslo"])
def test_a_line_that_is_no_annotation_is_a_problem(read, line):
    (text,) = read({"a.txt": "in Oslo", "a.ann": f"{line}\n\n"})
    assert text.problems == ["a damaged annotation"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"T1\tLOC 3 7\tOsl\xff", "byte 0xff is not UTF-8"),
        (b"T1\tLOC 3 7\tOsl\0", "a NUL byte"),
        (b"T1\tLOC 3 7", "an annotation without its surface"),
    ],
)
def test_a_doubtful_annotation_with_a_place_is_unknown(read, line, reason):
    (text,) = read({"a.txt": "in Oslo", "a.ann": line})
    assert outcomes(text) == [("LOC", 3, 7, "unknown", reason)] and text.problems == [reason]


def test_a_text_without_its_annotation_is_damage_and_not_a_text_without_entities(read):
    (text,) = read({"a.txt": "in Oslo"})
    assert (text.text, text.damage) == ("in Oslo", "no .ann file")


def test_an_annotation_without_its_text_names_what_is_lost(read, tmp_path):
    (text,) = read({"a.ann": ANN})
    assert (text.text, text.damage, text.where) == ("", "no .txt file", f"{tmp_path}/corpus/a.ann")
    assert [span.origin for span in text.spans] == ["PER", "LOC", "TOOL"]


@pytest.mark.parametrize(
    ("content", "damage"),
    [(b"in \xff Oslo", "byte 0xff is not UTF-8"), (b"in\0Oslo", "a NUL byte"), (b"\xff\xfea\0", "UTF-16, expected UTF-8")],
)
def test_a_text_that_cannot_be_read_is_damage_and_the_others_are_read(read, content, damage):
    broken, whole = read({"a.txt": content, "a.ann": "T1\tLOC 3 7\tOslo\n", "b.txt": TEXT, "b.ann": ANN})
    assert (broken.damage, [span.origin for span in broken.spans]) == (damage, ["LOC"])
    assert len(whole.spans) == 3 and not whole.damage


def test_a_utf16_annotation_is_damage(read):
    (text,) = read({"a.txt": "in Oslo", "a.ann": "T1\tLOC 3 7\tOslo\n".encode("utf-16")})
    assert text.damage == ".ann file: UTF-16, expected UTF-8"


def test_an_empty_text_without_annotation_is_none(read):
    assert read({"a.txt": "", "a.ann": ""}) == []


@pytest.mark.parametrize(("key", "documents"), [("train", ["a", "c"]), ("test", ["b"]), ("none", [])])
def test_a_list_of_names_chooses_the_documents(read, tmp_path, key, documents):
    (tmp_path / "split.json").write_text(json.dumps({"train": ["c", "a", "elsewhere"], "test": ["b"], "none": []}))
    files = {f"{name}.{suffix}": name if suffix == "txt" else "" for name in "abcd" for suffix in ("txt", "ann")}
    assert [text.group for text in read(files, names="../split.json", key=key)] == documents


def test_a_list_of_names_may_stand_in_the_folder_without_a_key(read):
    assert [t.group for t in read({"a.txt": "a", "a.ann": "", "b.txt": "b", "l.json": '["a"]'}, names="l.json")] == ["a"]


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        pytest.param('{"train": [], "dev": []}', "test", "no key 'test', only train, dev. Correct the key", id="key"),
        pytest.param('["a"]', "test", "no key 'test', no keys at all. Correct the key", id="no keys"),
        pytest.param('{"train": []}', None, "no list of document names. Give the key", id="no list"),
        pytest.param('{"train": [1]}', "train", "no list of document names. Give the key", id="no names"),
        pytest.param("{", "train", "is no JSON", id="no JSON"),
        pytest.param(None, "train", "cannot be read (No such file or directory)", id="missing"),
    ],
)
def test_a_list_of_names_that_cannot_be_used_is_an_error(read, content, key, message):
    files = {"a.txt": "a", "a.ann": ""} | ({"l.json": content} if content else {})
    with pytest.raises(Ner11Error) as error:
        read(files, names="l.json", key=key)
    assert message in str(error.value) and "l.json: " in str(error.value)


COPIES = {
    "p1-1.txt": "2 m and 3 m",
    "p1-1.ann": "T1\tQ 0 3\t2 m\n",
    "p1-2.txt": "2 m and 3 m",
    "p1-2.ann": "T1\tQ 8 11\t3 m\n",
    "p2-1.txt": "4 m",
    "p2-1.ann": "T1\tQ 0 3\t4 m\n",
}


def test_copies_of_a_text_are_merged_so_that_none_lacks_spans(read):
    first, second = read(COPIES, merge_paragraphs=True)
    assert (found(first), first.group) == ([("2 m", "Q"), ("3 m", "Q")], "p1-1")
    assert (found(second), second.group) == ([("4 m", "Q")], "p2-1")


def test_a_copy_without_its_annotation_is_damage_of_all(read):
    (text,) = read({"a.txt": "2 m", "a.ann": "T1\tQ 0 3\t2 m\n", "b.txt": "2 m"}, merge_paragraphs=True)
    assert (text.damage, len(text.spans)) == ("no .ann file", 1)


def test_texts_that_cannot_be_read_are_not_copies_of_each_other(read):
    texts = read(
        {"a.ann": "T1\tQ 0 3\t2 m\n", "b.ann": "T1\tQ 0 3\t2 m\n", "c.txt": b"\xff", "d.txt": b"\xff"}, merge_paragraphs=True
    )
    assert [text.group for text in texts] == ["a", "b", "c", "d"]


def test_without_merging_each_file_is_a_text(read):
    assert [(text.group, len(text.spans)) for text in read(COPIES)] == [("p1-1", 1), ("p1-2", 1), ("p2-1", 1)]


@pytest.mark.parametrize(("pattern", "groups"), [("^(.*)-[0-9]+$", ["p1", "p1", "p2"]), ("2-1", ["p1-1", "p1-2", "2-1"])])
def test_a_pattern_names_the_document_of_a_file(read, pattern, groups):
    assert [text.group for text in read(COPIES, group=pattern)] == groups


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_documents_is_an_error(tmp_path, make):
    folder = tmp_path / "corpus"
    if make:
        folder.mkdir()
    with pytest.raises(Ner11Error) as error:
        list(read_brat(folder))
    assert str(error.value) == f"{folder}: no *.txt and *.ann files here. Put them there or correct the path."


def test_the_reader_is_registered():
    assert readers.get("brat") is read_brat


@FUZZ
@given(damaged(ANN.encode()), damaged(TEXT.encode()), st.booleans())
def test_damage_never_crashes(tmp_path, ann, txt, merge):
    (tmp_path / "a.ann").write_bytes(ann)
    (tmp_path / "a.txt").write_bytes(txt)
    check_texts(lambda: read_brat(tmp_path, merge_paragraphs=merge))


@FUZZ
@given(st.text("ab \n\r🐍é", min_size=1, max_size=30), st.data())
def test_an_undamaged_file_gives_every_span(tmp_path, content, data):
    places = st.tuples(st.integers(0, len(content) - 1), st.integers(1, len(content))).filter(lambda place: place[0] < place[1])
    spans = data.draw(st.lists(places, max_size=5))
    lines = [f"T{i}\tL{i} {s} {e}\t{content[s:e].replace(chr(10), ' ')}\n" for i, (s, e) in enumerate(spans)]
    (tmp_path / "a.txt").write_bytes(content.encode())
    (tmp_path / "a.ann").write_bytes("".join(lines).encode())
    (text,) = read_brat(tmp_path)
    assert text.text == content and not text.problems
    assert outcomes(text) == [(f"L{i}", s, e, "kept", "") for i, (s, e) in enumerate(spans)]
    assert all(span.surface in (None, content[span.start : span.end]) for span in text.spans)


def test_a_line_that_lost_its_number_is_no_attribute(read):
    (text,) = read({"a.txt": "Ann came", "a.ann": "ACTOR 0 3\tAnn\nA1\tNegated T1\n#1\tNote T1\tx\n*\tEquiv T1 T2\n"})
    assert text.problems == ["a damaged annotation"]
