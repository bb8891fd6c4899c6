"""Train the pipeline on the composed configuration."""

from common import ROOT, Quiet, command

# isort: split
from pathlib import Path
from typing import Annotated

import typer
from wasabi import Printer

from ner11.errors import Ner11Error
from ner11.training.hardware import configured_device
from ner11.training.loop import train


@command
def main(
    config: Annotated[Path, typer.Option(help="The training configuration.")] = Path("training/config.cfg"),
    quiet: Quiet = False,
) -> None:
    """Train, and put the best model at training/model-best once all is done; until then it lies in training/unfinished."""
    msg = Printer(no_print=quiet)
    if not config.is_file():
        raise Ner11Error("no such file", where=config, fix="Run 'spacy project run configure' first")
    result = train(config, ROOT / "training", device=configured_device(config), quiet=quiet)
    pace = f"{result.words} words in {result.seconds} s, evaluations included"
    ended = "no better score for long enough" if result.stopped_early else "all steps done"
    msg.good(f"Best dev F1 {100 * result.best_score:.2f} at step {result.best_step} of {result.steps} ({ended}; {pace})")


if __name__ == "__main__":
    typer.run(main)
