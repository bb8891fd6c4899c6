from ner11.active.candidates import Wishes
from ner11.active.pool import PoolText
from ner11.active.selection import select
from ner11.active.strategies import find_strategy
from ner11.active.tasks import to_tasks


def test_tasks_have_predictions_and_say_why_they_are_asked(stub):
    texts = [PoolText("up w55", {"source": "x"}), PoolText("w60"), PoolText("w99")]
    found = select(texts, stub, Wishes(find_strategy("mnlp"), 3, random_share=0.4))
    tasks = to_tasks(found.chosen, strategy="mnlp", model_version=stub.version)
    assert [task["meta"]["rank"] for task in tasks] == [1, 2, 3]
    assert sorted(task["meta"]["chosen_by"] for task in tasks) == ["random", "strategy", "strategy"]
    by_text = {task["data"]["text"]: task for task in tasks}
    task = by_text["up w55"]
    assert task["data"] == {"source": "x", "text": "up w55"}
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == stub.version
    assert prediction["score"] == 1 - task["meta"]["uncertainty"]
    (region,) = prediction["result"]
    assert region["value"] == {"start": 0, "end": 2, "text": "up", "labels": ["A"]}
    assert by_text["w60"]["predictions"][0]["result"] == []
    for task in tasks:
        assert (task["meta"]["score"] is None) == (task["meta"]["chosen_by"] == "random")


def test_the_text_keeps_its_field(stub):
    found = select([PoolText("w60", {"text": "other"})], stub, Wishes(find_strategy("mnlp"), 1, 0.0))
    (task,) = to_tasks(found.chosen, strategy="mnlp", model_version="m", key="body")
    assert task["data"] == {"text": "other", "body": "w60"}
