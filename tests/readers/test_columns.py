import pytest

from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.columns import read_columns, tag_spans


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "f.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_columns(path, **options))

    return read


def found(text):
    return [(text.text[span.start : span.end], span.origin) for span in text.spans]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        pytest.param("O I-A I-A O I-B", [(1, 3, "A"), (4, 5, "B")], id="IOB1"),
        pytest.param("I-A B-A I-A", [(0, 1, "A"), (1, 3, "A")], id="IOB1 adjacent"),
        pytest.param("B-A I-A O B-B", [(0, 2, "A"), (3, 4, "B")], id="BIO"),
        pytest.param("B-A B-A I-A", [(0, 1, "A"), (1, 3, "A")], id="BIO adjacent"),
        pytest.param("B-A I-B I-A", [(0, 1, "A"), (1, 2, "B"), (2, 3, "A")], id="I- of another label"),
        pytest.param("O I-A I-A B-B", [(1, 3, "A"), (3, 4, "B")], id="I- without B-"),
        pytest.param("B-A E-A S-A S-A B-B I-B E-B", [(0, 2, "A"), (2, 3, "A"), (3, 4, "A"), (4, 7, "B")], id="BIOES"),
        pytest.param("B-A L-A U-A U-A B-B I-B L-B", [(0, 2, "A"), (2, 3, "A"), (3, 4, "A"), (4, 7, "B")], id="BILUO"),
        pytest.param("B-A E-A I-A", [(0, 2, "A"), (2, 3, "A")], id="I- after E-"),
        pytest.param("O E-A L-B", [(1, 2, "A"), (2, 3, "B")], id="end without a beginning"),
        pytest.param("B-A S-A I-A", [(0, 1, "A"), (1, 2, "A"), (2, 3, "A")], id="S- closes"),
        pytest.param("B-creative-work I-creative-work", [(0, 2, "creative-work")], id="label with a dash"),
        pytest.param("O O", [], id="none"),
        pytest.param("", [], id="empty"),
    ],
)
def test_tag_schemes(tags, spans):
    assert tag_spans(tags.split(), where="f") == spans


@pytest.mark.parametrize("tag", ["", "B", "B-", "-A", "X-A", "b-A", "o", "O-A", "A", "B_A"])
def test_a_damaged_tag_names_file_line_and_tag(read, tmp_path, tag):
    with pytest.raises(Ner11Error) as error:
        read(f"a\tO\n\nb\t{tag}\n")
    assert str(error.value) == (f"{tmp_path}/f.txt:3: '{tag}' is no tag. Expected O, or B-, I-, E-, S-, L- or U- and a label.")


def test_sentences_become_texts_with_their_lines(read, tmp_path):
    first, second = read("Ann\tB-P\nLee\tI-P\n.\tO\n\n\nOslo\tB-L\n")
    assert (first.text, found(first), first.line) == ("Ann Lee.", [("Ann Lee", "P")], 1)
    assert (second.text, found(second), second.line) == ("Oslo", [("Oslo", "L")], 6)
    assert first.where == f"{tmp_path}/f.txt" and first.group != second.group


@pytest.mark.parametrize("blank", ["", "\t", " ", " \t\t", "\r"], ids=repr)
def test_a_line_without_a_token_ends_a_sentence(read, blank):
    assert [text.text for text in read(f"a\tB-A\n{blank}\nb\tI-A\n")] == ["a", "b"]


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"], ids=repr)
def test_the_last_sentence_needs_no_blank_line(read, end):
    assert [text.text for text in read("a\tO\n\nb\tO" + end)] == ["a", "b"]


def test_byte_order_mark_and_crlf_leave_no_trace(read):
    (text,) = read(b"\xef\xbb\xbfAnn\tB-P\r\nLee\tI-P\r\n\r\n")
    assert (text.text, found(text)) == ("Ann Lee", [("Ann Lee", "P")])


@pytest.mark.parametrize("character", ["\r", "\u2028", "\u0085", "\x0b", "\x1d"], ids=ascii)
def test_other_line_separators_are_part_of_a_token(read, character):
    (text,) = read(f"a{character}b\tB-A\nc\tO\n")
    assert (text.text, found(text)) == (f"a{character}b c", [(f"a{character}b", "A")])


@pytest.mark.parametrize(
    ("line", "options", "message"),
    [
        ("b", {}, "1 columns, expected at least 2"),
        ("b O", {}, "1 columns, expected at least 2"),
        ("b\tO", {"tag_columns": [1, 3]}, "2 columns, expected at least 4"),
        ("b\tO", {"tag_columns": [-3]}, "2 columns, expected at least 3"),
    ],
)
def test_too_few_columns_name_the_line(read, tmp_path, line, options, message):
    with pytest.raises(Ner11Error) as error:
        read(f"a\tO\tO\tO\n{line}\n", **options)
    assert str(error.value) == (
        f"{tmp_path}/f.txt:2: {message}. Correct the line, or the separator and the tag columns in datasets.yml."
    )


def test_a_byte_that_is_not_utf8_names_the_line(read, tmp_path):
    with pytest.raises(Ner11Error) as error:
        read(b"a\tO\nb\xe9\tO\n")
    assert str(error.value) == f"{tmp_path}/f.txt:2: byte 0xe9 is not UTF-8. Convert the file to UTF-8."


def test_the_last_column_holds_the_tags_by_default(read):
    assert found(read("a\tNN\tB-X\tB-Y\n")[0]) == [("a", "Y")]


def test_spans_of_several_columns_may_overlap(read):
    (text,) = read("Bank\tB-O\tO\nof\tI-O\tO\nOslo\tI-O\tB-L\n", tag_columns=[1, 2])
    assert found(text) == [("Bank of Oslo", "O"), ("Oslo", "L")]


def test_another_separator(read):
    assert found(read("Ann B-P\nLee I-P\n", separator=" ")[0]) == [("Ann Lee", "P")]


def test_document_marks_make_groups(read):
    mark = "-DOCSTART-\tO\n"
    texts = read(f"{mark}a\tO\n\nb\tO\n{mark}\nc\tO\n\n{mark}d\tO\n", document_mark="-DOCSTART-")
    assert [text.text for text in texts] == ["a", "b", "c", "d"]
    groups = [text.group for text in texts]
    assert groups[0] == groups[1] and len(set(groups)) == 3


def test_a_document_mark_may_stand_alone_in_its_line(read):
    texts = read("a\tO\n<DOC>\nb\tO\n", document_mark="<DOC>")
    assert [(text.text, text.line) for text in texts] == [("a", 1), ("b", 3)]


def test_an_empty_file_has_no_texts(read):
    assert read("\n \n") == []


def test_the_reader_is_registered():
    assert readers.get("columns") is read_columns


def test_a_no_break_space_is_a_blank_and_ends_neither_sentence_nor_entity(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("Lazarus\tB-GROUP\n\xa0\tI-GROUP\nGroup\tI-GROUP\n\xa0\tO\nstruck\tO\n\t\nAgain\tO\n", encoding="utf8")
    first, second = read_columns(path)
    (span,) = first.spans
    assert (first.text, second.text) == ("Lazarus Group struck", "Again")
    assert first.text[span.start : span.end] == "Lazarus Group"


def test_an_entity_of_blanks_alone_is_still_told(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("a\tO\n\xa0\tB-X\nb\tO\n", encoding="utf8")
    (text,) = read_columns(path)
    assert [(span.origin, span.start == span.end) for span in text.spans] == [("X", True)]
