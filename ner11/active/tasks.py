"""Chosen texts as tasks of Label Studio, with what the model finds in them."""

from collections.abc import Sequence
from typing import Any

from ner11.active.selection import Chosen
from ner11.label_studio import make_prediction, make_task


def to_tasks(chosen: Sequence[Chosen], *, strategy: str, model_version: str, key: str = "text") -> list[dict[str, Any]]:
    """Write tasks to import, in the order in which they are to be annotated.

    Args:
        chosen: The texts, best first.
        strategy: Name of the strategy.
        model_version: The model that read them.
        key: Field of the text.

    Returns:
        Tasks, each with a prediction whose score is 1 - uncertainty, and with `meta`: strategy, rank from 1, whether the text
        was chosen by the strategy or drawn at random, the strategy's score and the uncertainty.
    """
    tasks = []
    for rank, one in enumerate(chosen, 1):
        text = one.text.text
        prediction = make_prediction(one.spans, text, model_version=model_version, score=1 - one.uncertainty)
        task = make_task(text, predictions=[prediction], data=one.text.data, key=key)
        meta: dict[str, Any] = {"strategy": strategy, "rank": rank, "chosen_by": "random" if one.at_random else "strategy"}
        task["meta"] = {**meta, "score": one.score, "uncertainty": one.uncertainty}
        tasks.append(task)
    return tasks
