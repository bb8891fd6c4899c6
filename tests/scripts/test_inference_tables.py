import re

import pytest
from inference_tables import render_inference


def row(system: str, name: str, batch: int, speed: float, threads: int = 1, **figures: float) -> dict:
    return {"system": system, "threads": threads, "set": name, "batch": batch, "words_per_second": speed, **figures}


def process(system: str, precision: str, peak: float, threads: int = 1) -> dict:
    peaks = {"short": peak / 2, "long": peak}
    return {"system": system, "threads": threads, "precision": precision, "load_seconds": 2.0, "peak_mib": peaks}


def results(*rows: dict, **parts) -> dict:
    precisions = {"torch": "bf16", "onnx-int8": "int8", "stock": "fp32"}
    rates = {"fp32": 1e11, "bf16": 2e11, "int8": 4e11}
    most = {"torch": {"long": 8_000.0, "short": 10_000.0}, "onnx-int8": {"long": 16_000.0, "short": 20_000.0}}
    return {
        "machine": {"processor": "Toy CPU", "versions": dict.fromkeys(("torch", "onnxruntime", "spacy", "transformers"), "1.0")},
        "settings": {"rounds": 3, "seconds": 6.0, "seed": 0},
        "encoder": {"labels": 68, "weights": 10_000_000},
        "sets": {"long": {"texts": 1, "words": 2000}, "short": {"texts": 10, "words": 130}},  # as a JSON file is sorted
        "processes": [process(name, precision, 900) for name, precision in precisions.items()],
        "rows": list(rows),
        "ceiling": {"1": {"rates": rates, "words_per_second": most}},
        "installed_bytes": {},
        **parts,
    }


ROWS = (
    row("torch", "short", 64, 5_000),
    row("torch", "long", 64, 4_000),
    row("onnx-int8", "short", 64, 12_000),
    row("onnx-int8", "long", 64, 8_000),
    row("onnx-int8", "short", 1, 2_000, p50_ms=5.04, p99_ms=9.0),
    row("stock", "short", 64, 1_000),
    row("stock", "long", 64, 1_000),
)


def cells(text: str, start: str) -> list[list[str]]:
    """Give the cells of all lines of tables that start so."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_speeds_stand_beside_ratios_and_shares_of_the_ceiling() -> None:
    text = render_inference(results(*ROWS))
    speeds, ratios, costs, ceiling = cells(text, "ner11, ONNX Runtime, int8")
    assert speeds[1:] == ["1", "12,000", "8,000"]
    assert ratios[1:] == ["1", "12.0 / –", "8.0 / –"], "the pipeline of transformers was not measured"
    assert costs[1:] == ["1", "5.0 ms", "9.0 ms", "–", "–", "450 MiB", "900 MiB", "2.0 s"]
    assert ceiling[1:] == ["1", "400", "60.0% of 20,000", "50.0% of 16,000"]
    assert "Toy CPU" in text and "20.0 million" in text and "Medians of 3 rounds" in text


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("torch, times stock", ["at least 4", "4.0–5.0", "yes"]),
        ("int8, times stock", ["at least 10", "8.0–12.0", "partly"]),
        ("int8, times `transformers`", ["at least 2", "–", "–"]),
        ("int8, a short text, p50", ["at most 10 ms", "5.0 ms", "yes"]),
        ("torch, peak memory", ["at most 1024 MiB", "900 MiB", "yes"]),
        ("installed without torch, of torch's size", ["at most 25%", "30%", "no"]),
    ],
)
def test_goals_say_what_was_reached(goal: str, expected: list[str]) -> None:
    text = render_inference(results(*ROWS, installed_bytes={"torch": 1_000, "onnx": 300}))
    assert cells(text, goal) == [[goal, *expected]]


def test_the_stream_is_told_by_its_first_and_last_look() -> None:
    text = render_inference(results(*ROWS, stream={"texts": [10_000, 50_000, 100_000], "rss_mib": [300.2, 900.0, 310.0]}))
    assert re.search(r"300 MiB after 10,000 texts, 310 MiB after 100,000\.", text)
    assert "stream" not in render_inference(results(*ROWS))
