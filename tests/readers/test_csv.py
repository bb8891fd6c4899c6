import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.errors import Ner11Error
from ner11.readers import files, readers, table
from ner11.readers.csv import read_csv
from tests.readers.fuzz import FUZZ, check_texts, damaged

TOKENS = "sentence,token,tag\n1,Ann,B-P\n1,Lee,I-P\n1,.,O\n2,New York,B-L\n"
SPANS = """text,spans
"Ann, in
Oslo","[{""start"": 0, ""end"": 3, ""label"": ""P""}, {""start"": 8, ""end"": 12, ""label"": ""L""}]"
none,[]
"""
STANDOFF = "document\tstart\tend\tlabel\tsurface\na\t0\t3\tP\tAnn\nb\t3\t7\tL\tOslo\na\t7\t11\tL\tRome\n"
TEXTS = {"a.txt": "Ann in Rome", "b.txt": "in Oslo"}
STANDOFF_OPTIONS = {"layout": "standoff", "delimiter": "\t", "quoting": False, "surface": "surface", "texts": "../texts"}


def write(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        return list(read_csv(write(tmp_path / "t", {"f.csv": content}) / "f.csv", **options))

    return read


@pytest.fixture
def read_standoff(tmp_path):
    def read(tables, texts=TEXTS, **options):
        write(tmp_path / "texts", texts)
        folder = write(tmp_path / "t", {"f.tsv": tables} if isinstance(tables, str | bytes) else tables)
        path = folder if isinstance(tables, dict) else folder / "f.tsv"
        return list(read_csv(path, **(STANDOFF_OPTIONS | options)))

    return read


def found(text):
    return [(text.text[span.start : span.end], span.origin) for span in text.spans]


def outcomes(text):
    return [(span.origin, span.start, span.end, span.outcome, span.reason) for span in text.spans]


# tokens


def test_rows_of_a_sentence_are_a_text(read, tmp_path):
    first, second = read(TOKENS, layout="tokens")
    assert (first.text, found(first), first.line, first.group) == ("Ann Lee.", [("Ann Lee", "P")], 2, "f:1")
    assert (second.text, found(second), second.line, second.group) == ("New York", [("New York", "L")], 5, "f:2")
    assert first.where == f"{tmp_path}/t/f.csv"


def test_other_columns_delimiters_and_bare_tags(read):
    (text,) = read(
        "Word;POS;Id;Tag\nAnn;N;x;P\nLee;N;x;P\n",
        layout="tokens",
        delimiter=";",
        sentence="Id",
        token="Word",
        tag="Tag",
        bare=True,
    )
    assert found(text) == [("Ann Lee", "P")]


@pytest.mark.parametrize("blank", ["", ",,", " , ,"])
def test_an_empty_sentence_cell_continues_the_sentence_and_a_blank_row_is_none(read, blank):
    first, second = read(f"sentence,token,tag\ns1,Ann,B-P\n,Lee,I-P\n{blank}\ns2,Oslo,B-L\n,.,O\n", layout="tokens")
    assert (found(first), found(second), second.text) == ([("Ann Lee", "P")], [("Oslo", "L")], "Oslo.")


def test_byte_order_mark_crlf_and_quoted_cells(read):
    (text,) = read(b'\xef\xbb\xbfsentence,token,tag\r\n1,"a ""b"", c",B-P\r\n', layout="tokens")
    assert found(text) == [('a "b", c', "P")]


def test_a_row_without_a_token_takes_no_room_and_one_without_a_tag_is_unknown(read):
    (text,) = read("sentence,token,tag\n1,a,O\n1,,B-P\n1,b,\n1,c,O\n", layout="tokens")
    assert text.text == "a b c" and not text.damage
    assert [(span.origin, span.outcome) for span in text.spans] == [("P", "dropped"), ("?", "unknown")]
    assert len(text.problems) == 2


@pytest.mark.parametrize(
    ("row", "damage"),
    [
        pytest.param(b"2,b\xff,O", "byte 0xff is not UTF-8", id="encoding"),
        pytest.param(b"2,b\0,O", "a NUL byte", id="NUL"),
        pytest.param(b"2,b", "2 cells, expected 3", id="short"),
        pytest.param(b"2,b,,O", "4 cells, expected 3", id="long"),
        pytest.param(b'2,"b"x,O', "cannot be read up to line 4 (',' expected after '\"')", id="quote"),
        pytest.param(b"2,b\rb,O", "cannot be read up to line 4", id="CR"),
    ],
)
def test_a_damaged_row_damages_its_sentence_and_no_farther_one(read, row, damage):
    content = b"sentence,token,tag\n1,z,O\n2,a,B-P\n" + row + b"\n2,c,O\n3,d,O\n4,e,B-L\n"
    first, second, *rest = read(content, layout="tokens")
    assert not first.damage and second.damage.startswith(f"line 4: {damage}")
    assert [(text.text, text.damage) for text in rest] == [("d", ""), ("e", "")]


@pytest.mark.parametrize("row", [b"2,b\xff,O", b"2,b", b'2,"b"x,O'])
def test_a_damaged_row_between_sentences_damages_both(read, row):
    content = b"sentence,token,tag\n1,a,O\n" + row + b"\n2,c,O\n3,d,O\n"
    assert [bool(text.damage) for text in read(content, layout="tokens")] == [True, True, False]


def test_a_quote_that_is_never_closed_swallows_nothing_silently(read):
    first, second = read('sentence,token,tag\n1,a,O\n2,b,B-P\n2,"c,O\n3,d,O\n4,e,O\n', layout="tokens")
    assert (first.damage, second.damage) == ("", "line 4: cannot be read up to line 6 (unexpected end of data)")


def test_without_quoting_a_quote_is_a_character(read):
    (text,) = read('sentence,token,tag\n1,",B-P\n1,"a",I-P\n', layout="tokens", quoting=False)
    assert len(text.spans) == 1 and "".join(text.text.split()) == '""a"' and not text.damage


# spans


def test_rows_with_a_json_cell_are_texts(read):
    first, second = read(SPANS, layout="spans")
    assert (first.text, found(first), first.line) == ("Ann, in\nOslo", [("Ann", "P"), ("Oslo", "L")], 2)
    assert (second.text, second.spans, second.line, second.damage) == ("none", [], 4, "")
    assert first.group != second.group and first.spans[0].surface is None


def test_other_keys_and_a_surface(read):
    cell = '"[{""from"": 0, ""to"": 1, ""type"": ""P"", ""entity"": ""b""}]"'
    (text,) = read(
        f"T,S\nab,{cell}\n", layout="spans", text="T", spans="S", start="from", end="to", label="type", surface="entity"
    )
    assert [(span.start, span.end, span.origin, span.surface, span.outcome) for span in text.spans] == [(0, 1, "P", "b", "kept")]


def test_line_ends_inside_a_cell_stay_as_they_are(read):
    (text,) = read(b'text,spans\r\n"a\r\nb","[{""start"": 3, ""end"": 4, ""label"": ""P""}]"\r\n', layout="spans")
    assert (text.text, found(text)) == ("a\r\nb", [("b", "P")])


def rows(*cells):
    file = io.StringIO()
    csv.writer(file).writerows([("text", "spans"), *cells])
    return file.getvalue()


@pytest.mark.parametrize(
    ("cell", "damage"),
    [("", "no JSON"), ("[{", "no JSON"), ("{}", "no list"), ("null", "no list"), ("3", "no list"), ("[" * 100_000, "no JSON")],
    ids=["empty", "broken", "object", "null", "number", "deep"],
)
def test_a_cell_that_is_no_list_is_damage_and_the_others_are_read(read, cell, damage):
    broken, whole = read(rows(("ab", cell), ("cd", "[]")), layout="spans")
    assert (broken.text, broken.damage) == ("ab", f"spans that are {damage}")
    assert (whole.text, whole.damage) == ("cd", "")


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        pytest.param({"start": 0, "label": "P"}, ("P", 0, 0, "dropped", "an offset that is no integer"), id="no end"),
        pytest.param({"start": "x", "end": 1, "label": "P"}, ("P", 0, 0, "dropped", "an offset that is no integer"), id="word"),
        pytest.param(
            {"start": 0.5, "end": 1, "label": "P"}, ("P", 0, 0, "dropped", "an offset that is no integer"), id="fraction"
        ),
        pytest.param({"start": True, "end": 1, "label": "P"}, ("P", 0, 0, "dropped", "an offset that is no integer"), id="truth"),
        pytest.param({"start": 0, "end": 1}, ("?", 0, 1, "unknown", "no label"), id="no label"),
        pytest.param({"start": 0, "end": 1, "label": ["P"]}, ("P", 0, 1, "kept", ""), id="list label"),
        pytest.param(
            {"start": 0, "end": 1, "label": {"P": 1}}, ("?", 0, 1, "unknown", "a label that is no string"), id="object label"
        ),
        pytest.param("P", ("?", 0, 0, "dropped", "an offset that is no integer"), id="text"),
        pytest.param({"start": "0", "end": " 2", "label": "P"}, ("P", 0, 2, "kept", ""), id="numbers in quotes"),
        pytest.param({"start": -4, "end": 99, "label": "P"}, ("P", -4, 99, "kept", ""), id="outside, for others to judge"),
    ],
)
def test_a_span_is_never_lost(read, span, expected):
    (text,) = read(rows(("ab", json.dumps([span]))), layout="spans")
    assert outcomes(text) == [expected]
    assert text.problems == [expected[4]] * bool(expected[4]) and not text.damage


