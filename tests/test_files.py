import json
from pathlib import Path

import pytest

from ner11.files import hash_folder, replaced_dir, swap_in, write_json, write_text


def tree(folder):
    return {str(path.relative_to(folder)): path.read_text(encoding="utf8") for path in folder.rglob("*") if path.is_file()}


def make(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf8")
    return folder


def break_renames(monkeypatch):
    def no_space(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    monkeypatch.setattr(Path, "rename", no_space)


def test_text_is_utf8_and_makes_its_folder(tmp_path):
    write_text(tmp_path / "a" / "b" / "note.txt", "naïve 🐍\n")
    assert (tmp_path / "a" / "b" / "note.txt").read_bytes() == "naïve 🐍\n".encode()


def test_text_replaces_the_old_file(tmp_path):
    write_text(tmp_path / "note.txt", "old")
    write_text(tmp_path / "note.txt", "new")
    assert tree(tmp_path) == {"note.txt": "new"}


def test_a_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "note.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "note.txt", "new \ud800")
    assert tree(tmp_path) == {"note.txt": "old"}


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / "note.txt", "old")
    break_renames(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "note.txt", "new")
    assert tree(tmp_path) == {"note.txt": "old"}


def test_leftovers_of_a_killed_text_write_do_not_matter(tmp_path):
    make(tmp_path / "x", **{".note.txt.partial": "half"})
    write_text(tmp_path / "x" / "note.txt", "new")
    assert tree(tmp_path / "x") == {"note.txt": "new"}


def test_json_does_not_depend_on_the_order_of_keys(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1, None]})
    write_json(tmp_path / "b.json", {"a": [1, None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf8")) == {"a": [1, None], "b": 1}


def test_unwritable_json_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", object())
    assert tree(tmp_path) == {"a.json": "1\n"}


def test_a_folder_is_replaced_whole(tmp_path):
    out = make(tmp_path / "out", stale="old")
    with replaced_dir(out) as partial:
        (partial / "fresh").write_text("new", encoding="utf8")
        assert tree(out) == {"stale": "old"}
    assert tree(tmp_path) == {"out/fresh": "new"}


def test_a_folder_and_its_parents_are_made(tmp_path):
    with replaced_dir(tmp_path / "a" / "out") as partial:
        (partial / "fresh").write_text("new", encoding="utf8")
    assert tree(tmp_path) == {"a/out/fresh": "new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failing_block_leaves_the_old_folder(tmp_path, error):
    out = make(tmp_path / "out", stale="old")
    with pytest.raises(error), replaced_dir(out) as partial:
        (partial / "fresh").write_text("new", encoding="utf8")
        raise error
    assert tree(tmp_path) == {"out/stale": "old"}


def test_a_failing_rename_leaves_the_old_folder(tmp_path, monkeypatch):
    out = make(tmp_path / "out", stale="old")
    with pytest.raises(OSError, match="No space"), replaced_dir(out):
        break_renames(monkeypatch)
    assert tree(tmp_path) == {"out/stale": "old"}


def test_a_new_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path):
    out = make(tmp_path / "out", stale="old")
    with pytest.raises(FileNotFoundError):
        swap_in(tmp_path / "nowhere", out)
    assert tree(tmp_path) == {"out/stale": "old"}


def test_leftovers_of_a_killed_run_are_cleaned(tmp_path):
    out = make(tmp_path / "out", stale="old")
    make(tmp_path / ".out.partial", half="x")
    make(tmp_path / ".out.old", older="x")
    with replaced_dir(out) as partial:
        assert not list(partial.iterdir())
        (partial / "fresh").write_text("new", encoding="utf8")
    assert tree(tmp_path) == {"out/fresh": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_caught_between_two_renames_is_put_back(tmp_path):
    make(tmp_path / ".out.old", stale="old")
    make(tmp_path / ".out.partial", fresh="new")
    with pytest.raises(ValueError, match="again"), replaced_dir(tmp_path / "out"):
        raise ValueError("killed again")
    assert tree(tmp_path) == {"out/stale": "old"}


def test_swapping_in_leaves_one_folder(tmp_path):
    out = make(tmp_path / "out", stale="old")
    swap_in(make(tmp_path / "new", fresh="new"), out)
    assert tree(tmp_path) == {"out/fresh": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_has_the_same_hash_until_a_name_or_a_content_changes(tmp_path):
    folder = make(tmp_path / "a", x="1", y="2")
    hashes = [hash_folder(folder), hash_folder(make(tmp_path / "b", y="2", x="1"))]
    (folder / "x").rename(folder / "z")
    hashes.append(hash_folder(folder))
    (folder / "z").write_text("3", encoding="utf8")
    hashes.append(hash_folder(folder))
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3
