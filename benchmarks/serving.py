"""Serving: throughput and latency of the HTTP API beside the bare pipeline.

Run it from the project's folder, after `spacy project run export`, with nothing else running:
python benchmarks/serving.py [--model training/onnx/int8] [--clients 1,8,32] [--threads 1] [--rounds 3] [--seconds 10] [--quick]
It writes benchmarks/results/serving.json.

The server is the process that `scripts/serve.py` starts. The clients are one process with a connection for each client that stays
open, each of them asks for one short text (10 to 15 words, `peers.inference_texts`) and for the next one when it has the answer.
The bare pipeline has a process of its own, reads the same texts by `nlp.pipe` in batches of 64, with the same number of threads.
In every round the bare pipeline is measured first, then the server, for each number of clients. Words are spaCy's tokens. Where
there are as many cores as threads, the server and the clients share them with the model, and the bare pipeline has them alone.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from peers.inference_texts import SHORT, SIZES, make_texts, read_sources
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.files import write_json

MERGED = Path("corpus/merged")
RESULTS = Path("benchmarks/results/serving.json")
TEXTS = 4_000
BATCH = 64
CHUNK = 512
_WARM_UP_SECONDS = 1.0
_START_SECONDS = 120


@dataclass(frozen=True)
class Texts:
    """The texts, and the number of words of each."""

    texts: list[str]
    words: list[int]


def prepare(merged: Path, count: int, seed: int) -> Texts:
    """Make the texts."""
    import spacy

    texts = list(islice(make_texts(read_sources(merged), SIZES[SHORT], seed=seed), count))
    make_doc = spacy.blank("en").make_doc
    return Texts(texts, [len(make_doc(text)) for text in texts])


def measure_pipeline(model: str, threads: int, texts: Texts, seconds: float) -> dict[str, float]:
    """Measure the bare pipeline: words and texts a second."""
    import spacy

    nlp = spacy.load(model)
    recognizer: Any = nlp.get_pipe("ner")
    if hasattr(recognizer, "threads"):
        recognizer.threads = threads
    else:
        import torch

        torch.set_num_threads(threads)
    list(nlp.pipe(texts.texts[:BATCH]))
    done, words, spent = 0, 0, 0.0
    while spent < seconds:
        first = done % len(texts.texts)
        chunk = slice(first, first + CHUNK)
        started = time.perf_counter()
        entities = sum(len(doc.ents) for doc in nlp.pipe(texts.texts[chunk], batch_size=BATCH))
        spent += time.perf_counter() - started
        assert entities >= 0
        done, words = done + len(texts.texts[chunk]), words + sum(texts.words[chunk])
    return {"words_per_second": words / spent, "texts_per_second": done / spent}


class _Client(asyncio.Protocol):
    """Asks for one text after the other, on one connection. It reads no more of an answer than it must: it shares the cores."""

    def __init__(self, asks: Iterator[tuple[bytes, int]], end: float, done: "asyncio.Future[None]") -> None:
        self._asks, self._end, self._done = asks, end, done
        self._buffer, self._started, self._words = b"", 0.0, 0
        self.latencies: list[tuple[float, float, int]] = []

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._started = time.perf_counter()
        if self._started >= self._end:
            self._transport.close()
            return
        request, self._words = next(self._asks)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(self._buffer.decode()))
            return
        now = time.perf_counter()
        self._buffer = b""
        self.latencies.append((now, now - self._started, self._words))
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error) if error else self._done.set_result(None)


def _requests(texts: Texts, first: int) -> Iterator[tuple[bytes, int]]:
    bodies = [json.dumps({"text": text}).encode() for text in texts.texts]
    head = b"POST /v1/extract HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    number = first
    while True:
        body = bodies[number % len(bodies)]
        yield head % len(body) + body, texts.words[number % len(bodies)]
        number += 1


async def _ask(port: int, texts: Texts, clients: int, seconds: float) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + min(_WARM_UP_SECONDS, seconds)
    end, asks, protocols, waits = begin + seconds, _requests(texts, 0), [], []
    for _ in range(clients):
        done = loop.create_future()
        _, protocol = await loop.create_connection(lambda done=done: _Client(asks, end, done), "127.0.0.1", port)
        protocols.append(protocol)
        waits.append(done)
    await asyncio.gather(*waits)
    rows = [row for protocol in protocols for row in protocol.latencies if begin <= row[0] < end]
    return {
        "words_per_second": sum(words for *_, words in rows) / seconds,
        "texts_per_second": len(rows) / seconds,
        "latencies": [latency for _, latency, _ in rows],
    }


def measure_server(port: int, texts: Texts, clients: int, seconds: float) -> dict[str, Any]:
    """Ask a server: words and texts a second, and latencies in seconds."""
    return asyncio.run(_ask(port, texts, clients, seconds))


@contextmanager
def served(model: str, threads: int) -> Iterator[int]:
    """Start the server; give its port."""
    with tempfile.TemporaryDirectory(prefix="serving-") as state:
        settings = {"NER11_MODEL": model, "NER11_THREADS": str(threads), "NER11_STATE": state, "NER11_PORT": "0"}
        log = Path(state) / "log"
        with log.open("w") as file:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("NER11_")}
            process = subprocess.Popen([sys.executable, "scripts/serve.py"], env={**environment, **settings}, stderr=file)
        try:
            yield _wait(process, log)
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        lines = [json.loads(line) for line in log.read_text(encoding="utf8").splitlines(keepends=True) if line.endswith("}\n")]
        if any(line["message"] == "serving" for line in lines):
            return next(line["port"] for line in lines if line["message"] == "listening")
        time.sleep(0.1)
    raise Ner11Error("did not start", where="scripts/serve.py", fix="Start it by itself to see why")


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def summarize(bare: Sequence[dict[str, float]], rounds: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """Summarize the rounds: medians of speeds and of their share in that round's bare pipeline, percentiles of all latencies."""
    rows = []
    for clients, measured in rounds.items():
        latencies = [1000 * latency for one in measured for latency in one["latencies"]]
        shares = [one["words_per_second"] / of["words_per_second"] for one, of in zip(measured, bare, strict=True)]
        rows.append(
            {
                "clients": clients,
                "words_per_second": median(one["words_per_second"] for one in measured),
                "texts_per_second": median(one["texts_per_second"] for one in measured),
                "share_of_bare": median(shares),
                "share_range": [min(shares), max(shares)],
                "requests": len(latencies),
                "p50_ms": percentile(latencies, 0.5),
                "p99_ms": percentile(latencies, 0.99),
            }
        )
    speeds = {name: median(one[name] for one in bare) for name in ("words_per_second", "texts_per_second")}
    return {"bare": speeds, "served": rows}


