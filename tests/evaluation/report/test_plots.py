import json
import re
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from ner11.evaluation.report.plots import make_plots

SVG = "{http://www.w3.org/2000/svg}"
ALL = ["labels", "confusion", "reliability", "learning", "thresholds"]


def figures(f1, support=10, interval=(0.2, 0.9)):
    return {"f1": f1, "support": support, "f1_interval": None if interval is None else list(interval)}


def cell(gold, predicted, exact=1, boundary=0):
    return {"gold": gold, "predicted": predicted, "exact": exact, "boundary": boundary}


def calibrated(ece):
    bins = [{"low": 0.1, "high": 0.6, "spans": 5, "confidence": 0.4, "accuracy": 0.2}]
    bins.append({"low": 0.6, "high": 1.0, "spans": 5, "confidence": 0.9, "accuracy": 0.8})
    return {"ece": ece, "spans": 10, "bins": bins}


def point(threshold, precision, recall, f1):
    return {"threshold": threshold, "precision": precision, "recall": recall, "f1": f1}


OVERALL = {
    "micro": figures(0.7),
    "labels": {"MALWARE": figures(0.5, 1234), "TOOL": figures(0.75), "DATE": figures(1.0, 3, (1.0, 1.0))},
    "levels": {
        "2": {"CAPABILITY": {"parent": "CYBER_THREAT"}, "TIME": {"parent": "CONTEXT"}},
        "3": {"MALWARE": {"parent": "CAPABILITY"}, "TOOL": {"parent": "CAPABILITY"}, "DATE": {"parent": "TIME"}},
    },
}
NOTHING = {"micro": figures(None, 0, None), "labels": {}}
CELLS = [cell("MALWARE", "MALWARE", 40, 3), cell("MALWARE", "TOOL", 6, 2), cell("DATE", "DATE", 9), cell("TOOL", "MISSED", 5)]
CALIBRATION = {
    "before": calibrated(0.123),
    "after": calibrated(0.045),
    "curve": [point(0.0, 0.5, 0.8, 0.62), point(0.5, 0.9, 0.5, 0.64), point(0.99, None, 0.0, 0.0)],
}
METRICS = {"overall": OVERALL, "confusion": {"cells": CELLS}, "calibration": CALIBRATION}
LOG = [
    {"step": step, "score": f1, "precision": p, "recall": r, "losses": {"transformer": 0.1, "ner": loss}}
    for step, f1, p, r, loss in [
        (0, 0.0, None, 0.0, 2.5),
        (20, 0.6, 0.7, 0.5, None),
        (40, 0.5, 0.5, 0.5, 0.5),
        (60, 0.6, 0.6, 0.6, 0.4),
    ]
]


@pytest.fixture(scope="module")
def plots():
    """All plots of a small evaluation."""
    return make_plots(METRICS, LOG)


def draw_labels(labels):
    return make_plots({"overall": {**OVERALL, "labels": labels}}, [])["labels"]


def draw_confusion(cells):
    return make_plots({"overall": NOTHING, "confusion": {"cells": cells}}, [])["confusion"]


def texts_of(svg):
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_every_plot_is_an_image_with_a_name_and_a_description(plots):
    assert list(plots) == ALL
    for plot in plots.values():
        root = ElementTree.fromstring(plot.svg)
        by_id = {element.get("id"): element.text for element in root.iter()}
        assert root.get("role") == "img"
        assert [by_id[name] for name in root.get("aria-labelledby").split()] == [plot.title, plot.alt]


def test_plots_of_one_page_share_no_id_and_every_reference_leads_somewhere(plots):
    ids, references = [], set()
    for plot in plots.values():
        ids += re.findall(r'\bid="([^"]+)"', plot.svg)
        references.update(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', plot.svg))
    assert len(ids) == len(set(ids))
    assert {name for pair in references for name in pair if name} <= set(ids)


@pytest.mark.parametrize("name", ALL)
def test_a_plot_takes_color_font_and_width_of_the_page_and_leaves_the_rest_alone(plots, name):
    svg = plots[name].svg
    root = ElementTree.fromstring(svg)
    assert "currentColor" in svg and "#010203" not in svg and "#000000" not in svg and "#ffffff" not in svg
    assert "system-ui" in svg and "DejaVu" not in svg
    assert "width" not in root.attrib and root.get("viewBox")
    assert not {element.tag.removeprefix(SVG) for element in root.iter()} & {"style", "metadata", "image", "script"}
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]


def test_the_same_figures_give_the_same_bytes_whatever_the_users_settings(plots):
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        again = make_plots(json.loads(json.dumps(METRICS)), LOG)
    assert plots == again


