import sys
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from partial.losses import PerTokenLoss
from partial.scores import by_label, collect, macro, pool, score, settle, summarize
from partial.transform import (
    deal_labels,
    find_documents,
    flatten,
    halve,
    is_short,
    sample,
    vary,
)
from partial.variants import expand, find_variant

from ner11.corpus.shards import read_docs, write_docs
from ner11.errors import Ner11Error
from ner11.pipeline.allowed import allowed_tags, read_annotation
from ner11.pipeline.chain import Packing
from ner11.pipeline.loss import AllowedSetLoss
from ner11.pipeline.scoring import AMBIGUOUS, COVERAGE, compare
from ner11.pipeline.tags import TagScheme

NLP = spacy.blank("en")
WORDS = ["Sandworm", "used", "KillDisk", "from", "1.2.3.4", "against", "Ukraine"]


def make(entities=(), unclear=(), coverage=("ACTOR", "IP", "URL"), source="cyner", group="a-1", tier="expert", known=True):
    doc = Doc(NLP.vocab, words=WORDS)
    doc.user_data = {"source": source, "group": group, "tier": tier, "weight": 1.0, COVERAGE: list(coverage)}
    spans = [Span(doc, start, end, label) for start, end, label in unclear]
    doc.set_ents(
        [Span(doc, start, end, label) for start, end, label in entities],
        missing=spans,
        default="outside" if known else "missing",
    )
    doc.spans[AMBIGUOUS] = spans
    return doc


def describe(doc):
    spans = {(s.start, s.end, s.label_) for s in doc.spans[AMBIGUOUS]}
    missing = {t.i for t in doc if t.ent_iob_ == ""}
    coverage = doc.user_data.get(COVERAGE)
    return {(e.start, e.end, e.label_) for e in doc.ents}, spans, missing, coverage if coverage is None else list(coverage)


ENTITIES, UNCLEAR = [(0, 1, "ACTOR")], [(4, 5, "IP|URL"), (2, 3, "?")]


@pytest.mark.parametrize(
    ("settings", "entities", "unclear", "missing", "coverage"),
    [
        ({"coverage": True, "sets": True}, set(ENTITIES), set(UNCLEAR), {2, 4}, ["ACTOR", "IP", "URL"]),
        ({"coverage": False, "sets": True}, set(ENTITIES), set(UNCLEAR), {2, 4}, None),
        ({"coverage": False, "sets": False}, {*ENTITIES, (4, 5, "IP+URL")}, {(2, 3, "?")}, {2}, None),
        ({"coverage": True, "sets": False}, {*ENTITIES, (4, 5, "IP+URL")}, {(2, 3, "?")}, {2}, ["ACTOR", "IP", "IP+URL", "URL"]),
    ],
)
def test_variants_of_an_annotation(settings, entities, unclear, missing, coverage):
    (made,) = vary([make(ENTITIES, UNCLEAR)], **settings)
    assert describe(made) == (entities, unclear, missing, coverage)
    assert made.text == make().text and made.user_data["source"] == "cyner"


def test_own_label_of_a_set_is_covered_only_where_all_of_its_labels_are():
    first, second = vary([make(unclear=UNCLEAR), make(coverage=["ACTOR", "IP"])], coverage=True, sets=False)
    assert "IP+URL" in first.user_data[COVERAGE] and "IP+URL" not in second.user_data[COVERAGE]


def test_what_nothing_covers_is_unknown_until_coverage_is_ignored():
    doc = make(ENTITIES, coverage=(), known=False)
    (kept,), (naive,) = vary([doc], coverage=True, sets=True), vary([doc], coverage=False, sets=False)
    assert describe(kept)[2] == {1, 2, 3, 4, 5, 6}
    assert describe(naive)[2] == set()


def test_untouched_variant_allows_the_same_tags_as_the_corpus():
    doc, scheme = make(ENTITIES, UNCLEAR), TagScheme("BIO", ("ACTOR", "IP", "TOOL", "URL"))
    (made,) = vary([doc], coverage=True, sets=True)

    def allowed(reference):
        return allowed_tags(read_annotation(spacy.training.Example(reference.copy(), reference)), scheme)

    assert (allowed(doc) == allowed(made)).all()


