import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.readers import readers
from ner11.readers.columns import DAMAGED_TAG, NO_TAG, read_columns, tag_spans
from ner11.readers.files import MAX_LINE
from tests.readers.fuzz import FUZZ, check_texts, damaged


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
    assert tag_spans(tags.split()) == spans


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O A A O B", [(1, 3, "A"), (4, 5, "B")]),
        ("A B B", [(0, 1, "A"), (1, 3, "B")]),
        ("B-A I-A", [(0, 1, "B-A"), (1, 2, "I-A")]),
        ("O O", []),
    ],
)
def test_bare_labels(tags, spans):
    assert tag_spans(tags.split(), bare=True) == spans


@pytest.mark.parametrize("tag", ["", "B", "B-", "-A", "X-A", "b-A", "o", "O-A", "A", "B_A", "B-?"])
def test_a_damaged_tag_makes_its_token_an_unknown_span(read, tag):
    (text,) = read(f"a\tB-X\nb\t{tag}\nc\tI-X\n")
    reason = DAMAGED_TAG if tag else "a token without a tag"
    assert text.text == "a b c" and text.problems == [reason] and not text.damage
    assert [(text.text[span.start : span.end], span.origin, span.outcome, span.reason) for span in text.spans] == [
        ("a", "X", "kept", ""),
        ("b", NO_TAG, "unknown", reason),
        ("c", "X", "kept", ""),
    ]


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
    ("line", "options", "reason"),
    [
        ("b", {}, "a token without a tag"),
        ("b O", {}, "a token without a tag"),
        ("b\tO", {"tag_columns": [3]}, "a token without a tag"),
        ("b\tO", {"tag_columns": [-3]}, "a token without a tag"),
        ("b\tO\tO\tO\tO", {"columns": 4}, DAMAGED_TAG),
    ],
    ids=["one column", "another separator", "too few", "too few from the end", "too many"],
)
def test_a_line_with_other_columns_is_an_unknown_span(read, line, options, reason):
    (text,) = read(f"a\tO\tO\tO\n{line}\nc\tO\tO\tO\n", **options)
    assert text.text == f"a {line.split(chr(9))[0]} c" and text.problems == [reason]
    assert [(span.origin, span.outcome, span.reason) for span in text.spans] == [(NO_TAG, "unknown", reason)]


def test_a_tag_without_a_token_takes_no_room_and_is_told(read):
    (text,) = read("a\tO\n\tB-X\nb\tI-X\n\tO\n\tB-Y\n")
    assert text.text == "a b" and text.problems == ["a tag without a token"] * 3
    assert [(text.text[span.start : span.end], span.origin, span.outcome) for span in text.spans] == [
        ("b", "X", "kept"),
        ("", "Y", "dropped"),
    ]


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_a_lone_o_is_a_tag_without_a_token(read, separator):
    (text,) = read("a|B-X\nO\nb|O\n".replace("|", separator), separator=separator)
    assert (text.text, found(text), text.problems) == ("a b", [("a", "X")], ["a tag without a token"])


def test_a_blank_before_the_tag_only_is_a_tag_without_a_token(read):
    (text,) = read("a O\n B-X\nb O\n", separator=" ")
    assert (text.text, [(span.origin, span.outcome) for span in text.spans]) == ("a b", [("X", "dropped")])


@pytest.mark.parametrize("options", [{"token_column": -2}, {"token_column": -2, "separator": " "}])
def test_a_token_column_counted_from_the_end(read, options):
    separator = options.get("separator", "\t")
    texts = read("x|a|O\nO\n\nx|b|B-X\n".replace("|", separator), **options)
    assert [(text.text, [span.origin for span in text.spans]) for text in texts] == [("a", []), ("b", ["X"])]


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        (b"b\xe9\tB-X", "line 2: byte 0xe9 is not UTF-8"),
        (b"b\0\tB-X", "line 2: a NUL byte"),
        (b"b" * (MAX_LINE + 1), "line 2: a line over 16 MiB"),
    ],
    ids=["encoding", "NUL", "length"],
)
def test_a_sentence_with_a_damaged_line_is_damage_and_the_next_one_is_sound(read, line, damage):
    torn, sound = read(b"a\tB-Y\n" + line + b"\n\nc\tB-X\n")
    assert (torn.damage, torn.line, sound.damage, sound.line) == (damage, 1, "", 4)
    assert [(span.origin, span.outcome) for span in torn.spans] == [("Y", "kept"), (NO_TAG, "unknown")]
    assert found(sound) == [("c", "X")]


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


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff\r\n"], ids=repr)
def test_an_empty_file_has_no_texts(read, content):
    assert read(content) == []


def test_comments_and_lines_that_name_the_document(read):
    content = "# global\na\tO\n# id = x\nb\tO\n\n# text\nc\tO\n# id = y\nd\tO\n"
    texts = read(content, comment="#", group=r"# id = (\w+)")
    assert [(text.text, text.group, text.line) for text in texts] == [
        ("a", "f:2", 2),
        ("b", "x", 4),
        ("c", "x", 7),
        ("d", "y", 9),
    ]


TAGS = st.sampled_from(["O", "O", "B-X", "I-X", "B-Y", "I-Y", "E-X", "S-Y"])
SENTENCES = st.lists(
    st.lists(st.tuples(st.sampled_from(["Ann", "Oslo", ",", '"', "é", "\xa0"]), TAGS), min_size=1, max_size=6), max_size=6
)


@FUZZ
@given(SENTENCES, st.sampled_from(["\n", "\r\n"]))
def test_every_span_of_a_sound_file_is_read(tmp_path, sentences, end):
    path = tmp_path / "f.txt"
    lines = [end.join(f"{token}\t{tag}" for token, tag in sentence) for sentence in sentences]
    path.write_bytes((end + end).join(lines).encode())
    texts = check_texts(lambda: read_columns(path))
    spans = [len(tag_spans([tag for _, tag in sentence])) for sentence in sentences]
    assert [len(text.spans) for text in texts] == spans
    assert not any(text.damage or text.problems for text in texts)


CONTENT = "-D-\tO\n\nAnn\tB-X\nLee\tI-X\n.\tO\n\nOslo\tB-Y\n# c\n\n-D-\tO\nné\tO\n".encode()
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "separator": st.sampled_from([" ", "\t", "-"]),
        "columns": st.integers(2, 3),
        "token_column": st.integers(-3, 2),
        "tag_columns": st.lists(st.integers(-3, 3), min_size=1, max_size=2),
        "bare": st.booleans(),
        "comment": st.just("#"),
        "document_mark": st.just("-D-"),
        "group": st.just("# (.*)"),
    },
)


@FUZZ
@given(damaged(CONTENT), OPTIONS)
def test_damage_never_crashes(tmp_path, content, options):
    path = tmp_path / "f.txt"
    path.write_bytes(content)
    check_texts(lambda: read_columns(path, **options))


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
