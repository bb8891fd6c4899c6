from pathlib import Path

import pytest
import spacy

from ner11.corpus.index import text_key
from ner11.datasets import SPLITS
from ner11.errors import Ner11Error
from ner11.gold import check_gold
from ner11.readers.inline import read_inline
from ner11.schema import Schema, load_schema
from tests.trees import node

ROOT = Path(__file__).parents[1]
GOLD = ROOT / "assets" / "cyber" / "gold"
MAKE_DOC = spacy.blank("en").make_doc


SCHEMA = Schema("toy", [node("TOP", node("TOOL", node("KIT"), active=True), node("PLACE", active=True)), node("ROLE")])


def write(folder, **texts):
    for split in SPLITS:
        (folder / split).mkdir()
        (folder / split / "a.md").write_text(texts.get(split, f"Nothing in {split}."), encoding="utf8")


def problems(folder):
    return check_gold(folder, schema=SCHEMA, make_doc=MAKE_DOC)[1]


def test_spans_are_counted_by_active_label_and_split(tmp_path):
    write(tmp_path, train="[x](TOOL) [y](KIT) [z](ROLE) [w](TOP)", test="[x](TOOL)")
    counts, found = check_gold(tmp_path, schema=SCHEMA, make_doc=MAKE_DOC)
    assert counts == {"TOOL": {"train": 2, "test": 1}, "ROLE": {"train": 1}, "TOP": {"train": 1}}
    assert found == []


def test_an_unknown_label_names_its_line(tmp_path):
    write(tmp_path, dev="one\n\n[Oslo](PLCE)")
    assert problems(tmp_path) == [f"{tmp_path}/dev/a.md:3: unknown label 'PLCE' on 'Oslo'"]


@pytest.mark.parametrize(("markup", "token"), [("in [Os](PLACE)lo now", "Oslo"), ("in un[kempt](PLACE) now", "unkempt")])
def test_a_border_inside_a_token_is_a_problem(tmp_path, markup, token):
    write(tmp_path, test=markup)
    (problem,) = problems(tmp_path)
    assert problem.startswith(f"{tmp_path}/test/a.md:1: ") and problem.endswith(f"(PLACE) cuts the token '{token}'")


def test_a_border_at_punctuation_inside_a_token_is_none(tmp_path):
    write(tmp_path, test="at [Acme Inc](PLACE).")
    assert problems(tmp_path) == []


def test_one_text_in_two_splits_is_a_problem(tmp_path):
    write(tmp_path, train="The [x](TOOL) text", test="The x text")
    assert problems(tmp_path) == [f"{tmp_path}/test/a.md: the same text as {tmp_path}/train/a.md"]


def test_a_missing_split_is_an_error(tmp_path):
    write(tmp_path)
    (tmp_path / "dev" / "a.md").unlink()
    with pytest.raises(Ner11Error, match=r"dev: no \*\.md files here"):
        problems(tmp_path)


def test_the_gold_set_is_sound():
    schema = load_schema(ROOT / "configs" / "domains" / "cyber" / "schema.yml")
    counts, found = check_gold(GOLD, schema=schema, make_doc=MAKE_DOC)
    assert found == []
    assert not {(label, split) for label in schema.active for split in SPLITS if not counts[label].get(split)}


@pytest.mark.parametrize("path", sorted(GOLD.glob("*/*.md")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_gold_documents_have_150_to_400_words(path):
    (text,) = (text for text in read_inline(path.parent) if text.group == path.stem)
    assert 150 <= len(text.text.split()) <= 400


def test_the_gold_splits_hold_no_common_text():
    lines = {
        split: {text_key(line) for text in read_inline(GOLD / split) for line in text.text.splitlines() if len(line) > 40}
        for split in SPLITS
    }
    assert all(lines.values())
    assert not lines["train"] & lines["dev"] and not lines["train"] & lines["test"] and not lines["dev"] & lines["test"]
