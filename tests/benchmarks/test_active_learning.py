import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Span

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import active_learning
from active.curves import ALL, MATCHED, MIXED, Bench, Simulation, _match, _take, choose
from active.data import Data, PoolText
from active.encoder import Encoder, Learner
from active.learner import count_right, f1, read, train
from active.summary import area, summarize, tokens_to_reach

from ner11.active.strategies import STRATEGIES
from ner11.pipeline.tags import TagScheme

NLP = spacy.blank("en")
WORDS = ["aa", "bb", "saw", "and", "to"]


def make_text(words, unknown=()):
    """`zz` is a person."""
    doc = NLP.make_doc(words)
    doc.ents = [Span(doc, token.i, token.i + 1, "PERSON") for token in doc if token.text == "zz"]
    return PoolText(doc, "doc", np.array([token.i in unknown for token in doc]))


@pytest.fixture(scope="module")
def bench(toy_bert):
    rng = np.random.default_rng(0)
    texts = [make_text(" ".join(rng.choice([*WORDS, "zz"], size=rng.integers(2, 7)))) for _ in range(60)]
    encoder = Encoder(toy_bert, Learner(trained=1, dropped=0, rate=3e-3, head_multiplier=3.0))
    data = Data(texts, texts[:20], ("PERSON",), {})
    pool = encoder.freeze(texts)
    tokens = np.array([len(text.doc) for text in texts])
    return Bench(data, encoder, pool, pool[:20], tokens, TagScheme("BIO", ("PERSON",)))


def test_the_learner_learns_and_starts_from_scratch(bench):
    before = [parameter.clone() for parameter in bench.encoder.model.parameters()]
    taggers = [train(bench.encoder, bench.data.pool, bench.pool, bench.scheme, epochs=30, seed=1) for _ in range(2)]
    assert f1(bench.count(taggers[0])) > 0.9
    first, again = (read(tagger, bench.pool) for tagger in taggers)
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    after = bench.encoder.model.parameters()
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


def test_what_is_kept_is_what_the_encoder_gives(bench, toy_bert):
    """The frozen part of a text does not depend on the texts that it is read beside."""
    (alone,) = bench.encoder.freeze(bench.data.pool[7:8])
    assert np.allclose(alone.states[0].numpy(), bench.pool[7].states[0].numpy(), atol=2e-3)


def test_damaged_annotation_counts_on_neither_side(bench):
    text = make_text("zz saw aa", unknown=[0])
    text.doc.ents = []
    tagger = train(bench.encoder, bench.data.pool, bench.pool, bench.scheme, epochs=8, seed=1)
    assert count_right(tagger, [text], bench.encoder.freeze([text]), bench.scheme) == {"doc": [0, 0, 0]}
    assert text.allowed(bench.scheme)[0].all()


@pytest.mark.parametrize("name", [*STRATEGIES, "margin" + MIXED])
def test_every_strategy_chooses_new_texts_within_the_budget(bench, name):
    labelled = np.arange(10)
    tagger = bench.fit(labelled, seed=0)
    new = choose(bench, name, tagger, labelled, budget=40, seed=3)
    assert len(set(new.tolist())) == len(new)
    assert not set(new.tolist()) & set(labelled.tolist())
    assert 40 <= bench.tokens[new].sum() < 40 + 2 * bench.tokens.max()


def test_a_budget_ends_with_the_text_that_reaches_it():
    tokens = np.array([3, 4, 5])
    assert _take(np.array([2, 0, 1]), tokens, 6).tolist() == [2, 0]
    assert _take(np.array([2, 0, 1]), tokens, 99).tolist() == [2, 0, 1]


def test_matched_texts_are_as_long():
    tokens = np.array([1, 1, 5, 5, 9, 9, 9])
    chosen = _match([9, 1, 5, 5], tokens, np.arange(7), seed=0)
    assert sorted(tokens[chosen].tolist()) == [1, 5, 5, 9]
    assert len({tuple(_match([9, 1, 5], tokens, np.arange(7), seed=seed).tolist()) for seed in range(20)}) > 3


def test_area_is_the_mean_over_the_log_of_tokens():
    assert area(np.array([0.5, 0.5, 0.5]), np.array([10, 20, 90])) == pytest.approx(0.5)
    assert area(np.array([0.0, 1.0, 1.0]), np.array([10, 100, 1000])) == pytest.approx(0.75)


