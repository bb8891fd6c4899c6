"""How plots are drawn: colors, and figures as SVG that stands in a page: text as text, light and dark, no ids that clash."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib.style
from matplotlib.figure import Figure

INK = "#010203"
"""What text, axes and grids are drawn in. It becomes `currentColor`: the text color of the page, dark or light."""
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GRAY = "#B87A00", "#3A93C8", "#808080"
"""The palette of Okabe and Ito (2008) for the color-blind; orange and sky blue are darker, to be seen on white and on black."""
_FONT = "DejaVu Sans"
"""Texts are measured in this font, which comes with matplotlib and is wide; the page shows them in its own."""
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color", "legend.labelcolor")
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ner11",
    "font.sans-serif": [_FONT],
    "text.parse_math": False,  # a dollar in a label is no formula
    "font.size": 12,
    "axes.labelsize": 12,
    "legend.fontsize": 12,
    "figure.dpi": 72,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    **dict.fromkeys(_INKED, INK),
}

# As the default namespace, so that a page takes the elements for what they are. ElementTree has only this way to say so.
ElementTree.register_namespace("", _SVG.strip("{}"))


@dataclass(frozen=True)
class Plot:
    """A plot: an SVG element, its title, a caption that says how to read it, and what it shows in words."""

    svg: str
    title: str
    caption: str
    alt: str


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw in the style of the report, whatever settings of matplotlib the user has."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make a figure; its size is in units of the SVG, which are pixels where the page has room."""
    return Figure(figsize=(width / 72, height / 72), layout="constrained")


def finish(figure: Figure, *, name: str, title: str, caption: str, alt: str) -> Plot:
    """Make the plot of a figure; `name` is unique on the page."""
    return Plot(to_svg(figure, name=name, title=title, description=alt), title, caption, alt)


def to_svg(figure: Figure, *, name: str, title: str, description: str) -> str:
    """Write a figure as an SVG element; the same figure gives the same text.

    Args:
        figure: Drawn within `drawing_style`, with `INK` for everything that takes the color of the page's text.
        name: Stands in front of every id; unique on the page.
        title: Its name, for screen readers and as a tooltip.
        description: What it shows, for those who do not see it.

    Returns:
        The element, without an XML declaration. It is as wide as the page lets it be, up to the size of the figure.
    """
    file = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=metadata, transparent=True)
    root = ElementTree.fromstring(file.getvalue())
    for defs in root.findall(f"{_SVG}defs"):
        for style in defs.findall(f"{_SVG}style"):  # its rules would hold for the whole page
            defs.remove(style)
    _rename_ids(root, f"plot-{name}")
    width = float(root.attrib.pop("width").removesuffix("pt"))
    del root.attrib["height"]
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"plot-{name}-title plot-{name}-desc",
        "style": f"display: block; width: 100%; max-width: {width:.0f}px; height: auto; stroke-linejoin: round",
    }
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(f"{_SVG}{tag}", id=f"plot-{name}-{tag}")
        element.text = text
        root.insert(0, element)
    return ElementTree.tostring(root, encoding="unicode").replace(INK, "currentColor").replace(f"'{_FONT}'", "system-ui")


def _rename_ids(root: ElementTree.Element, prefix: str) -> None:
    """Put a prefix before the ids that something refers to, and drop the others."""
    used = set()
    for element in root.iter():
        if _LINK in element.attrib:
            target = element.attrib.pop(_LINK).removeprefix("#")
            used.add(target)
            element.set("href", f"#{prefix}-{target}")
        if clip := element.get("clip-path"):
            target = clip.removeprefix("url(#").removesuffix(")")
            used.add(target)
            element.set("clip-path", f"url(#{prefix}-{target})")
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            element.set("id", f"{prefix}-{old}")
