import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.errors import Ner11Error
from ner11.readers.inline import parse_inline, read_inline
from tests.readers.fuzz import FUZZ, check_texts, damaged


def found(markup):
    text = parse_inline(markup, where="f.md")
    return text.text, [(text.text[span.start : span.end], span.origin) for span in text.spans]


@pytest.mark.parametrize(
    ("markup", "text", "spans"),
    [
        pytest.param("[APT28](ACTOR) used [X](TOOL).", "APT28 used X.", [("APT28", "ACTOR"), ("X", "TOOL")], id="two"),
        pytest.param("[a](A)[b](B)", "ab", [("a", "A"), ("b", "B")], id="adjacent"),
        pytest.param("none (at all)", "none (at all)", [], id="none"),
        pytest.param(r"\[x\](A) [y](A)", "[x](A) y", [("y", "A")], id="literal brackets"),
        pytest.param(r"[cdn\[.\]ex](D)", "cdn[.]ex", [("cdn[.]ex", "D")], id="literal brackets inside"),
        pytest.param(r"[C:\Users\x](FILE) \n \\", r"C:\Users\x \n \\", [(r"C:\Users\x", "FILE")], id="other backslashes"),
        pytest.param("[f()](CODE)(x)", "f()(x)", [("f()", "CODE")], id="parentheses"),
        pytest.param("🐍 [naïve🐍](A)\n[b](B)", "🐍 naïve🐍\nb", [("naïve🐍", "A"), ("b", "B")], id="code points"),
        pytest.param("", "", [], id="empty"),
    ],
)
def test_markup(markup, text, spans):
    assert found(markup) == (text, spans)


BLANK = "an entity with a blank at its edge or a line break. Mark the bare name on one line."


@pytest.mark.parametrize(
    ("entity", "message"),
    [
        pytest.param("[abc", r"a '[' without its ']'. Close the entity, or write a literal bracket as \[.", id="unclosed"),
        pytest.param("[](A)", "an empty entity. Mark the bare name on one line.", id="empty"),
        pytest.param("[ a](A)", BLANK, id="blank before"),
        pytest.param("[a\u00a0](A)", BLANK, id="blank behind"),
        pytest.param("[ ](A)", BLANK, id="blank only"),
        pytest.param("[a\nb](A)", BLANK, id="line break"),
        pytest.param("]", r"a ']' without its '['. Write a literal bracket as \].", id="stray"),
        pytest.param("](A)", r"a ']' without its '['. Write a literal bracket as \].", id="stray with label"),
    ],
)
def test_damaged_markup_names_line_and_column_of_the_bracket(entity, message):
    with pytest.raises(Ner11Error) as error:
        parse_inline(f"[ok](A)\n\nsix 🐍 {entity}", where="f.md")
    assert str(error.value) == f"f.md:3:7: {message}"


@pytest.mark.parametrize("label", ["", "()", "(A B)", "( A)", " (A)", "(A", "[A]"])
def test_a_missing_label_names_the_closing_bracket(label):
    with pytest.raises(Ner11Error) as error:
        parse_inline(f"x\n[abc]{label} y", where="f.md")
    assert str(error.value) == "f.md:2:5: an entity without (LABEL) behind its ']'. Write [surface](LABEL)."


def test_a_nested_bracket_names_the_inner_one():
    with pytest.raises(Ner11Error) as error:
        parse_inline("[a [b](A)](B)", where="f.md")
    assert str(error.value) == r"f.md:1:4: a '[' inside an entity. Write a literal bracket as \[."


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    for name in ("b.md", "a.md", "c.csv"):
        (tmp_path / name).write_text(f"[{name[0]}](A)\n\n", encoding="utf8")
    texts = list(read_inline(tmp_path))
    assert [(text.text, text.group, text.where) for text in texts] == [
        ("a", "a", f"{tmp_path}/a.md"),
        ("b", "b", f"{tmp_path}/b.md"),
    ]


def test_each_line_of_a_txt_file_is_a_text_and_a_group(tmp_path):
    (tmp_path / "b.md").write_text("[x](A)\n\n[y](A)", encoding="utf8")
    (tmp_path / "a.txt").write_bytes(b"[one](A) two\r\n\r\n \t\nthree \n")
    texts = list(read_inline(tmp_path))
    assert [(text.text, text.group) for text in texts] == [("one two", "a:1"), ("three", "a:4"), ("x\n\ny", "b")]


def test_a_folder_of_txt_files_alone_is_read_and_spans_have_their_place(tmp_path):
    (tmp_path / "a.txt").write_text("bare\n\n[x](A) and [y](B)\n", encoding="utf8")
    _, text = read_inline(tmp_path)
    assert [text.place(span) for span in text.spans] == [f"{tmp_path}/a.txt:3"] * 2


def test_a_damaged_line_of_a_txt_file_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\n  [x\n", encoding="utf8")
    with pytest.raises(Ner11Error) as error:
        list(read_inline(tmp_path))
    assert str(error.value).startswith(f"{tmp_path}/a.txt:3:3: a '[' without its ']'.")


def test_byte_order_mark_and_crlf_leave_no_trace(tmp_path):
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbf[x](A)\r\n[y](B)\r\n")
    (text,) = read_inline(tmp_path)
    assert text.text == "x\ny"
    assert [text.place(span) for span in text.spans] == [f"{tmp_path}/a.md:1", f"{tmp_path}/a.md:2"]


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "a.md").write_bytes(b"one\r\n  [x\r\n")
    with pytest.raises(Ner11Error) as error:
        list(read_inline(tmp_path))
    assert str(error.value).startswith(f"{tmp_path}/a.md:2:3: a '[' without its ']'.")


@pytest.mark.parametrize("folder", [".", "none"])
def test_a_folder_without_texts_is_an_error(tmp_path, folder):
    with pytest.raises(Ner11Error) as error:
        list(read_inline(tmp_path / folder))
    assert str(error.value) == (
        f"{tmp_path / folder}: no *.md files here, and no *.txt files. Put them there or correct the path."
    )


PARTS = st.tuples(st.text("ab .[]\\🐍\n", max_size=5), st.one_of(st.none(), st.text("ab[]🐍", min_size=1, max_size=4)))


@FUZZ
@given(st.lists(PARTS, max_size=6))
def test_every_entity_of_sound_markup_is_read(parts):
    def escape(text):
        return re.sub(r"[\[\]]", r"\\\g<0>", text)

    pieces = [(before.replace("\\", ""), surface) for before, surface in parts]
    markup = "".join(escape(before) + (f"[{escape(surface)}](X)" if surface else "") for before, surface in pieces)
    text = parse_inline(markup, where="f.md")
    assert text.text == "".join(before + (surface or "") for before, surface in pieces)
    assert [text.text[span.start : span.end] for span in text.spans] == [surface for _, surface in pieces if surface]


@FUZZ
@given(damaged("[Ann](PER) saw\n[Oslo 🐍](LOC) \\[x\\].\n".encode()))
def test_damage_never_crashes(tmp_path, content):
    (tmp_path / "a.md").write_bytes(content)
    (tmp_path / "a.txt").write_bytes(content)
    check_texts(lambda: read_inline(tmp_path))
