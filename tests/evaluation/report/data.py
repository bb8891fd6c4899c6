"""Small metrics, errors, log, ledger and statistics, complete as `evaluate` writes them, for tests of the report."""

from typing import Any

from ner11.evaluation.figures import figures
from ner11.pipeline.scoring import Counts

LABELS = {"TOOL": (9, 3, 1), "PLACE": (20, 5, 20), "DATE": (0, 0, 4), "CVE": (6, 0, 0), "TOOL|PLACE": (0, 0, 1)}
"""True positives, false positives and false negatives by label."""


def score(tp: int, fp: int, fn: int, **more: Any) -> dict[str, Any]:
    """Make figures whose intervals reach 0.05 to each side."""
    row = figures(Counts(tp, fp, fn))
    around = {
        f"{key}_interval": None if row[key] is None else [max(0.0, row[key] - 0.05), min(1.0, row[key] + 0.05)]
        for key in ("precision", "recall", "f1")
    }
    return {**row, **around, **more}


def make_summary(labels: dict[str, tuple[int, int, int]] | None = None) -> dict[str, Any]:
    """Make what is known of all test sets or of one."""
    rows = {label: score(*counts) for label, counts in (LABELS if labels is None else labels).items()}
    total = score(*(sum(row[key] for row in rows.values()) for key in ("tp", "fp", "fn")))
    scored = [row["f1"] for row in rows.values() if row["support"]]
    part = {"correct": 35, "incorrect": 4, "partial": 2, "missed": 22, "spurious": 5}
    parents = {"TOOL": "MEANS", "CVE": "MEANS", "PLACE": "SITE", "DATE": "TIME", "TOOL|PLACE": "MEANS|SITE", "ZONE": "SITE"}
    tiers = {"MEANS": "CYBER", "SITE": "CONTEXT", "TIME": "CONTEXT"}
    return {
        "texts": 7,
        "words": 1234,
        "documents": 5,
        "ignored": 2,
        "micro": total,
        "macro": {
            "f1": sum(scored) / len(scored) if scored else None,
            "f1_interval": [0.4, 0.6] if scored else None,
            "labels": len(scored),
        },
        "labels": rows,
        "levels": {
            "1": {"CYBER": score(15, 3, 1), "CONTEXT": score(21, 4, 24)} if rows else {},
            "2": {name: score(15, 3, 2, parent=tier) for name, tier in tiers.items()} if rows else {},
            "3": {label: {**row, "parent": parents[label]} for label, row in rows.items()},
        },
        "levels_micro": {"1": score(36, 7, 25), "2": score(35, 8, 26), "3": total},
        "credit": {
            name: {**part, "precision": 0.8, "recall": 0.575, "f1": 0.669} for name in ("strict", "exact", "partial", "type")
        },
    }


def make_gate(**changes: Any) -> dict[str, Any]:
    """Make the result of a gate that passed, or another one."""
    gate = {"test_set": "gold", "label": "TOOL", "metric": "f1", "minimum": 0.8, "bound": "point", "min_support": 5}
    gate |= {"unproven": "fail", "value": 0.818, "point": 0.818, "interval": [0.768, 0.868], "support": 10}
    return {**gate, "passed": True, "status": "passed", "note": "", **changes}


def make_calibration() -> dict[str, Any]:
    """Make the calibration of a head with confidences."""
    bins = [
        {"low": 0.1, "high": 0.7, "spans": 21, "confidence": 0.52, "accuracy": 0.61},
        {"low": 0.7, "high": 1.0, "spans": 22, "confidence": 0.93, "accuracy": 0.9},
    ]
    part = {"spans": 43, "ece": 0.061, "ece_interval": [0.04, 0.09], "brier": 0.142, "brier_interval": [0.11, 0.18], "bins": bins}
    return {
        "temperature": 1.27,
        "texts": 7,
        "words": 1234,
        "after": part,
        "before": {**part, "ece": 0.118, "brier": 0.153},
        "labels": {"PLACE": {"spans": 25, "confidence": 0.86, "accuracy": 0.8, "gap": 0.06}},
        "curve": [
            {"threshold": threshold, "precision": precision, "recall": recall, "f1": f1, "predicted": found}
            for threshold, precision, recall, f1, found in (
                (0.0, 0.814, 0.574, 0.673, 43),
                (0.5, 0.88, 0.5, 0.638, 35),
                (0.99, None, 0, 0, 0),
            )
        ],
    }