def test_labels_stand_best_first_with_their_support_and_tier(plots):
    texts = texts_of(plots["labels"].svg)
    labels = [text for text in texts if text.endswith(")") and "micro" not in text]
    assert labels == ["DATE (3)", "TOOL (10)", "MALWARE (1,234)"]
    assert {"CONTEXT", "CYBER_THREAT"} <= set(texts)


def test_what_is_not_annotated_as_one_label_is_no_row():
    plot = draw_labels({"URL": figures(0.0, 0), "MALWARE|TOOL": figures(0.0, 4), "TOOL": figures(0.5)})
    assert [text for text in texts_of(plot.svg) if text.endswith(")")] == ["TOOL (10)", "all labels (micro)"]


def test_many_labels_all_stand_on_a_small_page():
    names = [f"A_LABEL_WITH_A_LONG_NAME_{i}" for i in range(70)]
    plot = draw_labels({name: figures(i / 70) for i, name in enumerate(names)})
    assert {f"{name} (10)" for name in names} <= set(texts_of(plot.svg))
    assert len(plot.svg) < 300_000


def test_the_matrix_holds_confused_labels_with_counts_and_boundary_errors_apart(plots):
    texts = texts_of(plots["confusion"].svg)
    assert texts.count("MALWARE") == 2 and "DATE" not in texts
    assert {"40", "+3", "8", "5", "MISSED", "SPURIOUS"} <= set(texts)
    assert plots["confusion"].alt == "Confusion of 2 labels; most often MALWARE is taken for TOOL, 8 times."


def test_the_matrix_keeps_the_labels_that_are_confused_most():
    plot = draw_confusion([cell(f"L{i}", f"M{i}", exact=100 - i) for i in range(40)])
    texts = set(texts_of(plot.svg))
    assert {"L0", "M11", "L12"} <= texts and not {"M12", "L13"} & texts
    assert len(plot.svg) < 300_000


def test_several_allowed_labels_are_a_row_and_no_column():
    plot = draw_confusion([*CELLS, cell("DATE|TOOL", "MALWARE"), cell("DATE|TOOL", "TOOL", 0, 20)])
    assert texts_of(plot.svg).count("DATE|TOOL") == 1
    assert "most often MALWARE is taken for TOOL" in plot.alt  # other borders within the allowed labels are no confusion


def test_numbers_are_said_in_words(plots):
    alt = {name: plot.alt for name, plot in plots.items()}
    assert "3 labels: from 100.0 (DATE) to 50.0 (MALWARE); all labels together 70.0." in alt["labels"]
    assert "before the temperature: ECE 12.3; after the temperature: ECE 4.5." in alt["reliability"]
    assert "best F1 60.0 at step 20" in alt["learning"]
    assert "F1 is highest, 64.0, at 50.0" in alt["thresholds"]


def test_without_a_temperature_there_is_one_line_of_confidences():
    plots = make_plots({"overall": NOTHING, "calibration": {"before": None, "after": calibrated(0.045), "curve": []}}, [])
    assert plots["reliability"].alt == "Share of right predictions by confidence; confidence: ECE 4.5."


@pytest.mark.parametrize(
    ("part", "value", "left"),
    [
        ("calibration", None, ["labels", "confusion"]),
        ("confusion", {"cells": []}, ["labels", "reliability", "thresholds"]),
        ("confusion", {"cells": [cell("DATE", "MISSED"), cell("SPURIOUS", "TOOL")]}, ["labels", "reliability", "thresholds"]),
        ("overall", NOTHING, ["confusion", "reliability", "thresholds"]),
    ],
)
def test_a_plot_without_data_is_left_out(part, value, left):
    assert list(make_plots({**METRICS, part: value}, [])) == left


def test_a_model_that_predicts_nothing_has_its_labels_at_zero():
    nothing = figures(0.0, 5, (0.0, 0.0))
    calibration = {"after": None, "before": None, "curve": [point(0.0, None, 0.0, 0.0)]}
    overall = {"micro": nothing, "labels": {"DATE": nothing}}
    plots = make_plots({"overall": overall, "confusion": {"cells": [cell("DATE", "MISSED", 5)]}, "calibration": calibration}, [])
    assert list(plots) == ["labels", "thresholds"]
    assert "from 0.0 (DATE) to 0.0 (DATE)" in plots["labels"].alt


def test_a_single_evaluation_is_drawn():
    assert list(make_plots({"overall": NOTHING}, LOG[:1])) == ["learning"]


def test_labels_are_text_and_neither_markup_nor_formulas():
    name = "<script>$x$&"
    plot = draw_labels({name: figures(0.5, interval=None)})
    assert f"{name} (10)" in texts_of(plot.svg) and "<script>" not in plot.svg