@pytest.mark.parametrize(("wanted", "tokens"), [(0.2, 10), (0.5, 10**1.5), (0.75, 10**2.5), (0.9, float("inf"))])
def test_tokens_to_reach_a_score(wanted, tokens):
    assert tokens_to_reach(np.array([0.4, 0.6, 0.9 - 1e-9]), np.array([10, 100, 1000]), wanted) == pytest.approx(tokens)


def make_curve(strategy, seed, scores, learner="third-layer"):
    rounds = [
        {
            "chosen": [*range(10)],
            "tokens": 100 * 2**i,
            "counts": {f"d{d}": [score + d % 3, 50 - score, 50 - score] for d in range(30)},
            "seconds": 1.0,
            "labels": {"A": 10 * i, "B": i},
        }
        for i, score in enumerate(scores)
    ]
    return {"data": "toy", "strategy": strategy, "seed": seed, "learner": learner, "rounds": rounds, "seconds": 2.0}


def test_the_summary_tells_gains_from_noise():
    curves = [make_curve("random", seed, [20, 25, 30]) for seed in range(5)]
    curves += [make_curve("margin", seed, [20, 30, 38]) for seed in range(5)]
    curves += [make_curve("mnlp", seed, [20, 25 + 4 * (-1) ** seed, 30]) for seed in range(4)]
    curves += [make_curve("mnlp", 4, [20, 25, 30]), make_curve(MATCHED + "margin", 0, [1, 2, 3])]
    curves += [make_curve(ALL, seed, [38]) for seed in range(5)]
    (pool,) = summarize(curves)["pools"]
    rows = pool["strategies"]
    assert set(rows) == {"random", "margin", "mnlp"}  # the control is not finished
    assert rows["margin"]["over_random"]["interval"][0] > 0.02
    low, high = rows["mnlp"]["over_random"]["interval"]
    assert low < 0 < high
    assert "over_random" not in rows["random"]
    assert rows["random"]["reach"]["value"] is None
    assert 200 < rows["margin"]["reach"]["value"] <= 400
    assert rows["margin"]["rarest"] == {"label": "A", "spans": 20.0}
    json.dumps(pool)


def test_the_summary_has_what_another_learner_makes_of_the_texts():
    reached = {"random": 20, "margin": 30}
    curves = [make_curve(name, seed, [score], "all-layers") for name, score in reached.items() for seed in (0, 1)]
    found = summarize(curves)
    assert found["pools"] == []
    (transfer,) = found["transfers"]
    assert transfer["strategies"]["margin"]["over_random"]["interval"][0] > 0


def test_curves_that_a_kill_cut_off_are_run_again(tmp_path):
    path = tmp_path / "curves.jsonl"
    active_learning._append(path, {"a": 1})
    with path.open("a") as file:
        file.write('\n{"b": [1')
    active_learning._append(path, {"c": 1})
    assert active_learning.read_curves(path) == [{"a": 1}, {"c": 1}]


def test_controls_come_after_what_they_match():
    names = active_learning.list_curves()
    for name in names:
        if name.startswith(MATCHED):
            assert names.index(name.removeprefix(MATCHED)) < names.index(name)


def test_a_curve_has_the_seed_set_and_rounds_of_one_budget(bench, monkeypatch):
    monkeypatch.setattr("active.curves.SEED_TEXTS", 12)
    simulation = Simulation.__new__(Simulation)
    vars(simulation).update(bench=bench, name="toy", learner="toy", rounds=3, budget=30, first=simulation._first)
    curve = simulation.run("margin", 5)
    other = simulation.run(MATCHED + "margin", 5, matched=curve["lengths"])
    assert curve["rounds"][0]["chosen"] == other["rounds"][0]["chosen"]
    assert len(curve["rounds"][0]["chosen"]) == 12
    for asked, matched in zip(curve["lengths"], other["lengths"], strict=True):
        assert len(asked) == len(matched)
    tokens = [point["tokens"] for point in curve["rounds"]]
    assert all(30 <= after - before < 40 for before, after in itertools.pairwise(tokens))
    assert curve["f1"][0] == other["f1"][0]
