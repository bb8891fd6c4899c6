"""How the rows of a table become texts: one token a row, one text a row, or one span a row with the texts elsewhere."""

from collections.abc import Iterator
from pathlib import Path

from ner11.annotation import AnnotatedText
from ner11.readers.columns import tagged_text
from ner11.readers.files import Line
from ner11.readers.json_layout import Layout
from ner11.readers.json_spans import RecordParser
from ner11.readers.json_values import parse_record
from ner11.readers.standoff import make_span, read_text
from ner11.readers.table import Row


def read_tokens(path: Path, rows: Iterator[Row], *, bare: bool) -> Iterator[AnnotatedText]:
    """Join rows of sentence, token and tag; an empty sentence cell continues the sentence."""
    tokens: list[str] = []
    tags: list[str] = []
    line, name, damage, suspect = 1, "", "", ""

    def sentence() -> AnnotatedText:
        text = tagged_text(tokens, [tags], where=str(path), line=line, bare=bare)
        text.group, text.damage = f"{path.stem}:{name or line}", damage
        return text

    for row in rows:
        value, token, tag = row.cells
        if row.damage:
            damage = damage or f"line {row.line}: {row.damage}"
            # Its sentence cell is not trusted: it may belong to this sentence or to the next, and so may rows lost with it.
            suspect = damage
        elif tokens and value.strip() and value != name:
            yield sentence()
            tokens, tags, damage, suspect = [], [], suspect, ""
        else:
            suspect = ""
        if not tokens:
            line, name = row.line, "" if row.damage else value
        tokens.append(token or ("?" if row.damage else ""))
        tags.append("" if row.damage else tag.strip())
    if tokens:
        yield sentence()


def read_spans(path: Path, rows: Iterator[Row], layout: Layout) -> Iterator[AnnotatedText]:
    """Read rows of a text and a JSON list of its spans."""
    parser = RecordParser(layout)
    for line, (content, cell), damage in rows:
        record = parse_record(Line(line, cell, ""))
        text = parser.parse({"text": content, "spans": record.value})
        text.where, text.line, text.group = str(path), line, f"{path.stem}:{line}"
        text.problems += record.problems
        if not isinstance(record.value, list):
            text.damage = f"spans that are no {'JSON' if record.damage else 'list'}"
        text.damage = damage or text.damage
        yield text


def read_standoff(rows: Iterator[tuple[Path, Row]], files: dict[str, Path], *, unlisted: bool | None) -> Iterator[AnnotatedText]:
    """Gather rows of a document and of one span's start, end, label and surface, then read the documents."""
    # Only spans are held, no texts: the rows of a document need stand together neither in a table nor in one table.
    documents: dict[str, AnnotatedText] = {}
    suspects: set[str] = set()
    last, lost = "", False
    for path, (line, (name, *cells), damage) in rows:
        place = f"{path.stem}:{line}"
        row = AnnotatedText("", group=place, where=str(path), line=line, damage=damage or f"no .txt file of '{name}'")
        annotated = documents.setdefault(name or place, row)
        span = make_span(*cells)
        annotated.spans.append(span)
        if damage:
            span.outcome, span.reason = "unknown" if span.outcome == "kept" else span.outcome, damage
        annotated.problems += [span.reason] if span.reason else []
        # A row that names no document may be one of the document before or behind it.
        if lost or (damage and name not in files):
            suspects.update((last, name))
        last, lost = name, bool(damage) and name not in files
    for name, gathered in documents.items():
        if name in files:
            annotated = read_text(files[name])
            annotated.spans, annotated.problems, annotated.group = gathered.spans, gathered.problems, name
            if name in suspects:
                annotated.damage = annotated.damage or "a row next to its rows is lost"
            yield annotated
        else:
            yield gathered
    for name in [] if unlisted is None else sorted(files.keys() - documents.keys()):
        annotated = read_text(files[name])
        annotated.group = name
        if not unlisted or suspects:
            annotated.damage = annotated.damage or f"no row in the table{', which has lost rows' if suspects else ''}"
        if annotated.text or annotated.damage:
            yield annotated
