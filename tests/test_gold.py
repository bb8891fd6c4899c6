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


TOOL = node("TOOL", node("KIT"), active=True)
TOOL.aliases.append("GADGET")
SCHEMA = Schema("toy", [node("TOP", TOOL, node("PLACE", active=True)), node("HALF", node("PERSON", active=True)), node("ROLE")])


def write(folder, short=None, **texts):
    """Write a document into each split, and a file of short texts into train."""
    for split in SPLITS:
        (folder / split).mkdir()
        (folder / split / "a.md").write_text(texts.get(split, f"Nothing in {split}."), encoding="utf8")
    if short is not None:
        (folder / "train" / "s.txt").write_text(short, encoding="utf8")


def check(folder):
    return check_gold(folder, schema=SCHEMA, make_doc=MAKE_DOC)


def problems(folder):
    return check(folder).problems


def test_spans_and_texts_are_counted_by_active_label(tmp_path):
    write(tmp_path, train="[x](TOOL) [y](TOOL) [z](PLACE)", test="[x](TOOL)", short="[y](TOOL)\n[v](TOOL)\nnone")
    report = check(tmp_path)
    assert report.problems == []
    assert report.labels == {
        "TOOL": {"train": 4, "dev": 0, "test": 1, "documents": 2, "short_texts": 2},
        "PLACE": {"train": 1, "dev": 0, "test": 0, "documents": 1, "short_texts": 0},
        "PERSON": {"train": 0, "dev": 0, "test": 0, "documents": 0, "short_texts": 0},
    }


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("KIT", "KIT on 'x' counts as TOOL; use TOOL"),
        ("GADGET", "GADGET on 'x' is another name of TOOL; use TOOL"),
        ("TOP", "TOP on 'x' stands for TOOL, PLACE; use one of them"),
        ("HALF", "HALF on 'x' stands for PERSON; use PERSON"),
        ("ROLE", "ROLE on 'x' is reserved; use an active label or none"),
    ],
)
def test_a_label_that_is_not_active_is_a_problem(tmp_path, label, message):
    write(tmp_path, short=f"one\n\n[x]({label})")
    assert problems(tmp_path) == [f"{tmp_path}/train/s.txt:3: {message}"]


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


def test_a_short_text_that_stands_there_twice_is_a_problem(tmp_path):
    write(
        tmp_path,
        train="Pump [P-1](TOOL) is off",
        dev="[Oslo](PLACE) is far",
        short="pump p-1  is off\nOslo is near\nOslo is far\nOslo is near",
    )
    assert problems(tmp_path) == [
        f"{tmp_path}/train/s.txt:1: the same text as {tmp_path}/train/a.md",
        f"{tmp_path}/train/s.txt:4: the same text as {tmp_path}/train/s.txt:2",
        f"{tmp_path}/dev/a.md: the same text as {tmp_path}/train/s.txt:3",
    ]


def test_labels_with_few_spans_or_in_few_documents_are_rare(tmp_path):
    write(
        tmp_path, train="[a](TOOL) " * 20 + "[o](PLACE) [p](PERSON) " * 13, short="\n".join(f"[p](PERSON) {i}" for i in range(20))
    )
    for i in range(7):
        (tmp_path / "dev" / f"{i}.md").write_text(f"{i} [a](TOOL) [o](PLACE)", encoding="utf8")
    assert check(tmp_path).rare == ["PERSON"]
    (tmp_path / "dev" / "0.md").write_text("0 [a](TOOL)", encoding="utf8")
    assert check(tmp_path).rare == ["PLACE", "PERSON"]


def test_sizes_by_split_and_texts_outside_the_limits(tmp_path):
    write(tmp_path, train="word " * 150, dev="word " * 401, test="two words", short="a b\n[a](TOOL) b c\n\n" + "a " * 16)
    (tmp_path / "train" / "b.md").write_text("more " * 400, encoding="utf8")
    sizes = check(tmp_path).sizes
    assert sizes["train"] == {
        "documents": 2, "words": 550, "fewest": 150, "most": 400, "short_texts": 3, "without_entity": 0.6667,
    }  # fmt: skip
    train, dev, test = (tmp_path / split for split in SPLITS)
    assert sizes["long_or_short"] == {f"{train}/s.txt:1": 2, f"{train}/s.txt:4": 16, f"{dev}/a.md": 401, f"{test}/a.md": 2}


def test_shares_of_test_that_train_has_not(tmp_path):
    write(tmp_path, train="[Nmap](TOOL) and bare Oslo", test="[nmap](TOOL) [Oslo](PLACE) [Oslo](PLACE) [Rome](PLACE)")
    assert check(tmp_path).sizes["unseen"] == {"surfaces": 0.6667, "spans": 0.75}


def test_a_split_without_documents_is_measured(tmp_path):
    write(tmp_path, short="one short text")
    (tmp_path / "train" / "a.md").unlink()
    assert check(tmp_path).sizes["train"]["documents"] == 0


def test_what_looks_inconsistent_is_no_problem(tmp_path):
    line = "Then the crew went to look for"
    write(tmp_path, train=f"{line} [Nmap](TOOL).", dev="[Nmap](PLACE).", test="Nmap is bare.", short=f"{line} [Zmap](TOOL).")
    report = check(tmp_path)
    assert report.problems == []
    assert len(report.conflicts) == len(report.bare) == len(report.similar) == 1


def test_a_missing_split_is_an_error(tmp_path):
    write(tmp_path)
    (tmp_path / "dev" / "a.md").unlink()
    with pytest.raises(Ner11Error, match=r"dev: no \*\.md files here"):
        problems(tmp_path)


@pytest.fixture(scope="module")
def gold():
    schema = load_schema(ROOT / "configs" / "domains" / "cyber" / "schema.yml")
    return check_gold(GOLD, schema=schema, make_doc=MAKE_DOC)


def test_the_gold_set_is_sound(gold):
    assert gold.problems == []
    assert [label for label, count in gold.labels.items() if not all(count[split] for split in SPLITS)] == []


def test_every_label_is_in_enough_documents(gold):
    assert gold.rare == []


def test_gold_texts_are_as_long_as_the_guideline_says(gold):
    assert gold.sizes["long_or_short"] == {}


def test_the_gold_test_set_is_large_and_mostly_unseen(gold):
    test = gold.sizes["test"]
    assert test["documents"] >= 13 and test["short_texts"] >= 90
    assert gold.sizes["unseen"]["surfaces"] >= 1 / 3
    assert test["without_entity"] >= 0.1


@pytest.mark.parametrize("annotation", ["first", "second"])
def test_both_annotations_are_of_the_texts_of_test(annotation):
    texts = {text.group: text.text for text in read_inline(GOLD / "test")}
    pairs = [(text.text, texts[text.group]) for text in read_inline(GOLD / annotation)]
    assert len(pairs) == 10 and all(text == other for text, other in pairs)


def test_the_page_of_the_gold_set_gives_its_size(gold):
    documents, short = (sum(gold.sizes[split][kind] for split in SPLITS) for kind in ("documents", "short_texts"))
    page = (GOLD / "README.md").read_text(encoding="utf8")
    assert f"{documents} documents" in page and f"{short} short texts" in page


def test_the_gold_splits_hold_no_common_text():
    lines = {
        split: {text_key(line) for text in read_inline(GOLD / split) for line in text.text.splitlines() if len(line) > 40}
        for split in SPLITS
    }
    assert all(lines.values())
    assert not lines["train"] & lines["dev"] and not lines["train"] & lines["test"] and not lines["dev"] & lines["test"]