def test_a_damaged_row_still_names_its_spans(read):
    content = rows(("aX", '[{"start": 0, "end": 1, "label": "P"}]'), ("b", "[]")).encode().replace(b"X", b"\xff")
    broken, whole = read(content, layout="spans")
    assert (broken.damage, [span.origin for span in broken.spans]) == ("byte 0xff is not UTF-8", ["P"])
    assert not whole.damage


# standoff


def test_all_rows_of_a_document_are_one_text(read_standoff, tmp_path):
    a, b = read_standoff(STANDOFF)
    assert (a.text, found(a), a.group, a.where, a.line) == (
        TEXTS["a.txt"],
        [("Ann", "P"), ("Rome", "L")],
        "a",
        f"{tmp_path}/t/../texts/a.txt",
        1,
    )
    assert (b.text, found(b), [span.surface for span in b.spans]) == (TEXTS["b.txt"], [("Oslo", "L")], ["Oslo"])


def test_a_document_may_stand_in_several_tables_of_a_folder(read_standoff):
    header, *lines = STANDOFF.splitlines(keepends=True)
    texts = read_standoff({f"{i}.tsv": header + line for i, line in enumerate(lines)})
    assert [len(text.spans) for text in texts] == [2, 1]


def test_a_bare_quote_and_crlf_in_a_text_are_characters(read_standoff):
    (text,) = read_standoff('document\tstart\tend\tlabel\tsurface\r\na\t3\t8\tQ\t"5 m"\r\n', {"a.txt": 'x\r\n"5 m"'})
    assert (found(text), text.spans[0].surface) == ([('"5 m"', "Q")], '"5 m"')


