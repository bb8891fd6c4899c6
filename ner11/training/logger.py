"""The training logger: a progress bar with the time left, a table, a JSONL log, and the collapse watch."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import srsly
from spacy import registry
from spacy.language import Language
from tqdm import tqdm
from wasabi import Printer

from ner11.training.figures import Figures
from ner11.training.watch import CollapseWatch

ROW = "row"
"""Key in `info` of the row that an evaluation was logged as."""

_COLUMNS = (("E", 3), ("#", 6), ("LOSS", 8), ("P", 6), ("R", 6), ("SCORE", 6), ("RATIO", 6), ("WORDS/S", 7))
_UPSTREAM = "transformer"

Info = dict[str, Any]
Callbacks = tuple[Callable[[Info | None], None], Callable[[], None]]


@registry.loggers("ner11.TrainingLogger.v1")
def make_training_logger(
    output_file: str | None, progress_bar: bool, warmup_steps: int, total_steps: int, groups: dict[str, str]
) -> Callable[..., Callbacks]:
    """Make the training logger.

    Every evaluation is a row of the table and a line of the JSONL log, both as `Figures.row` gives them; it is also left in
    `info["row"]` for whoever drives the training.

    Args:
        output_file: The JSONL log, written anew; None for none.
        progress_bar: Show a progress bar on a terminal.
        warmup_steps: Steps of the warm-up; from then on the collapse watch looks.
        total_steps: Steps of the whole training.
        groups: Group of each label, for the loss by group.

    Returns:
        Function from a pipeline and two streams to spaCy's `log_step` and `finalize`. `log_step` raises `CollapseError` when
        the model keeps predicting nothing.
    """

    def setup(nlp: Language, stdout: IO[str] = sys.stdout, stderr: IO[str] = sys.stderr) -> Callbacks:
        figures = Figures((pipe for _, pipe in nlp.pipeline), groups=groups)
        watch = CollapseWatch(warmup_steps=warmup_steps)
        log = Path(output_file) if output_file else None
        if log:
            log.write_text("", encoding="utf8")
        # The time left follows the mean pace, not the latest steps: evaluations are a part of it. None hides the bar where
        # there is no terminal. spaCy counts steps from 0 and ends after step `total_steps`.
        bar = tqdm(
            total=total_steps + 1, unit="step", smoothing=0, leave=False, file=stderr, disable=None if progress_bar else True
        )

        def write(line: str) -> None:
            with tqdm.external_write_mode(file=stdout):
                print(line, file=stdout, flush=True)

        def write_warning(text: str | None) -> None:
            if text:
                write(Printer(no_print=True).warn(text))

        def log_step(info: Info | None) -> None:
            bar.update()
            figures.count_step()
            if info is None:
                return
            row = info[ROW] = figures.row(info)
            if log:
                with log.open("a", encoding="utf8") as file:
                    file.write(srsly.json_dumps(row) + "\n")
            cells, summary = _cells(row)
            write(_table_row(cells))
            bar.set_postfix_str(summary)
            write_warning(watch.look(step=row["step"], ratio=row["ratio"]))

        write(_table_row([name for name, _ in _COLUMNS]))
        write(_table_row(["-" * width for _, width in _COLUMNS]))
        return log_step, bar.close

    return setup


def _cells(row: Info) -> tuple[list[Any], str]:
    """Give the cells of a table row, and what the progress bar says."""
    # The transformer's loss is the size of the gradients that it was given: no loss to compare.
    loss = sum(value for name, value in row["losses"].items() if value is not None and name != _UPSTREAM)
    precision, recall, score = (f"{100 * (row[key] or 0):.2f}" for key in ("precision", "recall", "score"))
    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
    pace = f"{row['words_per_second']:.0f}"
    cells = [row["epoch"], row["step"], f"{loss:.2f}", precision, recall, score, ratio, pace]
    return cells, f"loss {loss:.2f}, {pace} words/s, score {score}"


def _table_row(cells: list[Any]) -> str:
    widths = [width for _, width in _COLUMNS]
    return str(Printer(no_print=True).row(cells, widths=widths, aligns=["r"] * len(widths), spacing=2))
