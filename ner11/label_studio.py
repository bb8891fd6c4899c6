"""The labeling configuration of a Label Studio project: the active labels of a schema, colored by tier."""

import colorsys
from collections import defaultdict
from collections.abc import Sequence
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
