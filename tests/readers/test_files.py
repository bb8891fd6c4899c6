import pytest

from ner11.errors import Ner11Error
from ner11.readers.files import read_utf8


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


@pytest.mark.parametrize(("name", "why"), [("none.txt", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, why):
    with pytest.raises(Ner11Error) as error:
        read_utf8(tmp_path / name)
    assert str(error.value) == f"{tmp_path / name}: cannot be read ({why}). Check the path and its permissions."