def make_comparison() -> dict[str, Any]:
    """Make the comparison with an earlier release."""
    row = {"f1": 0.673, "baseline_f1": 0.65, "difference": 0.023, "interval": [-0.01, 0.05], "p": 0.21, "p_worse": 0.9}
    flip = {"source": "gold", "document": "gold/a", "before": "in ", "text": "Oslo", "after": " today"}
    return {
        "baseline": {"name": "en_toy", "version": "0.9.0"},
        "texts": 6,
        "missing": 1,
        "overall": row,
        "labels": {
            "PLACE": {**row, "p_worse_adjusted": 1.0, "lost": False},
            "TOOL": {**row, "difference": -0.04, "p_worse_adjusted": 0.0004, "lost": False},
        },
        "fixed": 5,
        "broken": 1,
        "flips": [
            {"what": "fixed", **flip, "gold": "PLACE", "old": None, "new": "PLACE"},
            {"what": "broken", **flip, "gold": None, "old": None, "new": "TOOL"},
        ],
    }


def make_metrics(**changes: Any) -> dict[str, Any]:
    """Make complete metrics, with keys changed as given."""
    summary = make_summary()
    agreed = {"first": 6, "second": 7, "agreed": 6, "f1": 0.923, "kappa": 0.95}
    loss = {"loss": 0.082, "loss_interval": [0.03, 0.13]}
    metrics = {
        "format": 2,
        "model": {
            "name": "en_toy",
            "version": "1.2.3",
            "domain": "toy",
            "encoder": "minilm",
            "head": "softmax",
            "sha256": "ab" * 32,
        },
        "verdict": {"may_ship": True, "reasons": ["All 2 gates passed"]},
        "training": {"steps": 42, "words": 999, "best_score": 0.5, "best_step": 40, "stopped_early": True, "seconds": 75},
        "overall": summary,
        "sources": {"gold": summary},
        "confusion": {
            "cells": [
                {"gold": "PLACE", "predicted": "PLACE", "exact": 20, "boundary": 2},
                {"gold": "PLACE", "predicted": "TOOL", "exact": 3, "boundary": 1},
                {"gold": "PLACE", "predicted": "MISSED", "exact": 14, "boundary": 0},
                {"gold": "SPURIOUS", "predicted": "TOOL", "exact": 2, "boundary": 0},
                {"gold": "TOOL", "predicted": "TOOL", "exact": 9, "boundary": 0},
            ]
        },
        "calibration": make_calibration(),
        "thresholds": {
            "wished": 0.9,
            "labels": {
                "PLACE": {
                    "threshold": 0.83,
                    "note": "",
                    "dev": {"precision": 0.91, "recall": 0.4, "predicted": 11},
                    "test": {"precision": 0.88, "recall": 0.35, "predicted": 16},
                },
                "TOOL": {
                    "threshold": None,
                    "note": "too few found on dev",
                    "dev": {"precision": None, "recall": None, "predicted": 3},
                    "test": {"precision": 0.75, "recall": 0.9, "predicted": 12},
                },
            },
        },
        "slices": {"surface": {"seen": score(20, 2, 5), "unseen": score(15, 6, 21)}, "source": {"gold": score(35, 8, 26)}},
        "robustness": {
            "texts": 6,
            "words": 1000,
            "plain": score(30, 7, 20),
            "perturbations": {"lower case": {**score(24, 9, 26), **loss}, "typos": {**score(28, 8, 22), **loss, "loss": -0.001}},
        },
        "errors": {
            "counts": {"type": 3, "boundary": 2, "both": 1, "missed": 14, "spurious": 2},
            "pairs": [
                {"kind": "missed", "gold": "PLACE", "predicted": None, "count": 14, "examples": ["Oslo", "Kyiv"]},
                {"kind": "type", "gold": "PLACE", "predicted": "TOOL", "count": 3, "examples": ["Oslo"]},
            ],
        },
        "comparison": make_comparison(),
        "baseline": {"status": "compared", "note": ""},
        "gates_file": "configs/gates/toy.csv",
        "gates": [make_gate(), make_gate(label="ALL", metric="no_regression", test_set="ALL", minimum=0.05, value=0.9)],
        "agreement": {
            "domain": "toy",
            "documents": 3,
            "tokens": 400,
            "overall": {**agreed, "f1": 0.91, "interval": [0.85, 0.96]},
            "borders": {"agreed": 13, "f1": 0.955},
            "labels": {"PLACE": agreed, "TOOL": {**agreed, "first": 2, "second": 1}},
        },
        "provenance": {
            "data": [{"name": "gold", "license": "Apache-2.0", "commit": None, "url": None}],
            "config_sha256": "cd" * 32,
            "seed": 0,
            "versions": {"python": "3.11.4", "spacy": "3.8.18"},
            "hardware": {"cpu": "a CPU", "cores": 2, "memory_gib": 7.6, "gpu": None},
            "project": {"version": "0.1.0", "commit": None},
            "time": {"training_seconds": 75, "evaluation_seconds": 8.2},
            "energy_joules": None,
            "written": "2025-01-31T12:00:00Z",
        },
    }
    return {**metrics, **changes}


