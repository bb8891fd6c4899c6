"""What is measured, for Prometheus. Labels of metrics are bounded: routes and labels of the model, nothing that clients send."""

from collections import Counter as Counts
from collections.abc import Callable, Collection, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from ner11.serving.entities import Entity
from ner11.serving.runtimes import Runtime

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100)
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        registry = self.registry
        self._requests = Histogram(
            "ner11_request_seconds",
            "Time to answer a request.",
            ["route", "method", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._texts = Counter("ner11_texts", "Texts (parts of long ones) that were read.", registry=registry)
        self._words = Counter("ner11_words", "Words that were read, separated by blanks.", registry=registry)
        self._entities = Counter("ner11_entities", "Entities that were found.", ["label"], registry=registry)
        self._confidences = Histogram(
            "ner11_confidence", "Confidence of the entities.", ["label"], buckets=_CONFIDENCES, registry=registry
        )
        self._batches = Histogram(
            "ner11_batch_texts", "Texts that went through the model at once.", buckets=_TEXTS, registry=registry
        )
        self._waiting = Gauge("ner11_waiting_texts", "Texts that wait for the model.", registry=registry)
        self._model = Gauge("ner11_model_info", "The model that answers.", ["model_version", "name", "kind"], registry=registry)
        self._loads = Counter("ner11_model_loads", "Versions of the model that were loaded.", registry=registry)

    def watch_waiting(self, waiting: Callable[[], float]) -> None:
        """Ask a function for the length of the queue."""
        self._waiting.set_function(waiting)

    def set_model(self, runtime: Runtime, model_version: str) -> None:
        """Note which model answers."""
        self._model.clear()
        self._model.labels(model_version, runtime.name, runtime.kind).set(1)
        self._loads.inc()

    def count_request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Note a request that was answered."""
        self._requests.labels(route, method, str(status)).observe(seconds)

    def count_batch(self, texts: Sequence[str], found: Sequence[Sequence[Entity]], *, labels: Collection[str]) -> None:
        """Note what went through the model at once, and what was found."""
        self._batches.observe(len(texts))
        self._texts.inc(len(texts))
        self._words.inc(sum(len(text.split()) for text in texts))
        counts: Counts[str] = Counts()
        for entity in (entity for entities in found for entity in entities):
            label = entity.label if entity.label in labels else OTHER
            counts[label] += 1
            if entity.confidence is not None:
                self._confidences.labels(label).observe(entity.confidence)
        for label, count in counts.items():
            self._entities.labels(label).inc(count)

    def to_text(self) -> bytes:
        """Write all of it as Prometheus reads it."""
        return generate_latest(self.registry)
