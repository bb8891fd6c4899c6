from collections import defaultdict
from xml.etree import ElementTree as ET

import pytest

from ner11.label_studio import contrast_with_white, label_colors, labeling_config, make_prediction, make_task
from ner11.schema import Schema
from tests.trees import node

THREAT = node("THREAT", node("ACTOR", active=True), node("MALWARE", node("WIPER"), active=True), node("CAMPAIGN"))
SCHEMA = Schema("toy", [THREAT, node("PLACE", active=True)])
LARGE = Schema("large", [node(f"T{i}", *(node(f"T{i}_{j}", active=True) for j in range(12))) for i in range(8)])


def test_the_active_labels_are_offered_in_the_order_of_the_tree():
    labels = ET.fromstring(labeling_config(SCHEMA)).findall("Labels/Label")
    assert [label.get("value") for label in labels] == ["ACTOR", "MALWARE", "PLACE"]
    assert {label.get("hint") for label in labels} == {"d"}


def test_every_control_names_the_element_it_works_on():
    view = ET.fromstring(labeling_config(SCHEMA))
    filter_, labels, text = view
    assert (filter_.tag, filter_.get("toName")) == ("Filter", labels.get("name"))
    assert (labels.tag, labels.get("toName")) == ("Labels", text.get("name"))
    assert (text.tag, text.get("value")) == ("Text", "$text")


def test_a_definition_with_markup_stays_a_definition():
    made = node("CODE", active=True)
    made.definition = 'A "tag" such as <b> & more.'
    label = ET.fromstring(labeling_config(Schema("toy", [made]))).find("Labels/Label")
    assert label is not None and label.get("hint") == made.definition


def test_every_label_has_a_readable_color_of_its_own():
    colors = label_colors(LARGE)
    assert len(colors) == len(set(colors.values())) == 96
    assert min(map(contrast_with_white, colors.values())) >= 4.5


def test_colors_of_a_tier_do_not_depend_on_how_many_labels_others_have():
    more = Schema("toy", [THREAT, node("PLACES", node("CITY", active=True), node("LAND", active=True))])
    before, after = label_colors(SCHEMA), label_colors(more)
    assert [after[label] for label in ("ACTOR", "MALWARE")] == [before[label] for label in ("ACTOR", "MALWARE")]


def test_colors_of_one_tier_are_near_each_other():
    hues = defaultdict(list)
    for label, color in label_colors(LARGE).items():
        rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        hues[label.split("_")[0]].append(rgb.index(max(rgb)))
    assert all(len(set(strongest)) <= 2 for strongest in hues.values())


@pytest.mark.parametrize(("color", "contrast"), [("#ffffff", 1.0), ("#000000", 21.0), ("#767676", 4.54)])
def test_contrast_is_that_of_the_web_guidelines(color, contrast):
    assert contrast_with_white(color) == pytest.approx(contrast, abs=0.005)


EMOJI = "Alice 😀 met Bob."
FOUND = [(12, 15, "PER", 0.4), (0, 5, "PER", 0.9)]


def test_a_prediction_has_regions_in_order_with_scores_beside_the_value():
    prediction = make_prediction(FOUND, EMOJI, model_version="m-1", from_name="ner", to_name="words")
    assert prediction["model_version"] == "m-1"
    first, second = prediction["result"]
    assert first["value"] == {"start": 0, "end": 5, "text": "Alice", "labels": ["PER"]}
    assert second["value"] == {"start": 12, "end": 15, "text": "Bob", "labels": ["PER"]}
    assert (first["from_name"], first["to_name"], first["type"], first["score"]) == ("ner", "words", "labels", 0.9)
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("spans", "given", "score"),
    [
        (FOUND, None, 0.4),
        (FOUND, 0.2, 0.2),
        ([(0, 5, "PER", None), *FOUND[:1]], None, 0.4),
        ([(0, 5, "PER", None)], None, None),
        ([], None, None),
        ([], 0.7, 0.7),
    ],
)
def test_the_score_is_the_least_confidence_and_is_left_out_where_nothing_is_known(spans, given, score):
    prediction = make_prediction(spans, EMOJI, model_version="m", score=given)
    assert prediction.get("score") == score and ("score" in prediction) == (score is not None)


def test_a_region_without_a_confidence_has_no_score():
    (region,) = make_prediction([(0, 5, "PER", None)], EMOJI, model_version="m")["result"]
    assert "score" not in region


def test_a_task_holds_the_text_other_fields_and_predictions():
    prediction = make_prediction(FOUND, EMOJI, model_version="m")
    task = make_task(EMOJI, predictions=[prediction], data={"source": "blog"}, key="body")
    assert task == {"data": {"body": EMOJI, "source": "blog"}, "predictions": [prediction]}
