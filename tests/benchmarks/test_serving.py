import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import serving


def test_rounds_are_compared_with_the_bare_pipeline_of_their_own_round():
    bare = [{"words_per_second": 100.0, "texts_per_second": 10.0}, {"words_per_second": 200.0, "texts_per_second": 20.0}]
    served = [
        {"words_per_second": 90.0, "texts_per_second": 9.0, "latencies": [0.001, 0.002]},
        {"words_per_second": 160.0, "texts_per_second": 16.0, "latencies": [0.003, 0.1]},
    ]
    found = serving.summarize(bare, {8: served})
    assert found["bare"] == {"words_per_second": 150.0, "texts_per_second": 15.0}
    (row,) = found["served"]
    assert (row["clients"], row["share_of_bare"], row["share_range"], row["requests"]) == (8, pytest.approx(0.85), [0.8, 0.9], 4)
    assert (row["p50_ms"], row["p99_ms"]) == (pytest.approx(3), pytest.approx(100))
