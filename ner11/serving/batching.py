"""Dynamic batching: what waits, of all requests, goes through the model together."""

import asyncio
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ner11.errors import Ner11Error
from ner11.serving.entities import Answer, Entity
from ner11.serving.metrics import Metrics
from ner11.serving.parts import Part, cut, join
from ner11.serving.runtimes import Runtime
from ner11.serving.served import NotReadyError, ServedModel

BATCH_TEXTS = 64
BATCH_CHARACTERS = 16_000
"""Most texts and characters that go through the model at once: requests that come later wait for so much at most."""
_SHARE = 20_000.0
"""Characters a second that a request is let go ahead with, whatever came after it: small requests overtake the rest of large
ones, and large ones still move on (virtual finish times, as in fair queuing: Demers et al. 1989)."""
_CHARACTERS_PER_TEXT = 2_500
"""Of the queue's limit in texts, its limit in characters."""

logger = logging.getLogger(__name__)


class TooBusyError(Ner11Error):
    """More waits than may.

    Args:
        what: What is the matter.
        retry_after: Seconds after which to ask again.
    """

    def __init__(self, what: str, *, retry_after: int) -> None:
        super().__init__(what, fix=f"Ask again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(eq=False, slots=True)
class _Job:
    """The texts of a request, and what was found in them; all by one runtime."""

    runtime: Runtime
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"
    found: list[list[tuple[Part, list[Entity]]]]
    missing: list[int]
    left: int
    dropped: bool = False
    error: Exception | None = None


_Item = tuple[float, int, _Job, int, Part]
"""Virtual time at which it should be done, number, job, number of the text in it, part of the text."""


class Batcher:
    """Runs the served model in a thread of its own on what waits.

    Args:
        served: The model.
        max_waiting: Texts that may wait. A request that comes when nothing waits is taken whatever its size.
        metrics: What is measured.
    """

    def __init__(self, served: ServedModel, *, max_waiting: int, metrics: Metrics) -> None:
        self._served, self._max_waiting, self._metrics = served, max_waiting, metrics
        self._heap: list[_Item] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._texts = self._characters = 0
        self._rate = 10_000.0  # characters a second, as measured; this until then
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """Texts (or parts of long ones) that wait."""
        return self._texts

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="ner11-batcher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    async def find(self, texts: Sequence[str], *, deadline: float | None = None) -> Answer:
        """Find the entities of texts.

        Args:
            texts: The texts.
            deadline: When to stop, by `time.monotonic()`; None for when all is done.

        Returns:
            The entities of each text, of the first ones if there was a deadline, and the version that found all of them.

        Raises:
            TooBusyError: If more waits than may.
            NotReadyError: If there is no model, or it does not answer, or the server is shutting down.
        """
        runtime, version = self._served.now
        if not texts:
            return Answer([], version)
        loop = asyncio.get_running_loop()
        parts = [[*cut(text)] for text in texts]
        counts = [len(of_text) for of_text in parts]
        job = _Job(runtime, loop, loop.create_future(), [[] for _ in texts], counts, sum(counts))
        self._enqueue(job, parts)
        timer = loop.call_at(loop.time() + deadline - time.monotonic(), _finish, job.future) if deadline is not None else None
        try:
            await job.future
        finally:
            job.dropped = True  # what was not begun is not begun any more
            if timer:
                timer.cancel()
        if isinstance(job.error, Ner11Error):
            raise NotReadyError(job.error.what, where=job.error.where) from job.error
        if job.error:
            raise job.error
        done = itertools.takewhile(lambda i: not job.missing[i], range(len(texts)))
        return Answer([join(job.found[i]) for i in done], version)

    def _enqueue(self, job: _Job, parts: Sequence[Sequence[Part]]) -> None:
        characters = sum(len(part.text) for of_text in parts for part in of_text)
        with self._changed:
            if self._closing:
                raise NotReadyError("the server is shutting down")
            texts = self._texts + job.left
            most = self._max_waiting * _CHARACTERS_PER_TEXT
            if self._heap and (texts > self._max_waiting or self._characters + characters > most):
                retry_after = min(60, max(1, round(self._characters / self._rate)))
                raise TooBusyError(f"{self._texts} texts wait already", retry_after=retry_after)
            due = time.monotonic()
            for number, of_text in enumerate(parts):
                for part in of_text:
                    due += len(part.text) / _SHARE
                    heapq.heappush(self._heap, (due, next(self._numbers), job, number, part))
            self._texts, self._characters = texts, self._characters + characters
            self._changed.notify()

    def _take(self) -> list[_Item]:
        """Wait for something to do, and take as much as goes through one model at once; nothing if it is to end."""
        with self._changed:
            while True:
                batch: list[_Item] = []
                later: list[_Item] = []
                size = 0
                while self._heap and len(batch) < BATCH_TEXTS:
                    item = self._heap[0]
                    length = len(item[4].text)
                    if item[2].dropped:
                        self._forget(heapq.heappop(self._heap))
                    elif batch and item[2].runtime is not batch[0][2].runtime:
                        later.append(heapq.heappop(self._heap))
                    elif batch and size + length > BATCH_CHARACTERS:
                        break
                    else:
                        batch.append(heapq.heappop(self._heap))
                        self._forget(batch[-1])
                        size += length
                for item in later:
                    heapq.heappush(self._heap, item)
                if batch or self._closing:
                    return batch
                self._changed.wait()

    def _forget(self, item: _Item) -> None:
        self._texts -= 1
        self._characters -= len(item[4].text)

    def _run(self) -> None:
        while batch := self._take():
            texts = [part.text for *_, part in batch]
            started = time.perf_counter()
            found = self._find(batch[0][2].runtime, texts, [item[2] for item in batch])
            seconds = time.perf_counter() - started
            self._rate += 0.1 * (sum(map(len, texts)) / max(seconds, 1e-6) - self._rate)
            self._metrics.count_batch(texts, found, labels=batch[0][2].runtime.labels)
            self._hand_over(batch, found)

    def _find(self, runtime: Runtime, texts: Sequence[str], jobs: Sequence[_Job]) -> list[list[Entity]]:
        """Find the entities of a batch; if it fails, of one text after the other, so that only what causes it fails."""
        try:
            return runtime.find(texts)
        except Exception as e:  # whatever a component raises: the thread must live
            if len(texts) == 1 or isinstance(e, Ner11Error):
                for job in jobs:
                    job.error = e
                return [[] for _ in texts]
        return [self._find(runtime, [text], [job])[0] for text, job in zip(texts, jobs, strict=True)]

    def _hand_over(self, batch: Sequence[_Item], found: Sequence[list[Entity]]) -> None:
        done: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for (_, _, job, number, part), entities in zip(batch, found, strict=True):
            job.found[number].append((part, entities))
            job.missing[number] -= 1
            job.left -= 1
            if job.left == 0 or job.error:
                done.setdefault(job.loop, []).append(job.future)
        for loop, futures in done.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(partial(_finish_all, futures))


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _finish_all(futures: Iterable["asyncio.Future[None]"]) -> None:
    for future in futures:
        _finish(future)
