"""What Label Studio imports: the labeling configuration of a schema, colored by tier, and tasks with predictions."""

import colorsys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from ner11.schema import Schema

_CONTRASTS = (4.6, 7.0)
"""Contrasts with white, by turns: neighbors of one hue stay apart, and white text on each is readable (WCAG AA asks for 4.5)."""
_BAND = 0.7
"""Part of a tier's share of the color circle that its labels use; the rest separates it from the next tier."""


def _luminance(rgb: Sequence[float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast_with_white(color: str) -> float:
    """Give the contrast ratio of a color, written #rrggbb, with white (WCAG 2.2), 1 to 21."""
    return 1.05 / (_luminance([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]) + 0.05)


def _color(hue: float, contrast: float) -> str:
    """Find the lightest color of a hue that has this contrast with white."""
    shades = (colorsys.hls_to_rgb(hue, lightness / 100, 0.75) for lightness in range(70, -1, -1))
    colors = ("#" + "".join(f"{round(255 * part):02x}" for part in shade) for shade in shades)
    return next(color for color in colors if contrast_with_white(color) >= contrast)


def label_colors(schema: Schema) -> dict[str, str]:
    """Give every active label a color of its own, labels of one tier near each other; one schema always gives the same."""
    tiers: defaultdict[str, list[str]] = defaultdict(list)
    for label in schema.active:
        tiers[schema.roll_up(label, 1)].append(label)
    colors = {}
    for tier, labels in enumerate(tiers.values()):
        for i, label in enumerate(labels):
            hue = (tier + _BAND * i / len(labels)) / len(tiers)
            colors[label] = _color(hue, _CONTRASTS[i % len(_CONTRASTS)])
    return colors


def labeling_config(schema: Schema) -> str:
    """Write the labeling configuration of a project whose tasks have the field `text`.

    Args:
        schema: The label tree; only its active labels are offered, in its order.

    Returns:
        XML for Settings > Labeling Interface > Code. Label Studio gives the first labels hotkeys by itself; for so many
        labels there is a filter, and each shows its definition when the mouse is over it.
    """
    view = ET.Element("View")
    filter_ = {"name": "filter", "toName": "label", "minlength": "0", "hotkey": "shift+f", "placeholder": "Filter labels"}
    ET.SubElement(view, "Filter", filter_)
    labels = ET.SubElement(view, "Labels", name="label", toName="text")
    for label, color in label_colors(schema).items():
        ET.SubElement(labels, "Label", value=label, background=color, hint=schema.node(label).definition)
    ET.SubElement(view, "Text", name="text", value="$text")
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def make_region(
    start: int,
    end: int,
    labels: Sequence[str],
    text: str,
    *,
    score: float | None = None,
    from_name: str = "label",
    to_name: str = "text",
) -> dict[str, Any]:
    """Write a span as a region of a result.

    Args:
        start, end: Its characters, counted in code points as Label Studio does.
        labels: Its labels, as the labeling configuration writes them.
        text: The text that it is in.
        score: Its confidence, 0 to 1; None if it has none.
        from_name: Name of the control that labels, `<Labels name=...>`.
        to_name: Name of the element that is labeled, `<Text name=...>`.
    """
    # The place and the labels make an id that no other region of the text has and that is the same each time.
    region: dict[str, Any] = {"id": f"{start}-{end}-{'-'.join(labels)}"}
    region |= {"from_name": from_name, "to_name": to_name, "type": "labels"}
    region["value"] = {"start": start, "end": end, "text": text[start:end], "labels": list(labels)}
    # Beside the value: a score inside it is stored but never shown.
    return region if score is None else {**region, "score": score}


def make_prediction(
    spans: Iterable[tuple[int, int, str, float | None]],
    text: str,
    *,
    model_version: str,
    score: float | None = None,
    from_name: str = "label",
    to_name: str = "text",
) -> dict[str, Any]:
    """Write the entities of a text as a prediction, which Label Studio shows and an annotator corrects.

    Args:
        spans: Start, end, label and confidence, 0 to 1, of each; offsets are code points.
        text: The text.
        model_version: The model that found them.
        score: How sure it is of the whole text, 0 to 1: Label Studio's "uncertainty sampling" asks for the lowest first.
            None for the least confidence of the spans. A text without a span has no score then: how sure it is that there
            is none, the confidences of spans do not tell.
        from_name: Name of the control that labels, `<Labels name=...>`.
        to_name: Name of the element that is labeled, `<Text name=...>`.
    """
    ordered = sorted(spans, key=lambda span: span[:3])
    if score is None:
        score = min((confidence for *_, confidence in ordered if confidence is not None), default=None)
    result = [
        make_region(start, end, [label], text, score=confidence, from_name=from_name, to_name=to_name)
        for start, end, label, confidence in ordered
    ]
    prediction: dict[str, Any] = {"model_version": model_version, "result": result}
    return prediction if score is None else {**prediction, "score": score}


def make_task(
    text: str, *, predictions: Iterable[Mapping[str, Any]] = (), data: Mapping[str, Any] | None = None, key: str = "text"
) -> dict[str, Any]:
    """Write a text as a task to import.

    Args:
        text: The text.
        predictions: As `make_prediction` writes them.
        data: More fields, to be shown or filtered by.
        key: Field of the text, `<Text value="$key">`.
    """
    return {"data": {**(data or {}), key: text}, "predictions": [dict(prediction) for prediction in predictions]}