def test_sentences_without_documents_stand_in_blocks_and_marked_documents_for_themselves():
    lines = [make(group=f"test:{line}") for line in range(100, 0, -1)]
    names = find_documents([*lines, make(group="dev-3", source="annoctr"), make(group="chat:7", tier="gold")])
    assert len(set(names[:100])) == 5 and names[0] == names[19] != names[20]
    assert names[-2:] == ["dev-3", "chat:7"]


def test_sample_takes_whole_documents_of_every_source():
    docs = [make(group=f"{name}-{i // 2}", source=name) for name in ("one", "two") for i in range(20)]
    drawn = sample(docs, 3 * len(WORDS), seed=0)
    groups = [doc.user_data["group"] for doc in drawn]
    assert len(drawn) == 8 and all(groups.count(group) == 2 for group in groups)
    assert sample(docs, 0, seed=0) == docs


def test_halves_keep_half_of_the_labels_and_say_so():
    docs = flatten([make([(0, 1, "ACTOR"), (2, 3, "MALWARE")], [(4, 5, "IP|URL")], group=f"d-{i}") for i in range(10)])
    first, second = deal_labels(docs)
    assert first | second == {"ACTOR", "MALWARE", "IP+URL"} and not first & second
    sets, naive = halve(docs, coverage=True, seed=0), halve(docs, coverage=False, seed=0)
    assert sum(doc.user_data[COVERAGE] == sorted(first) for doc in sets) == 5
    for doc, blind in zip(sets, naive, strict=True):
        labels = {ent.label_ for ent in doc.ents}
        assert labels == set(doc.user_data[COVERAGE]) == {ent.label_ for ent in blind.ents}
        assert COVERAGE not in blind.user_data


def test_documents_survive_the_disk(tmp_path):
    (doc,) = vary([make(ENTITIES, UNCLEAR)], coverage=True, sets=False)
    write_docs([doc], tmp_path / "train")
    (read,) = read_docs(tmp_path / "train", spacy.blank("en").vocab)
    assert describe(read) == describe(doc)
    assert {key: read.user_data[key] for key in ("source", "tier", "weight", "group")} == {
        key: doc.user_data[key] for key in ("source", "tier", "weight", "group")
    }


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([(4, 5, "IP+URL")], "hits"),  # equals the set
        ([(4, 5, "FILE+IP")], "hits"),  # contains a label that is allowed
        ([(4, 5, "ACTOR+TOOL")], "ignored"),  # may be a TOOL, which is not covered
        ([(4, 5, "ACTOR+MALWARE")], "spurious"),
        ([(4, 6, "IP+URL")], "spurious"),
    ],
)
def test_predicted_sets_are_taken_at_their_best(predicted, expected):
    gold = make(unclear=[(4, 5, "IP|URL")], coverage=["ACTOR", "FILE", "IP", "MALWARE", "URL"])
    found = make(predicted)
    settle(gold, found)
    comparison = compare(gold, found)
    assert len(getattr(comparison, expected)) == 1
    assert len(comparison.missed) == (expected != "hits")


def test_score_counts_by_document_and_label():
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "ACTOR", "pattern": "Sandworm"}, {"label": "IP", "pattern": "used"}])
    doc = make([(0, 1, "ACTOR"), (2, 3, "ACTOR")])
    found = score(nlp, [doc, doc])
    assert found["documents"] == {"a-1": {"ACTOR": [2, 0, 2], "IP": [0, 2, 0]}}
    assert by_label(found["documents"])["ACTOR"] == {"support": 4, "f1": pytest.approx(2 / 3)}


def counts(seed, documents=60, share=0.7):
    rng = np.random.default_rng(seed)
    made = {}
    for i in range(documents):
        hits = int(rng.binomial(10, share))
        made[f"d{i}"] = {"A": [hits, 10 - hits, 10 - hits], "B": [1, 0, 0]}
    return made


def test_interval_is_that_of_a_plain_bootstrap():
    own = counts(0)
    row = summarize(own)
    table = np.array([np.sum(list(labels.values()), axis=0) for labels in own.values()])
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(2000):
        tp, fp, fn = table[rng.integers(len(table), size=len(table))].sum(axis=0)
        drawn.append(2 * tp / (2 * tp + fp + fn))
    assert row["f1"]["interval"] == pytest.approx(list(np.percentile(drawn, [2.5, 97.5])), abs=0.004)
    assert row["f1"]["interval"][0] < row["f1"]["value"] < row["f1"]["interval"][1]