def _alone(function: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure_all(model: str, threads: int, clients: Sequence[int], texts: Texts, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure a model with a number of threads, in rounds."""
    bare, measured = [], {number: list[dict[str, Any]]() for number in clients}
    for _ in range(rounds):
        bare.append(_alone(measure_pipeline, model, threads, texts, seconds))
        with served(model, threads) as port:
            for number in clients:
                measured[number].append(_alone(measure_server, port, texts, number, seconds))
    return {"model": model, "threads": threads, **summarize(bare, measured)}


def main(
    models: Annotated[
        str, typer.Option(help="Folders of pipelines, separated by commas.")
    ] = "training/onnx/int8,training/model-best",
    clients: Annotated[str, typer.Option(help="Numbers of clients, separated by commas.")] = "1,8,32",
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas.")] = "1,2",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each model and number of threads.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="For each measurement.")] = 10.0,
    quick: Annotated[bool, typer.Option("--quick", help="One round of a second: does it run?")] = False,
    seed: Annotated[int, typer.Option(help="Of the texts.")] = 0,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = RESULTS,
) -> None:
    """Measure the server and write what was measured."""
    from ner11.evaluation.provenance import find_processor, find_versions

    msg = Printer()
    if quick:
        rounds, seconds = 1, 1.0
    texts, rows = prepare(MERGED, TEXTS, seed), []
    for model in models.split(","):
        for number in map(int, threads.split(",")):
            rows.append(measure_all(model, number, [int(one) for one in clients.split(",")], texts, rounds, seconds))
            msg.divider(f"{model}, threads: {number}, bare pipeline {rows[-1]['bare']['words_per_second']:,.0f} words/s")
            for row in rows[-1]["served"]:
                speed = (
                    f"{row['words_per_second']:,.0f} words/s ({row['share_of_bare']:.0%}), {row['texts_per_second']:,.0f} texts/s"
                )
                msg.text(f"{row['clients']} clients: {speed}, p50 {row['p50_ms']:.1f} ms, p99 {row['p99_ms']:.1f} ms")
    machine = {"processor": find_processor(), "cores": os.cpu_count(), "versions": find_versions()}
    settings = {"rounds": rounds, "seconds": seconds, "seed": seed, "texts": len(texts.texts), "words": sum(texts.words)}
    write_json(out, {"machine": machine, "settings": settings, "rows": rows})
    msg.good(f"Wrote {out}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except Ner11Error as e:
        sys.exit(str(e))
