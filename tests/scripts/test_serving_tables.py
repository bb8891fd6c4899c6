from serving_tables import render_serving

SERVED = {
    "clients": 8,
    "words_per_second": 900.0,
    "share_of_bare": 0.9,
    "texts_per_second": 90.0,
    "p50_ms": 50.04,
    "p99_ms": 99.0,
}
RESULTS = {
    "machine": {"processor": "Toy CPU", "cores": 2},
    "settings": {"rounds": 3, "seconds": 10.0, "words": 1_200, "texts": 100},
    "rows": [{"model": "training/onnx/int8", "threads": 1, "bare": {"words_per_second": 1_000.0}, "served": [SERVED]}],
}


def test_the_api_stands_beside_the_bare_pipeline() -> None:
    text = render_serving(RESULTS)
    (row,) = [line for line in text.splitlines() if line.startswith("| ONNX Runtime, int8 |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:] == ["1", "8", "900", "90% of 1,000", "90", "50.0 ms", "99.0 ms"]
    assert "one text of 12 words" in text and "3 rounds of 10 seconds" in text and "2 cores (Toy CPU)" in text