UNLISTED = TEXTS | {"c.txt": "nobody", "d.txt": ""}


def test_a_text_without_rows_is_damage_in_a_folder_of_tables(read_standoff):
    assert [(text.group, text.damage) for text in read_standoff({"f.tsv": STANDOFF}, UNLISTED)] == [
        ("a", ""),
        ("b", ""),
        ("c", "no row in the table"),
        ("d", "no row in the table"),
    ]


def test_a_text_without_rows_is_not_looked_for_by_one_table(read_standoff):
    assert [text.group for text in read_standoff(STANDOFF, UNLISTED)] == ["a", "b"]


def test_a_text_without_rows_may_be_free_of_entities(read_standoff):
    texts = read_standoff({"f.tsv": STANDOFF}, UNLISTED, unlisted=True)
    assert [(text.group, text.text, len(text.spans), text.damage) for text in texts][2:] == [("c", "nobody", 0, "")]


def test_a_lost_row_damages_its_neighbors_and_leaves_no_text_free_of_entities(read_standoff):
    lost = STANDOFF + "c\t0\t6\tP\n" + STANDOFF.splitlines()[1] + "\n"
    assert not any(text.damage for text in read_standoff(lost, UNLISTED, unlisted=True))
    for row in (b"\xff\t0\t6\tP\tnobody\n", b"c\xff\t0\n"):
        a, b, broken, c, *_ = read_standoff(STANDOFF.encode() + row + b"b\t0\t2\tX\tin\n", UNLISTED, unlisted=True)
        assert (a.damage, b.damage) == ("a row next to its rows is lost",) * 2
        assert (broken.line, broken.damage) == (5, "byte 0xff is not UTF-8")
        assert (c.text, c.damage) == ("nobody", "no row in the table, which has lost rows")