def make_error(
    kind: str, gold: str | None, predicted: str | None, *, text: str = "Oslo", confidence: float = 0.8
) -> dict[str, Any]:
    """Make a row of errors.jsonl."""
    span = {"start": 8, "end": 8 + len(text), "text": text}
    near = {"surface": "Bergen", "label": "PLACE", "before": "in ", "after": " soon", "source": "gold", "similarity": 0.5}
    return {
        "kind": kind,
        "source": "gold",
        "document": "gold/a",
        "before": "We flew ",
        "text": text,
        "after": " today",
        "gold": {**span, "label": gold} if gold else None,
        "predicted": {**span, "label": predicted, "confidence": confidence} if predicted else None,
        "nearest": near,
    }


ERRORS = [
    *(make_error("type", "PLACE", "TOOL") for _ in range(3)),
    make_error("missed", "PLACE", None),
    {**make_error("spurious", None, "TOOL"), "nearest": None},
]
LOG = [
    {"epoch": 0, "step": step, "score": score, "precision": score, "recall": score, "losses": {"ner": 1 / step}}
    for step, score in ((20, 0.3), (40, 0.5), (42, 0.48))
]


def span_row(count: int, outcome: str = "kept", **fields: Any) -> dict[str, Any]:
    """Make a row of spans of a ledger."""
    return {"source": "b", "split": "train", "label": "X", "outcome": outcome, "reason": "", "count": count, **fields}


LEDGER = {
    "spans": [span_row(1004), span_row(3, "unknown", reason="no tag", examples=["f:3: Kyi"]), span_row(2, source="c")],
    "texts": [{"source": "b", "split": "dev", "outcome": "dropped", "reason": "empty text", "count": 5, "examples": ["f:9"]}],
    "problems": [{"source": "b", "split": "dev", "problem": "a damaged tag", "count": 6}],
    "leaks": [{"test": "b", "source": "c", "split": "train", "same": 7, "nearly": 1, "sentence": 2}],
    "conflicts": 8,
}
EMPTY_LEDGER: dict[str, Any] = {"spans": [], "texts": [], "problems": [], "leaks": [], "conflicts": 0}
STATISTICS = {
    "test": {
        "texts": 10,
        "tokens": 90,
        "texts_without_entity": 2,
        "entity_tokens": 0.125,
        "length_in_tokens": {"p50": 8, "max": 20},
        "length_in_pieces": {},
        "labels": {"X": {"spans": 9, "surfaces": 5, "ambiguous": 1.5, "share": 0.25, "imbalance": 3.0, "unseen": 0.5}},
    }
}
