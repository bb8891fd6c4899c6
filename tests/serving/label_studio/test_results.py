import asyncio
import logging

import pytest

from ner11.errors import Ner11Error
from ner11.serving.batching import TooBusyError
from ner11.serving.label_studio import results
from ner11.serving.label_studio.config import parse_config
from ner11.serving.label_studio.results import TEXTS_AT_ONCE, predict, say
from tests.serving.label_studio.toys import CONFIG, ToyBatcher, ToyModel, make_tasks

PARSED = parse_config(CONFIG)


@pytest.fixture
def batcher():
    return ToyBatcher(ToyModel())


def ask(batcher, tasks, **options):
    return asyncio.run(predict(tasks, PARSED, batcher, model_version="en_toy-1.0.0", **{"max_text": 100, **options}))


def surfaces(result):
    return [region["value"]["text"] for region in result["result"]]


def test_every_task_has_its_own_result_in_order(batcher):
    made = ask(batcher, make_tasks("Alice and Bob", "nobody", "Carol"))
    assert [surfaces(result) for result in made.results] == [["Alice", "Bob"], [], ["Carol"]]
    assert [result.get("score") for result in made.results] == [0.4, None, 0.8]
    assert {result["model_version"] for result in made.results} == {"en_toy-1.0.0"}


def test_regions_fit_the_labeling_configuration_and_count_code_points(batcher):
    ((result,)) = ask(batcher, make_tasks("😀 Bob at Acme\r\nCorp")).results
    first, second = result["result"]
    assert (first["from_name"], first["to_name"]) == ("ner", "words")
    assert first["value"] == {"start": 2, "end": 5, "text": "Bob", "labels": ["PER"]}
    assert second["value"] == {"start": 9, "end": 19, "text": "Acme\r\nCorp", "labels": ["ORG"]}


@pytest.mark.parametrize(
    "task",
    [
        {"id": 7, "data": {"other": "Alice"}},
        {"id": 7, "data": {"body": None}},
        {"id": 7, "data": {"body": ["Alice"]}},
        {"id": 7, "data": {"body": ""}},
        {"id": 7, "data": {"body": " \n"}},
        {"id": 7, "data": {"body": "Alice " * 100}},
        {"id": 7, "data": None},
        {"id": 7},
    ],
)
def test_a_task_without_a_readable_text_has_no_entities_and_costs_the_others_nothing(batcher, task, caplog):
    made = ask(batcher, [*make_tasks("Alice"), task, *make_tasks("Bob")])
    assert [surfaces(result) for result in made.results] == [["Alice"], [], ["Bob"]]
    say(made, PARSED, project="3.1", seconds=0.1)
    assert "project 3.1: no text that can be read under 'body' in task 7" in caplog.text


@pytest.mark.parametrize("task", [None, 5, "Alice", []])
def test_what_is_no_task_has_a_result_too(batcher, task):
    assert [surfaces(result) for result in ask(batcher, [task, *make_tasks("Bob")]).results] == [[], ["Bob"]]


@pytest.mark.parametrize(("value", "text"), [(2024, "2024"), (1.0, "1"), (2.5, "2.5")])
def test_a_number_is_read_as_the_browser_shows_it(batcher, value, text):
    ask(batcher, make_tasks(value))
    assert batcher.asked == [[text]]


def test_plain_text_imports_have_a_key_of_their_own(batcher):
    assert surfaces(ask(batcher, [{"id": 1, "data": {"$undefined$": "Bob"}}]).results[0]) == ["Bob"]


def test_labels_that_the_project_lacks_are_left_out_and_counted(batcher):
    made = ask(batcher, make_tasks("Bob in Paris", "Paris"))
    assert [surfaces(result) for result in made.results] == [["Bob"], []]
    assert made.left_out == {"LOC": 2}
    assert "score" not in made.results[1]


def test_what_is_not_done_in_time_has_no_prediction(batcher, caplog):
    batcher.limit = 1
    made = ask(batcher, make_tasks("Alice", "", "Bob", "Carol"))
    assert [isinstance(result, list) for result in made.results] == [False, False, True, True]
    assert made.results[2:] == [[], []]
    say(made, PARSED, project=1, seconds=85)
    assert "no prediction for tasks 3, 4 after 85 s" in caplog.text


def test_many_tasks_are_handed_over_in_pieces(batcher):
    made = ask(batcher, make_tasks(*["Bob"] * (TEXTS_AT_ONCE + 1)))
    assert [len(texts) for texts in batcher.asked] == [TEXTS_AT_ONCE, 1] and len(made.results) == TEXTS_AT_ONCE + 1


def test_a_queue_that_is_full_is_waited_for(batcher, monkeypatch):
    monkeypatch.setattr(results, "_BUSY_SECONDS", 0)
    batcher.errors = [TooBusyError("20000 texts wait already", retry_after=1)] * 3
    assert surfaces(ask(batcher, make_tasks("Bob")).results[0]) == ["Bob"]


def test_a_queue_that_stays_full_leaves_tasks_without_a_prediction(batcher, monkeypatch):
    monkeypatch.setattr(results, "_BUSY_SECONDS", 0.01)
    batcher.errors = [TooBusyError("20000 texts wait already", retry_after=1)] * 1000
    assert ask(batcher, make_tasks("Bob"), budget=0.05).results == [[]]


def test_a_text_that_the_model_fails_on_costs_the_others_nothing(batcher, caplog):
    made = ask(batcher, make_tasks(*["Bob"] * 5, "poison", *["Alice"] * 5))
    assert [surfaces(result) for result in made.results] == [["Bob"]] * 5 + [[]] + [["Alice"]] * 5
    assert made.unreadable == [6]
    assert "the model fails on a text" in caplog.text


def test_a_model_that_fails_altogether_says_so(batcher):
    batcher.errors = [Ner11Error("the server is shutting down")]
    with pytest.raises(Ner11Error, match="shutting down"):
        ask(batcher, make_tasks("Bob"))


def test_what_was_found_before_a_failure_is_kept(batcher, caplog, monkeypatch):
    monkeypatch.setattr(results, "TEXTS_AT_ONCE", 1)
    find = batcher.find

    async def once(texts, *, deadline=None):
        batcher.errors = [Ner11Error("gone")] if batcher.asked else []
        return await find(texts, deadline=deadline)

    batcher.find = once
    made = ask(batcher, make_tasks("Bob", "Alice"))
    assert surfaces(made.results[0]) == ["Bob"] and made.results[1] == []
    with caplog.at_level(logging.ERROR):
        say(made, PARSED, project=1, seconds=1)
    assert "no prediction for task 2: gone." in caplog.text


def test_what_an_annotator_draws_is_not_predicted_again(batcher):
    drawn = [{"to_name": "words", "value": {"start": 3, "end": 8}}, {"value": None}, {"value": {"start": "/p[1]"}}]
    (result,) = ask(batcher, make_tasks("Alice and Bob"), drawn=drawn).results
    assert surfaces(result) == ["Bob"]


def test_who_draws_gets_a_prediction_whatever_happens(batcher):
    batcher.limit = 0
    assert surfaces(ask(batcher, make_tasks("Bob"), drawn=[]).results[0]) == []


def test_regions_that_only_touch_do_not_overlap(batcher):
    (result,) = ask(batcher, make_tasks("Alice"), drawn=[{"value": {"start": 5, "end": 6}}]).results
    assert surfaces(result) == ["Alice"]