@pytest.mark.parametrize(
    ("row", "expected", "problem"),
    [
        ("a\tx\t3\tP\tAnn", ("P", 0, 0, "dropped", "an offset that is no integer"), "an offset that is no integer"),
        ("a\t0\t3\t\tAnn", ("?", 0, 3, "unknown", "no label"), "no label"),
        ("a\t0\t3\tP", ("P", 0, 3, "unknown", "4 cells, expected 5"), "4 cells, expected 5"),
        ("a\t0\t3\tP\tAnn\tLee", ("P", 0, 3, "unknown", "6 cells, expected 5"), "6 cells, expected 5"),
        ("a\t0\t3\tP\tAnn\0", ("P", 0, 3, "unknown", "a NUL byte"), "a NUL byte"),
        ("a", ("?", 0, 0, "dropped", "1 cells, expected 5"), "1 cells, expected 5"),
    ],
)
def test_a_damaged_row_is_a_span_that_says_so(read_standoff, row, expected, problem):
    first, _ = read_standoff(STANDOFF + row + "\n")
    assert outcomes(first)[-1] == expected and problem in first.problems and not first.damage


def test_a_document_without_its_text_names_what_is_lost(read_standoff, tmp_path):
    *_, lost = read_standoff(STANDOFF + "../z\t0\t3\tP\tAnn\n../z\t4\t5\tL\tx\n")
    assert (lost.damage, lost.where, lost.line) == ("no .txt file of '../z'", f"{tmp_path}/t/f.tsv", 5)
    assert [span.origin for span in lost.spans] == ["P", "L"]


def test_a_text_that_cannot_be_read_is_damage(read_standoff):
    a, b = read_standoff(STANDOFF, TEXTS | {"a.txt": b"Ann in R\xffme"})
    assert (a.damage, len(a.spans), b.damage) == ("byte 0xff is not UTF-8", 2, "")


def test_a_pattern_names_the_document_of_a_paragraph(read_standoff):
    texts = {"p-1.txt": "Ann", "p-2.txt": "Ann"}
    table = "document\tstart\tend\tlabel\tsurface\np-1\t0\t3\tP\tAnn\np-2\t0\t3\tP\tAnn\n"
    assert [text.group for text in read_standoff(table, texts, group="^(.*)-[0-9]+$")] == ["p", "p"]


@pytest.mark.parametrize(
    ("texts", "message"), [(None, "no folder of texts. Give texts under options"), ("../none", "no *.txt files here")]
)
def test_missing_texts_are_an_error(tmp_path, texts, message):
    path = write(tmp_path / "t", {"f.tsv": STANDOFF}) / "f.tsv"
    with pytest.raises(Ner11Error) as error:
        list(read_csv(path, **(STANDOFF_OPTIONS | {"texts": texts})))
    assert message in str(error.value)


# all layouts