def test_difference_is_paired():
    better, worse = counts(0), counts(0)
    for i, labels in enumerate(worse.values()):
        hits, spurious, missed = labels["A"]
        lost = min(hits, i % 2)
        labels["A"] = [hits - lost, spurious + lost, missed + lost]
    difference = summarize(better, baseline=worse)["difference"]
    f1 = summarize(better)["f1"]["interval"]
    low, high = difference["interval"]
    assert 0 < low < difference["value"] < high
    assert high - low < (f1[1] - f1[0]) / 2  # the documents' own difficulty cancels out
    assert summarize(better, baseline=better)["difference"] == {"value": 0.0, "interval": [0.0, 0.0]}


def test_macro_counts_labels_of_the_test_set_equally():
    own = {"d0": {"A": [1, 0, 0], "B": [0, 0, 3], "C": [0, 5, 0]}, "d1": {"A": [1, 0, 0], "B": [0, 0, 1]}}
    row = macro(own, ["A", "B", "C", "D"])
    assert row["value"] == 0.5 and row["labels"] == 2


def test_seeds_are_pooled_and_compared_with_the_same_seeds():
    def run(variant, seed, documents):
        tests = {"t": {"documents": documents, "confidences": []}}
        figures = {"steps": 1, "words_per_second": 1.0, "epochs": "2", "train_texts": {}}
        return {"variant": variant, "seed": seed, **figures, "tests": tests}

    ours = [run("sets", seed, counts(seed, share=0.8)) for seed in (0, 1)]
    naive = [run("naive", 0, counts(0)), run("naive", 2, counts(2))]
    row = collect(ours, baseline=naive, rare=["A"])["tests"]["t"]
    pair = summarize(counts(0, share=0.8), baseline=counts(0))["difference"]["value"]
    assert row["difference"]["value"] == pytest.approx(pair)
    assert row["f1"]["value"] == pytest.approx(summarize(pool([r["tests"]["t"]["documents"] for r in ours]))["f1"]["value"])
    longer = [{**run, "epochs": "3"} for run in naive]
    for baseline in (naive, longer):
        assert "difference" not in collect(naive, baseline=baseline, rare=[])["tests"]["t"]
    assert "difference" not in collect(ours, baseline=longer, rare=[])["tests"]["t"]


def test_per_token_loss_has_the_gradient_of_autograd():
    import torch

    rng = np.random.default_rng(0)
    logits, allowed = rng.normal(size=(6, 5)), rng.uniform(size=(6, 5)) < 0.6
    allowed[:, 0] |= ~allowed.any(axis=1)
    losses, gradient = PerTokenLoss()(logits, allowed, Packing.of([4, 2]), TagScheme("BIO", ("A", "B")))
    free = torch.tensor(logits, requires_grad=True)
    masked = torch.where(torch.tensor(allowed), torch.log_softmax(free, 1), -torch.inf)
    theirs = -torch.logsumexp(masked, 1)
    theirs.sum().backward()
    np.testing.assert_allclose(losses, theirs.detach().numpy(), atol=1e-9)
    np.testing.assert_allclose(gradient, free.grad.numpy(), atol=1e-9)


def test_per_token_loss_lets_a_span_fall_apart_and_the_sequence_loss_does_not():
    scheme = TagScheme("BIO", ("A", "B"))
    allowed = np.zeros((2, 5), dtype=bool)
    allowed[0, [1, 2]] = allowed[1, [3, 4]] = True  # B-A or B-B, then I-A or I-B
    split = np.full((2, 5), -20.0)
    split[0, 1] = split[1, 4] = 20.0  # B-A I-B
    apart, _ = PerTokenLoss()(split, allowed, Packing.of([2]), scheme)
    together, _ = AllowedSetLoss()(split, allowed, Packing.of([2]), scheme)
    assert apart.sum() < 1e-6 and together.sum() > 0.5


def test_variants_by_name():
    assert [variant.name for variant in expand("naive,halves,alone:cyner")] == [
        "naive", "halves:naive", "halves:sets", "halves:full", "alone:cyner",
    ]  # fmt: skip
    docs = [make(group="chat:1", source="gold"), make(group="report", source="gold")]
    assert [is_short(doc) for doc in docs] == [True, False]
    assert find_variant("gold:no-short").make(docs) == docs[1:]
    with pytest.raises(Ner11Error, match="no variant 'nieve'"):
        expand("nieve")
