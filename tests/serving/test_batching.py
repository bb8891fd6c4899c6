import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from ner11.errors import Ner11Error
from ner11.serving.batching import BATCH_TEXTS, Batcher, TooBusyError
from ner11.serving.metrics import Metrics
from ner11.serving.parts import MOST
from ner11.serving.served import NotReadyError
from tests.serving.conftest import StandIn

NOTHING = "nothing"


@pytest.fixture
def served(runtime):
    return SimpleNamespace(now=(runtime, "v1"))


@pytest.fixture
def make(served):
    made = []

    def make(*, max_waiting=1000):
        made.append(Batcher(served, max_waiting=max_waiting, metrics=Metrics()))
        made[-1].start()
        return made[-1]

    yield make
    for batcher in made:
        batcher.close()


async def held(batcher, runtime, *requests):
    """Start requests one after the other while the model stands still: the first one alone is taken."""
    runtime.gate.clear()
    tasks = []
    for texts in ([NOTHING], *requests):
        tasks.append(asyncio.ensure_future(batcher.find(texts)))
        await asyncio.sleep(0.01)
    return tasks[1:]


def words(answer):
    return [[entity.text for entity in entities] for entities in answer.entities]


def test_order_is_kept_within_a_request(make):
    texts = ["Turla", NOTHING, "Kazuar"] * 100
    answer = asyncio.run(make().find(texts))
    assert words(answer) == [["Turla"], [], ["Kazuar"]] * 100 and answer.model_version == "v1"


def test_what_waits_goes_through_the_model_together(make, runtime):
    async def ask():
        batcher = make()
        tasks = await held(batcher, runtime, ["Turla"], ["Kazuar", NOTHING], ["🙂"])
        runtime.gate.set()
        return await asyncio.gather(*tasks)

    assert [words(answer) for answer in asyncio.run(ask())] == [[["Turla"]], [["Kazuar"], []], [["🙂"]]]
    assert runtime.asked == [[NOTHING], ["Turla", "Kazuar", NOTHING, "🙂"]]


def test_a_small_request_overtakes_the_rest_of_a_large_one(make, runtime):
    async def ask():
        batcher = make()
        large, small = await held(batcher, runtime, ["x" * MOST] * 40, ["Turla"])
        runtime.gate.set()
        return await asyncio.gather(large, small)

    large, _ = asyncio.run(ask())
    assert len(large.entities) == 40
    assert "Turla" in runtime.asked[1] and len(runtime.asked) > 10


def test_a_long_text_is_read_in_parts_and_found_whole(make, runtime):
    text = ("word " * (MOST // 5) + "Turla. ") * 3
    answer = asyncio.run(make().find([text, "Kazuar"]))
    assert words(answer) == [["Turla"] * 3, ["Kazuar"]]
    assert [text[e.start : e.end] for e in answer.entities[0]] == ["Turla"] * 3
    assert max(len(part) for batch in runtime.asked for part in batch) < 1.2 * MOST


def test_more_than_may_wait_is_refused_and_told_when_to_come_back(make, runtime):
    async def ask():
        batcher = make(max_waiting=3)
        tasks = await held(batcher, runtime, ["Turla", "Turla"])
        with pytest.raises(TooBusyError) as refused:
            await batcher.find(["a", "b"])
        runtime.gate.set()
        await asyncio.gather(*tasks)
        return refused.value.retry_after, await batcher.find(["Turla"] * 10)

    retry_after, answer = asyncio.run(ask())
    assert 1 <= retry_after <= 60
    assert len(answer.entities) == 10, "what is larger than the queue is taken when nothing waits"


def test_a_deadline_gives_what_was_done_until_then(make, runtime):
    async def ask():
        batcher = make()
        task = asyncio.ensure_future(batcher.find(["Turla"] * 3 * BATCH_TEXTS, deadline=time.monotonic() + 0.2))
        await asyncio.sleep(0.05)
        return await task

    calls = iter(range(100))
    find = runtime.find
    runtime.find = lambda texts: find(texts) if next(calls) < 1 else (runtime.gate.clear(), find(texts))[1]
    threading.Timer(0.5, runtime.gate.set).start()
    assert words(asyncio.run(ask())) == [["Turla"]] * BATCH_TEXTS
    time.sleep(0.3)
    assert len(runtime.asked) == 2, "nothing was begun after the deadline"


def test_a_request_that_is_given_up_leaves_no_work_behind(make, runtime):
    async def ask():
        batcher = make()
        (task,) = await held(batcher, runtime, ["Turla"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        runtime.gate.set()
        await batcher.find(["Kazuar"])
        return batcher.waiting

    assert asyncio.run(ask()) == 0
    assert runtime.asked == [[NOTHING], ["Kazuar"]]


def test_only_the_text_that_makes_the_model_fail_fails(make, runtime):
    async def ask():
        tasks = await held(make(), runtime, ["Turla"], ["Kazuar", "fail"], ["🙂"])
        runtime.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert (words(first), words(third)) == ([["Turla"]], [["🙂"]])
    assert isinstance(second, RuntimeError)


def test_a_model_that_does_not_answer_is_told_and_the_thread_lives(make, runtime, served):
    class Gone(StandIn):
        def find(self, texts):
            raise Ner11Error("cannot be reached", where="http://triton")

    batcher = make()
    served.now = (Gone(), "v1")
    with pytest.raises(NotReadyError, match="http://triton: cannot be reached"):
        asyncio.run(batcher.find(["Turla"]))
    served.now = (runtime, "v1")
    assert words(asyncio.run(batcher.find(["Turla"]))) == [["Turla"]]


def test_one_answer_comes_from_one_version(make, runtime, served):
    other = StandIn()

    async def ask():
        batcher = make()
        old = await held(batcher, runtime, ["Turla"] * 3 * BATCH_TEXTS)
        served.now = (other, "v2")
        new = asyncio.ensure_future(batcher.find(["Kazuar"]))
        await asyncio.sleep(0.01)
        runtime.gate.set()
        return [(await task).model_version for task in (*old, new)]

    assert asyncio.run(ask()) == ["v1", "v2"]
    assert other.asked == [["Kazuar"]] and sum(map(len, runtime.asked)) == 1 + 3 * BATCH_TEXTS


def test_closing_finishes_what_waits_and_takes_nothing_more(make, runtime):
    async def ask():
        batcher = make()
        (task,) = await held(batcher, runtime, ["Turla"])
        threading.Timer(0.05, runtime.gate.set).start()
        await asyncio.to_thread(batcher.close)
        with pytest.raises(NotReadyError, match="shutting down"):
            await batcher.find(["Kazuar"])
        return await task

    assert words(asyncio.run(ask())) == [["Turla"]]


def test_no_texts_are_an_answer(make):
    assert asyncio.run(make().find([])).entities == []
