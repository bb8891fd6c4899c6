import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner11.errors import Ner11Error
from ner11.readers import files
from ner11.readers.files import Line, list_files, read_lines, read_utf8
from tests.readers.fuzz import FUZZ


@pytest.mark.parametrize("text", ["", "naïve 🐍", "a\r\nb\rc\u2028d\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_text_is_read_with_its_line_ends(tmp_path, text, mark):
    path = tmp_path / "f.txt"
    path.write_bytes(mark + text.encode())
    assert read_utf8(path) == text


@pytest.mark.parametrize(
    ("data", "line", "byte"),
    [
        (b"\xff", 1, "ff"),
        (b"a\r\nb\rc \xe9\n", 2, "e9"),
        (b"a\n\n\xc3", 3, "c3"),
        (b"\xef\xbb\xbfa\n\n\xc3", 3, "c3"),
        (b"a\x00\n\xed\xa0\x80", 2, "ed"),
    ],
    ids=["first", "Latin-1", "cut short", "after a mark", "surrogate"],
)
def test_a_byte_that_is_not_utf8_names_its_line(tmp_path, data, line, byte):
    path = tmp_path / "f.txt"
    path.write_bytes(data)
    with pytest.raises(Ner11Error) as error:
        read_utf8(path)
    assert str(error.value) == f"{path}:{line}: byte 0x{byte} is not UTF-8. Convert the file to UTF-8."


@pytest.mark.parametrize("read", [read_utf8, lambda path: list(read_lines(path))], ids=["whole", "lines"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.txt", "No such file or directory"),
        (".", "Is a directory"),
        ("loop.txt", "Too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, why, read):
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    with pytest.raises(Ner11Error) as error:
        read(tmp_path / name)
    assert str(error.value) == f"{tmp_path / name}: cannot be read ({why}). Check the path and its permissions."


@pytest.mark.parametrize("read", [read_utf8, lambda path: list(read_lines(path))], ids=["whole", "lines"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_told(tmp_path, read, encoding):
    path = tmp_path / "f.txt"
    path.write_bytes("\ufeffa".encode(encoding))
    with pytest.raises(Ner11Error) as error:
        read(path)
    assert str(error.value) == f"{path}:1: UTF-16, expected UTF-8. Convert the file to UTF-8."


def lines(tmp_path, data):
    path = tmp_path / "f.txt"
    path.write_bytes(data)
    return list(read_lines(path))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\r\nb\n\nc", ["a", "b", "", "c"]),
        ("a\rb\u2028c\x85\x0b\n".encode(), ["a\rb\u2028c\x85\x0b"]),
    ],
    ids=repr,
)
def test_line_feeds_end_lines(tmp_path, data, mark, expected):
    assert lines(tmp_path, mark + data) == [Line(i, text, "") for i, text in enumerate(expected, start=1)]


@pytest.mark.parametrize(
    ("line", "text", "damage"),
    [
        (b"x\xe9y", "x\ufffdy", "byte 0xe9 is not UTF-8"),
        (b"x\0y", "x\0y", "a NUL byte"),
        (b"x" * 41, "", "a line over 0 MiB"),
        (b"x" * 1000, "", "a line over 0 MiB"),
    ],
    ids=["encoding", "NUL", "length", "length of many blocks"],
)
@pytest.mark.parametrize("block", [7, 1 << 20])
def test_damage_stays_in_its_line(tmp_path, monkeypatch, line, text, damage, block):
    monkeypatch.setattr(files, "MAX_LINE", 40)
    monkeypatch.setattr(files, "_BLOCK", block)
    assert lines(tmp_path, b"a\n" + line + b"\r\nb\n") == [Line(1, "a", ""), Line(2, text, damage), Line(3, "b", "")]
    assert lines(tmp_path, b"a\n" + line) == [Line(1, "a", ""), Line(2, text, damage)]


@FUZZ
@given(st.lists(st.text("aé\r\u2028🐍", max_size=6), min_size=1, max_size=12), st.integers(1, 9))
def test_lines_do_not_depend_on_how_the_file_is_read(tmp_path, texts, block):
    before = files._BLOCK
    files._BLOCK = block
    try:
        found = lines(tmp_path, "".join(f"{text}\n" for text in texts).encode())
    finally:
        files._BLOCK = before
    assert found == [Line(i, text.removesuffix("\r"), "") for i, text in enumerate(texts, start=1)]


def test_files_are_listed_by_name_and_folders_are_none(tmp_path):
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).touch()
    (tmp_path / "d.txt").mkdir()
    assert [path.name for path in list_files(tmp_path, "*.txt")] == ["a.txt", "b.txt"]
    with pytest.raises(Ner11Error, match="no \\*\\.tsv files here"):
        list_files(tmp_path, "*.tsv")
