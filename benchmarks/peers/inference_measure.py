"""What a process measures of a system: speed by size of batch, latency, loading, memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from .inference_ceiling import measure_rates
from .inference_systems import hide_torch, limit_threads, load
from .inference_texts import SHORT, SIZES, TextSet, make_texts, read_set, read_sources
from .measure import peak_mib

CHUNK_WORDS = 4_000
"""Words between two looks at the clock, rounded up to whole batches."""
STREAM_BATCH = 64
_WARM_UP = "The first text warms up what is made on demand."

Cell = tuple[str, int]
"""A set of texts and a size of batch."""


@dataclass(frozen=True)
class Job:
    """What a process does.

    Attributes:
        system: One of the systems.
        folder: What it is loaded from.
        threads: Cores and threads.
        texts: Folder of the sets.
        seconds: How long to measure each set and size of batch; the sets come one after the other.
    """

    system: str
    folder: Path
    threads: int
    texts: Path
    seconds: dict[Cell, float]


def chunks(words: Sequence[int], batch: int) -> Iterator[slice]:
    """Cut texts into runs of whole batches with about CHUNK_WORDS words, one batch at least."""
    start = 0
    while start < len(words):
        end, size = start, 0
        while end < len(words) and (size < CHUNK_WORDS or (end - start) % batch):
            size += words[end]
            end += 1
        yield slice(start, end)
        start = end


def time_batches(many: Callable[[Sequence[str], int], int], texts: TextSet, batch: int, seconds: float) -> dict[str, Any]:
    """Read texts in batches until the time is over; give `texts`, `words`, `entities` and `seconds`."""
    done, entities, spent = 0, 0, 0.0
    for chunk in chunks(texts.words, batch):
        started = perf_counter()
        entities += many(texts.texts[chunk], batch)
        spent += perf_counter() - started
        done = chunk.stop
        if spent >= seconds:
            break
    return {"texts": done, "words": sum(texts.words[:done]), "entities": entities, "seconds": spent}


def time_singly(one: Callable[[str], int], texts: TextSet, seconds: float) -> dict[str, Any]:
    """Read one text after the other until the time is over; give also the `latencies`, in seconds."""
    entities, spent = 0, 0.0
    latencies: list[float] = []
    for text in texts.texts:
        started = perf_counter()
        entities += one(text)
        latencies.append(perf_counter() - started)
        spent += latencies[-1]
        if spent >= seconds:
            break
    done = len(latencies)
    words = sum(texts.words[:done])
    return {"texts": done, "words": words, "entities": entities, "seconds": spent, "latencies": latencies}


def measure(job: Job) -> dict[str, Any]:
    """Load a system in this process and measure it on all sets.

    Returns:
        `load_seconds`, `precision`, `peak_mib` after each set, and `cells`: what was timed of each set and size of batch.
    """
    limit_threads(job.threads)
    started = perf_counter()
    system = load(job.system, job.folder, job.threads)
    system.one(_WARM_UP)
    found: dict[str, Any] = {"load_seconds": perf_counter() - started, "precision": system.precision, "peak_mib": {}, "cells": {}}
    for (name, batch), seconds in job.seconds.items():
        texts = read_set(job.texts, name)
        system.many(texts.texts[-2:], 2)
        alone = batch == 1
        timed = time_singly(system.one, texts, seconds) if alone else time_batches(system.many, texts, batch, seconds)
        found["cells"][name, batch], found["peak_mib"][name] = timed, peak_mib()
    return found


def measure_stream(folder: Path, corpus: Path, *, threads: int, texts: int, seed: int) -> dict[str, list[float]]:
    """Read short texts that are all different, and look at this process's memory ten times; give `texts` and `rss_mib`."""
    limit_threads(threads)
    hide_torch()
    import psutil
    import spacy

    nlp = spacy.load(folder, config={"components.ner.threads": threads})
    stream = islice(make_texts(read_sources(corpus), SIZES[SHORT], seed=seed), texts)
    looks: dict[str, list[float]] = {"texts": [], "rss_mib": []}
    for i, _ in enumerate(nlp.pipe(stream, batch_size=STREAM_BATCH), start=1):
        if i % (texts // 10) == 0:
            looks["texts"].append(i)
            looks["rss_mib"].append(psutil.Process().memory_info().rss / 2**20)
    return looks


def measure_ceiling(threads: int, seconds: float) -> dict[str, float]:
    """Measure what the processor can compute, on as many cores as the systems have."""
    limit_threads(threads)
    return measure_rates(threads, seconds)
