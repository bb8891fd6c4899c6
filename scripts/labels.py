"""Look at the label tree of a domain, take it to Label Studio, and see what speaks for each label."""

from common import ROOT, Domain, Quiet, command, schema_path

# isort: split
import shutil
import textwrap
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import Printer, color

from ner11.corpus.evidence import EVALUATION, TRAINING, collect_evidence
from ner11.errors import Ner11Error
from ner11.evaluation.figures import percent
from ner11.files import read_json, read_object, write_json, write_text
from ner11.label_studio import labeling_config
from ner11.schema import Node, Schema, load_schema, name_form

app = typer.Typer(help=__doc__, add_completion=False)

_WIDE = 1000
"""Columns where there is no terminal: a file gets whole lines."""


def _line(schema: Schema, node: Node, width: int) -> str:
    """Write a node on one line: indented, a star before an active one, its state, and what fits of its definition."""
    state = schema.state(node)
    if state.startswith("stands"):
        state = f"stands for {state.count(',') + 1}"
    line = f"{'  ' * (node.level - 1)}{'*' if node.active else ' '} {node.name} ({state}): {node.definition}"
    line = line[: width - 1] + "…" if len(line) > width else line
    shade = "green" if node.active else "grey" if state == "reserved" else None
    return color(line, fg=shade) if shade and Printer().show_color else line


@app.command("tree")
@command
def tree(
    domain: Domain = "cyber",
    node: Annotated[str | None, typer.Option(help="Only this node and what is below it.")] = None,
    level: Annotated[int | None, typer.Option(min=1, help="Down to a level of the tree: 1 tiers, 2 categories, ...")] = None,
    active: Annotated[bool, typer.Option("--active", help="Only active labels and what is above them.")] = False,
) -> None:
    """Print the label tree with the state of each node."""
    schema = load_schema(schema_path(domain))
    under = [below for root in ([schema.find(node)] if node else schema.roots) for below in root.walk()]
    nodes = [one for one in under if level is None or one.level <= level]
    if active:
        nodes = [one for one in nodes if any(below.active for below in one.walk())]
    width = shutil.get_terminal_size((_WIDE, 0)).columns
    for one in nodes:
        print(_line(schema, one, width))
    states = Counter(schema.state(one).split()[0] for one in nodes)
    aliases = sum(len(one.aliases) for one in nodes)
    print(
        f"{len(nodes)} nodes: {states['active']} active, {states['counts']} below an active one, {states['stands']} above, "
        f"{states['reserved']} reserved; {aliases} aliases; the schema leaves {len(schema.left_out)} names out"
    )


@app.command("show")
@command
def show(name: Annotated[str, typer.Argument(help="Name or alias, in any case.")], domain: Domain = "cyber") -> None:
    """Print what a label means and where it stands."""
    schema = load_schema(schema_path(domain))
    if reason := schema.left_out.get(name_form(name)):
        print(f"{name_form(name)} is left out, it is no label: {reason}")
        return
    node = schema.find(name)
    rows = {
        "state": schema.state(node),
        "definition": node.definition,
        "examples": ", ".join(node.examples),
        "aliases": ", ".join(node.aliases),
        "path": " > ".join([up.name for up in node.ancestors()][::-1]),
        "children": ", ".join(child.name for child in node.children),
    }
    print(node.name)
    for key, value in rows.items():
        if value:
            print(textwrap.fill(value, 120, initial_indent=f"  {key:<12}", subsequent_indent=" " * 14, break_long_words=False))


@app.command("label-studio")
@command
def label_studio(
    domain: Domain = "cyber",
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("corpus/label_studio.xml"),
    quiet: Quiet = False,
) -> None:
    """Write the active labels as the labeling configuration of a Label Studio project."""
    schema = load_schema(schema_path(domain))
    if (ROOT / output).is_dir():
        raise Ner11Error("a folder", where=output, fix="Name a file")
    write_text(ROOT / output, labeling_config(schema))
    Printer(no_print=quiet).good(f"Wrote {len(schema.active)} labels into {output}")


@app.command("scores")
@command
def scores(
    level: Annotated[int, typer.Option(min=1, help="Level of the tree: 1 tiers, 2 categories, ...")],
    metrics: Annotated[Path, typer.Option(help="What evaluate wrote.")] = Path("training/metrics.json"),
) -> None:
    """Print the scores of the model rolled up to a level of the tree."""
    found = read_object(ROOT / metrics, "overall")
    summaries = {"all sources": found["overall"], **found.get("sources", {})}
    levels = {name: summary["levels"] for name, summary in summaries.items() if "levels" in summary}
    if not levels:
        raise Ner11Error("no scores by level", where=metrics, fix="Evaluate again: spacy project run evaluate, with --force")
    for name, tables in levels.items():
        if str(level) not in tables:
            raise Ner11Error(f"no level {level}", where=metrics, fix=f"Choose from {', '.join(sorted(tables))}")
        scored = {**tables[str(level)], "all (micro)": summaries[name]["levels_micro"][str(level)]}
        rows = [
            (node, row["support"], *(percent(row[key]) for key in ("precision", "recall", "f1"))) for node, row in scored.items()
        ]
        header = (name, "support", "P", "R", "F1")
        Printer().table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "r"))


def _sources(labels: dict[str, Any]) -> set[str]:
    return {source for row in labels.values() for part in ("training", "evaluation") for source in row[part]}


@app.command("evidence")
@command
def evidence(
    domain: Domain = "cyber",
    output: Annotated[Path, typer.Option(help="File to write; other domains in it stay.")] = Path(
        "benchmarks/results/evidence.json"
    ),
    quiet: Quiet = False,
) -> None:
    """Count the spans of each active label in corpus/merged by source, and name the labels that have too few."""
    msg = Printer(no_print=quiet)
    rows = read_object(ROOT / "corpus" / "merged" / "ledger.json", "spans_kept")["spans_kept"]
    labels = collect_evidence(rows, load_schema(schema_path(domain)))
    before = read_json(ROOT / output) if (ROOT / output).is_file() else {}
    lost = _sources(before.get(domain, {})) - _sources(labels)
    if lost:
        fix = "Run convert-full and merge with all of them, or name another --output"
        raise Ner11Error(f"the corpus lacks {', '.join(sorted(lost))}, whose spans are counted there", where=output, fix=fix)
    write_json(ROOT / output, {**before, domain: labels})
    table = [(name, sum(row["training"].values()), sum(row["evaluation"].values())) for name, row in labels.items()]
    msg.table(table, header=("label", "train", "dev + test"), divider=True, aligns=("l", "r", "r"))
    if few := [name for name, row in labels.items() if not row["enough"]]:
        msg.warn(f"Fewer than {TRAINING} spans to train or {EVALUATION} to score: {', '.join(few)}")
    msg.good(f"Wrote {output}")


if __name__ == "__main__":
    app()
