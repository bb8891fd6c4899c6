"""Train the pipeline on the composed configuration."""

from common import ROOT, Quiet, command

# isort: split
from pathlib import Path
from typing import Annotated

import typer
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.notify import notify
from ner11.training.hardware import configured_device
from ner11.training.loop import train
from ner11.training.tracking import tracked


@command
def main(
    config: Annotated[Path, typer.Option(help="The training configuration.")] = Path("training/config.cfg"),
    track: Annotated[str, typer.Option(help="Where to track the run: none, or mlflow.")] = "none",
    quiet: Quiet = False,
) -> None:
    """Train, and put the best model at training/model-best once all is done; until then it lies in training/unfinished."""
    msg = Printer(no_print=quiet)
    if not config.is_file():
        raise Ner11Error("no such file", where=config, fix="Run 'spacy project run configure' first")
    training = ROOT / "training"

    def tell(title: str, body: str) -> None:
        problem = notify(title, body)
        if problem:
            msg.warn(problem)

    try:
        with tracked(training, track=track, config=config) as run:
            device = configured_device(config)
            result = train(config, training, device=device, quiet=quiet, on_row=run.log if run else None)
    except Exception as e:
        tell("ner11: training failed", str(e) or type(e).__name__)
        raise
    pace = f"{result.words} words in {result.seconds} s, evaluations included"
    ended = "no better score for long enough" if result.stopped_early else "all steps done"
    summary = f"Best dev F1 {100 * result.best_score:.2f} at step {result.best_step} of {result.steps} ({ended}; {pace})"
    msg.good(summary)
    if run and run.failure:
        msg.warn(f"The run was not tracked to its end: {run.failure}")
    tell("ner11: training done", summary)


if __name__ == "__main__":
    typer.run(main)