LAYOUTS = {"tokens": TOKENS, "spans": SPANS}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_of_tables(tmp_path, layout):
    folder = write(tmp_path / "t", {"b.csv": LAYOUTS[layout], "a.csv": LAYOUTS[layout], "x.md": "x"})
    texts = list(read_csv(folder, layout=layout))
    assert [text.where[-5:] for text in texts] == ["a.csv"] * 2 + ["b.csv"] * 2
    assert len({text.group for text in texts}) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "sentence,word,tag\n",
            ":1: no column 'token', only sentence, word, tag. Correct the columns or the delimiter in datasets.yml.",
        ),
        ("\n\nsentence;token;tag\n", ":3: no column 'sentence', only sentence;token;tag. Correct the columns"),
        (b"sentence,token,tag\xff\n", ":1: header: byte 0xff is not UTF-8. Correct the header."),
        ("a".encode("utf-16"), ":1: UTF-16, expected UTF-8. Convert the file to UTF-8."),
    ],
)
def test_a_header_that_cannot_be_used_is_an_error(read, tmp_path, content, message):
    with pytest.raises(Ner11Error) as error:
        read(content, layout="tokens")
    assert f"{tmp_path}/t/f.csv{message}" in str(error.value)


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(Ner11Error, match="cannot be read"):
        list(read_csv(tmp_path / "none.csv", layout="tokens"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("content", ["", "\n", b"\xef\xbb\xbf", "header"])
def test_an_empty_table_has_no_texts(read, layout, content):
    assert read(LAYOUTS[layout].splitlines()[0] if content == "header" else content, layout=layout) == []


@pytest.mark.parametrize("length", [300_000, 10 * files.MAX_LINE])
def test_a_long_cell_is_read_and_a_line_without_end_is_damage(read, monkeypatch, length):
    monkeypatch.setattr(table, "MAX_LINE", 400_000)
    length = min(length, 1_000_000)
    long, whole = read(f"text,spans\n{'a' * length},[]\nb,[]\n", layout="spans")
    assert (len(long.text), long.damage) == ((length, "") if length < 400_000 else (0, "a line over 0 MiB"))
    assert (whole.text, whole.line, whole.damage) == ("b", 3, "")


def test_tables_are_streamed(tmp_path):
    path = tmp_path / "f.csv"
    path.write_bytes(b"text,spans\na,[]\n" + b"b,[]\n" * 10 + b'"')
    assert next(read_csv(path, layout="spans")).text == "a"


def test_the_reader_is_registered():
    assert readers.get("csv") is read_csv


@FUZZ
@given(st.sampled_from([TOKENS, SPANS, STANDOFF]), st.data(), st.booleans())
def test_damage_never_crashes(tmp_path, content, data, quoting):
    write(tmp_path / "texts", TEXTS)
    path = write(tmp_path / "t", {"f.csv": data.draw(damaged(content.encode()))}) / "f.csv"
    layout = {TOKENS: "tokens", SPANS: "spans", STANDOFF: "standoff"}[content]
    options = STANDOFF_OPTIONS if layout == "standoff" else {"layout": layout}
    check_texts(lambda: read_csv(path, **(options | {"quoting": quoting})))


LABEL = st.text("AB é🐍-", min_size=1).filter(str.strip)
SPAN = st.fixed_dictionaries(
    {"start": st.integers(0, 9), "end": st.integers(0, 9), "label": LABEL, "surface": st.text(max_size=3)}
)


@FUZZ
@given(st.lists(st.tuples(st.text('ab ,"\n\r\té🐍\u2028', min_size=1), st.lists(SPAN, max_size=3)), max_size=4))
def test_an_undamaged_table_gives_every_text_and_span(tmp_path, records):
    path = tmp_path / "f.csv"
    path.write_bytes(rows(*((text, json.dumps(spans, ensure_ascii=False)) for text, spans in records)).encode())
    texts = list(read_csv(path, layout="spans", surface="surface"))
    assert [text.text for text in texts] == [text for text, _ in records]
    for text, (_, spans) in zip(texts, records, strict=True):
        assert [{"start": s.start, "end": s.end, "label": s.origin, "surface": s.surface} for s in text.spans] == spans
        assert not text.problems and not text.damage
