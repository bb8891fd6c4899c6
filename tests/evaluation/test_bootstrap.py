import numpy as np
import pytest

from ner11.evaluation.bootstrap import (
    HIT,
    MISSED,
    SPURIOUS,
    count_events,
    label_events,
    measure,
    percentiles,
    randomize,
    ratios,
    resample,
)
from ner11.pipeline.scoring import Comparison


def test_events_are_counted_by_document_and_name():
    events = [("d2", [("B", HIT), ("A", MISSED)]), ("d1", [("B", SPURIOUS)]), ("d2", [("B", HIT)])]
    table = count_events(events, documents=["d1", "d2", "d3"])
    assert table.names == ["A", "B"]
    assert table.counts.tolist() == [[[0, 0, 0], [0, 1, 0]], [[0, 0, 1], [2, 0, 0]], [[0, 0, 0], [0, 0, 0]]]
    assert table.total().counts.tolist() == [[[0, 1, 0]], [[2, 0, 1]], [[0, 0, 0]]]


def test_a_comparison_gives_its_events_by_label():
    comparison = Comparison(hits=[(0, 1, "A")], spurious=[(2, 3, "B")], missed=[(4, 5, "A|B")], ignored=[(6, 7, "C")])
    assert list(label_events(comparison)) == [("A", HIT), ("B", SPURIOUS), ("A|B", MISSED)]


def test_resampling_draws_whole_documents():
    counts = np.array([[1.0, 10.0], [0.0, 0.0], [2.0, 20.0]])
    sums = resample({"x": counts, "same": counts}, resamples=500)
    assert sums["x"].shape == (500, 2)
    # What a document has, it brings along; the same documents are drawn for every table.
    assert (sums["x"][:, 1] == 10 * sums["x"][:, 0]).all() and (sums["x"] == sums["same"]).all()
    assert sums["x"][:, 0].min() == 0 and sums["x"][:, 0].max() == 6
    assert sums["x"][:, 0].mean() == pytest.approx(3, abs=0.3)


def test_a_seed_gives_the_same_draws():
    counts = np.arange(8.0).reshape(4, 2)
    first, again, other = (resample({"x": counts}, resamples=20, seed=seed)["x"] for seed in (1, 1, 2))
    assert (first == again).all() and not (first == other).all()


def test_more_draws_than_fit_at_once_are_made_in_parts(monkeypatch):
    monkeypatch.setattr("ner11.evaluation.bootstrap._CHUNK", 6)
    sums = resample({"x": np.ones((4, 1))}, resamples=5)["x"]
    assert sums.tolist() == [[4.0]] * 5


def test_the_interval_is_that_of_the_textbook():
    """The mean of n draws of 0 and 1 has a standard error of sqrt(p (1 - p) / n)."""
    right = np.zeros((400, 1, 3))
    right[:280, 0, HIT] = 1
    right[280:, 0, SPURIOUS] = 1
    table = count_events([], documents=[])
    table.names, table.counts = ["A"], right
    row = measure(table, resample({"t": right})["t"])["A"]
    low, high = row["precision_interval"]
    error = np.sqrt(0.7 * 0.3 / 400)
    assert row["precision"] == 0.7 and (low, high) == pytest.approx((0.7 - 1.96 * error, 0.7 + 1.96 * error), abs=0.005)
    assert row["recall_interval"] == [1.0, 1.0]


def test_documents_with_many_spans_widen_the_interval():
    """Ten spans that are right or wrong together say no more than one."""
    rng = np.random.default_rng(0)
    documents = (rng.random(50) < 0.7)[:, None, None] * np.array([[[10, 0, 0]]])
    documents = documents + (documents[..., :1] == 0) * np.array([[[0, 10, 0]]])
    spans = np.repeat(documents / 10, 10, axis=0)

    def width(counts):
        low, high = percentiles(ratios(resample({"t": counts})["t"])[:, 0, 0])
        return high - low

    assert width(documents) == pytest.approx(np.sqrt(10) * width(spans), rel=0.1)


def test_what_was_never_there_has_no_figures():
    table = count_events([("d", [("A", SPURIOUS)]), ("e", [])], documents=["d", "e"])
    row = measure(table, resample({"t": table.counts})["t"])["A"]
    assert row["recall"] is None and row["recall_interval"] is None and row["support"] == 0
    assert row["precision_interval"] == [0.0, 0.0]


def test_percentiles_leave_out_what_is_undefined():
    samples = np.array([[4.0, np.nan], [np.nan, np.nan], [0.0, np.nan], [2.0, np.nan]])
    assert percentiles(samples, (0.0, 0.25, 1.0))[:, 0].tolist() == [0.0, 1.0, 4.0]
    assert np.isnan(percentiles(samples)[:, 1]).all()


def counts_of(hits, spurious, missed):
    return np.stack([hits, spurious, missed], axis=-1)[:, None].astype(float)


def test_a_clear_difference_is_significant_and_none_is_not():
    rng = np.random.default_rng(0)
    hits = rng.integers(5, 10, 60)
    good, bad = counts_of(hits, np.ones(60), 10 - hits), counts_of(hits - 3, np.ones(60), 13 - hits)
    differs, worse = randomize(bad, good)
    assert differs[0] < 0.001 and worse[0] < 0.001
    assert randomize(good, bad)[1][0] > 0.999
    assert [p[0] for p in randomize(good, good)] == [1.0, 1.0]


def test_p_values_are_uniform_where_there_is_no_difference():
    rng = np.random.default_rng(1)
    ps = []
    for seed in range(100):
        first, second = (rng.integers(3, 8, 40) for _ in range(2))
        differs, _ = randomize(
            counts_of(first, first * 0, 8 - first), counts_of(second, second * 0, 8 - second), seed=seed, rounds=400
        )
        ps.append(differs[0])
    assert np.mean(np.array(ps) < 0.2) == pytest.approx(0.2, abs=0.1)


def test_a_label_that_neither_model_has_differs_in_nothing():
    nothing = np.zeros((5, 1, 3))
    assert [p[0] for p in randomize(nothing, nothing, rounds=50)] == [1.0, 1.0]
