"""From tasks to predictions: one result for each task, in order, whatever is in the task."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ner11.errors import Ner11Error
from ner11.label_studio import make_prediction
from ner11.serving.batching import Batcher, TooBusyError
from ner11.serving.entities import Entity
from ner11.serving.label_studio.config import LabelingConfig

BUDGET = 85.0
"""Seconds for an answer: Label Studio gives up after 100, and has to read and store it."""
TEXTS_AT_ONCE = 256
"""Texts that are handed over at once, so that the requests of others get in between."""
_BUSY_SECONDS = 0.2
_PLAIN_TEXT = "$undefined$"
"""Field of tasks that were imported as plain text."""
_NAMED = 10

log = logging.getLogger(__name__)

Result = dict[str, Any] | list[Any]
"""A prediction, or the empty list: no prediction, so that Label Studio asks for the task again."""

_Found = tuple[list[Entity], str]
"""The entities of a text, and the version that found them."""


@dataclass
class Results:
    """The results of a request.

    Attributes:
        results: One for each task.
        left_out: How many entities of each label the labeling configuration has no label for.
        unreadable: Tasks without a text that can be read, as Label Studio numbers them.
        late: Tasks for which the time was too short.
        error: Why nothing more was found, if the model failed.
    """

    results: list[Result] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: list[Any] = field(default_factory=list)
    late: list[Any] = field(default_factory=list)
    error: Ner11Error | None = None


async def predict(
    tasks: Sequence[Any],
    config: LabelingConfig,
    batcher: Batcher,
    *,
    model_version: str,
    max_text: int,
    drawn: Sequence[dict[str, Any]] | None = None,
    budget: float = BUDGET,
) -> Results:
    """Predict tasks.

    Args:
        tasks: As Label Studio sends them.
        config: The project's labeling configuration.
        batcher: Finds entities.
        model_version: What predictions of tasks without a text say.
        max_text: Most characters of a text; a longer one is not read.
        drawn: Regions that the annotator has just drawn, which no predicted one may overlap; None if nobody draws. Who draws
            is answered with a prediction always: the page expects one.
        budget: Seconds; what is not done then is left without a prediction.

    Returns:
        The results. A task without a readable text has a prediction without regions, so that nobody asks for it again.

    Raises:
        Ner11Error: If the model fails before anything was found.
    """
    deadline = time.monotonic() + budget
    texts = [_read_text(task, config.key, max_text) for task in tasks]
    wanted = [text for text in texts if text is not None and text.strip()]
    found, error = await _find(wanted, batcher, deadline)
    if error and not found:
        raise error
    return await asyncio.to_thread(_make_results, tasks, texts, found, error, config, model_version=model_version, drawn=drawn)


def _make_results(
    tasks: Sequence[Any],
    texts: Sequence[str | None],
    found: Sequence[_Found | None],
    error: Ner11Error | None,
    config: LabelingConfig,
    *,
    model_version: str,
    drawn: Sequence[dict[str, Any]] | None,
) -> Results:
    made = Results(error=error)
    answers = iter(found)
    late: _Found = ([], "")
    nothing = make_prediction((), "", model_version=model_version)
    places = [place for region in drawn or () if (place := _place(region, config))]
    for task, text in zip(tasks, texts, strict=True):
        answer = next(answers, late) if text is not None and text.strip() else None
        if text is None or answer is None:
            made.unreadable.append(_number(task))
            made.results.append(nothing)
        elif answer is late:
            made.late.append(_number(task))
            made.results.append([] if drawn is None else nothing)
        else:
            made.results.append(_to_result(text, *answer, config, places, made.left_out))
    return made


async def _find(texts: Sequence[str], batcher: Batcher, deadline: float) -> tuple[list[_Found | None], Ner11Error | None]:
    """Find the entities of as many texts as time allows; None for one that the model fails on."""
    found: list[_Found | None] = []
    size = TEXTS_AT_ONCE
    while len(found) < len(texts) and time.monotonic() < deadline:
        some = texts[len(found) : len(found) + size]
        try:
            answer = await batcher.find(some, deadline=deadline)
        except TooBusyError:
            # There is time to wait; a refusal would leave all tasks without a prediction.
            await asyncio.sleep(_BUSY_SECONDS)
            continue
        except Ner11Error as e:
            return found, e
        except Exception:  # whatever a component raises: one text must not cost the others their predictions
            if len(some) > 1:
                size = len(some) // 2
            else:
                log.exception("the model fails on a text")
                found.append(None)
                size = TEXTS_AT_ONCE
            continue
        found += [(entities, answer.model_version) for entities in answer.entities]
        if len(answer.entities) < len(some):
            break
    return found, None


def _read_text(task: Any, key: str, max_text: int) -> str | None:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict):
        return None
    value = data.get(key, data.get(_PLAIN_TEXT))
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as the browser shows it
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and len(value) <= max_text else None


def _number(task: Any) -> Any:
    return task.get("id") if isinstance(task, dict) else None


def _place(region: dict[str, Any], config: LabelingConfig) -> tuple[int, int] | None:
    value = region.get("value")
    if region.get("to_name", config.to_name) != config.to_name or not isinstance(value, dict):
        return None
    start, end = value.get("start"), value.get("end")
    return (start, end) if isinstance(start, int) and isinstance(end, int) else None


def _to_result(
    text: str,
    entities: Sequence[Entity],
    model_version: str,
    config: LabelingConfig,
    places: Sequence[tuple[int, int]],
    left_out: Counter[str],
) -> Result:
    spans = []
    for entity in entities:
        label = config.label_for(entity.path)
        if label is None:
            left_out[entity.label] += 1
        elif not any(entity.start < end and start < entity.end for start, end in places):
            spans.append((entity.start, entity.end, label, entity.confidence))
    return make_prediction(spans, text, model_version=model_version, from_name=config.from_name, to_name=config.to_name)


def say(results: Results, config: LabelingConfig, *, project: object, seconds: float) -> None:
    """Log what an annotator will miss."""
    if results.unreadable:
        log.warning("project %s: no text that can be read under '%s' in %s", project, config.key, _name(results.unreadable))
    if results.error:
        log.error("project %s: no prediction for %s: %s", project, _name(results.late), results.error)
    elif results.late:
        log.warning(
            "project %s: no prediction for %s after %.0f s; retrieve predictions again", project, _name(results.late), seconds
        )


def _name(tasks: Sequence[Any]) -> str:
    first = ", ".join(str(task) for task in tasks[:_NAMED])
    more = f" and {len(tasks) - _NAMED} more" if len(tasks) > _NAMED else ""
    return f"task{'s' if len(tasks) > 1 else ''} {first}{more}"
