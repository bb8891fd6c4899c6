"""What a labeling configuration says: which control labels which field of a task, and with what labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn
from xml.etree import ElementTree as ET

from ner11.errors import Ner11Error
from ner11.schema import name_form

_WHERE = "labeling configuration"
_OTHERS = ("hypertext", "paragraphs")
"""Elements whose regions are no offsets in a text."""


@dataclass(frozen=True, slots=True)
class LabelingConfig:
    """The part of a labeling configuration that predictions must fit.

    Attributes:
        from_name: Name of the control that labels.
        to_name: Name of the element that shows the text.
        key: Field of a task's data that holds the text.
        labels: The labels, as regions have them: the alias of a label that has one.
        names: Label by each name that it is known by, with and without case, blanks and underscores.
    """

    from_name: str
    to_name: str
    key: str
    labels: tuple[str, ...]
    names: dict[str, str]

    def label_for(self, path: Sequence[str]) -> str | None:
        """Find the label for an entity.

        Args:
            path: Nodes of the label tree, from the tier down to the entity's label.

        Returns:
            The label of that name, then that of the nearest node above it (a project that labels categories only); None if
            the configuration has none of them.
        """
        found = (self.names.get(name) or self.names.get(name_form(name)) for name in reversed(path))
        return next(filter(None, found), None)


class _Builder(ET.TreeBuilder):
    def doctype(self, *_: object) -> NoReturn:
        # Entities are declared in it, and a few lines of them fill the memory. Label Studio writes none.
        raise Ner11Error("it declares a document type", where=_WHERE, fix="Remove the line with <!DOCTYPE")


@lru_cache(maxsize=64)
def parse_config(xml: str) -> LabelingConfig:
    """Find the control that labels a text.

    Args:
        xml: The labeling configuration of a project.

    Raises:
        Ner11Error: If it is no XML, or if not exactly one `<Labels>` labels a `<Text>` with a field of the task.
    """
    elements = _parse(xml)
    texts = {each.attrib["name"]: each for each in elements if each.tag == "text" and each.get("name")}
    controls = [each for each in elements if each.tag == "labels" and _shown(each) & texts.keys()]
    if not controls:
        _explain_none([each.tag for each in elements], [*texts])
    if len(controls) > 1:
        several = " and ".join(f"'{each.get('name', '')}'" for each in controls)
        raise Ner11Error(f"several <Labels> for a text, {several}", where=_WHERE, fix="Keep the one that the model shall fill")
    (control,) = controls
    name = control.get("name")
    if not name:
        raise Ner11Error("<Labels> has no name", where=_WHERE, fix='Give it one, like name="label"')
    labels, names = _read_labels(control)
    if not labels:
        raise Ner11Error(f'<Labels name="{name}"> offers no <Label>', where=_WHERE, fix="Add the labels")
    to_name = min(_shown(control) & texts.keys())
    return LabelingConfig(name, to_name, _data_key(texts[to_name]), labels, names)


def _parse(xml: str) -> list[ET.Element]:
    """Give all elements, tags and attributes in small letters: Label Studio minds the case of neither."""
    parser = ET.XMLParser(target=_Builder(), encoding="utf-8")  # whatever encoding it declares: it came as JSON
    try:
        parser.feed(xml.encode("utf8", "replace").strip())
        root = parser.close()
    except (ET.ParseError, ValueError, LookupError) as e:
        raise Ner11Error(f"no valid XML ({e})", where=_WHERE, fix="Correct it in the project's settings") from e
    elements = [*root.iter()]
    for each in elements:
        each.tag, each.attrib = each.tag.lower(), {key.lower(): value for key, value in each.attrib.items()}
    return elements


def _shown(control: ET.Element) -> set[str]:
    return {name.strip() for name in control.get("toname", "").split(",")}


def _read_labels(control: ET.Element) -> tuple[tuple[str, ...], dict[str, str]]:
    labels: dict[str, None] = {}
    names: dict[str, str] = {}
    forms: dict[str, str] = {}
    for each in control.iter("label"):
        if label := each.get("alias") or each.get("value"):
            labels[label] = None
            for name in filter(None, (each.get("value"), label)):
                names.setdefault(name, label)
                forms.setdefault(name_form(name), label)
    # A name as it is written comes before the form of another.
    return tuple(labels), {**forms, **names}


def _data_key(text: ET.Element) -> str:
    name, value = text.get("name"), text.get("value", "")
    if text.get("valuetype", "none") == "url":
        raise Ner11Error(f'<Text name="{name}"> loads its text from an address', where=_WHERE, fix="Import the texts themselves")
    if not value.startswith("$") or not value[1:].strip():
        raise Ner11Error(f'<Text name="{name}"> shows no field of the task', where=_WHERE, fix='Write value="$text"')
    return value[1:].strip()


def _explain_none(tags: Sequence[str], texts: Sequence[str]) -> NoReturn:
    if not texts and (other := next((tag for tag in _OTHERS if tag in tags), None)):
        written = {"hypertext": "HyperText", "paragraphs": "Paragraphs"}[other]
        what, fix = f"it shows <{written}>, where regions are no offsets in a text", "Show the text with <Text>"
    elif not texts:
        what, fix = "it has no <Text> with a name", 'Add <Text name="text" value="$text"/>'
    elif "labels" not in tags:
        what, fix = "it has no <Labels>", 'Add <Labels name="label" toName="text"> with the labels'
    else:
        wanted = " or ".join(f'toName="{name}"' for name in texts)
        what, fix = "no <Labels> labels the <Text>", f"Write {wanted}"
    raise Ner11Error(what, where=_WHERE, fix=fix)
