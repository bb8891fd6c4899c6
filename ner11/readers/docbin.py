"""Files of spaCy's `DocBin`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import validate_call
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from ner11.annotation import UNKNOWN, AnnotatedText, LabelledSpan
from ner11.errors import Ner11Error
from ner11.readers import readers
from ner11.readers.files import list_files, open_input

_MISSING = 0  # spaCy's code of ENT_IOB


@readers("docbin")
@validate_call
def read_docbin(path: Path, *, spans_key: str | None = None) -> Iterator[AnnotatedText]:
    """Read a `.spacy` file, or each of a folder; every document becomes a text.

    Args:
        path: The file or the folder.
        spans_key: Span group that is read beside the entities, such as "sc".

    Yields:
        Texts. Tokens without entity annotation among others that have one make an unknown span; a document without any
        (and without the span group) is damage. The string under "group" in a document's user data is its group.

    Raises:
        Ner11Error: If the path is missing, or a file is damaged.
    """
    for file in list_files(path, "*.spacy") if path.is_dir() else [path]:
        for number, doc in enumerate(_read_docs(file), 1):
            text = AnnotatedText("", where=f"{file}: doc {number}", group=f"{file.stem}:{number}")
            try:
                _fill(text, doc, spans_key)
            except Exception as e:  # of any kind, such as a label that the file's list of strings does not hold
                text.damage = f"a damaged document ({e})"
            yield text


def _fill(text: AnnotatedText, doc: Doc, spans_key: str | None) -> None:
    text.text = doc.text
    group = doc.user_data.get("group")
    if isinstance(group, str) and group:
        text.group = group
    grouped = spans_key is not None and spans_key in doc.spans
    if doc.has_annotation("ENT_IOB"):
        text.spans += _labelled(doc.ents)
        text.spans += _missing(doc)
    elif not grouped:
        text.damage = "no entity annotation"
    if grouped:
        text.spans += _labelled(doc.spans[spans_key])


def _read_docs(file: Path) -> Iterator[Doc]:
    with open_input(file) as opened:
        opened.seek(0)
        content = opened.read()
    if not content:
        return
    try:
        yield from DocBin().from_bytes(content).get_docs(Vocab())
    except Exception as e:  # damage shows as any error there is, from zlib's to numpy's
        raise Ner11Error(f"no DocBin file ({e})", where=file, fix="Write the file again with spaCy's DocBin.to_disk") from e


def _labelled(spans: Iterable[Span]) -> Iterator[LabelledSpan]:
    for span in spans:
        made = LabelledSpan(span.start_char, span.end_char, span.label_ or UNKNOWN)
        if not span.label_:
            made.outcome, made.reason = "unknown", "no label"
        yield made


def _missing(doc: Doc) -> Iterator[LabelledSpan]:
    """Give each run of tokens that may or may not be in an entity."""
    first: int | None = None
    for i in range(len(doc) + 1):
        if i < len(doc) and doc[i].ent_iob == _MISSING:
            first = i if first is None else first
        elif first is not None:
            run = doc[first:i]
            yield LabelledSpan(run.start_char, run.end_char, UNKNOWN, outcome="unknown", reason="missing annotation")
            first = None
