"""What the allowed-set loss costs: its share of the time of training steps, with the labels and the encoder of the default run.

Run it from the project's folder, after `spacy project run configure`: python benchmarks/loss.py
It writes benchmarks/results/loss.json.
"""

from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import typer
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry
from wasabi import Printer

from ner11.files import write_json
from ner11.pipeline.softmax_ner import SoftmaxNER

RESULTS = Path("benchmarks/results/loss.json")


def main(steps: int = 150, skipped: int = 20) -> None:
    """Train a while and time the steps, the loss with what prepares it, and the recursions alone."""
    config = load_config(Path("training/config.cfg"))
    nlp = init_nlp(config)
    resolved = registry.resolve(nlp.config.interpolate()["training"])
    reader = registry.resolve({"corpus": nlp.config.interpolate()["corpora"]["train"]})["corpus"]
    pipe: Any = nlp.get_pipe("ner")
    spent = {"get_loss": 0.0, "recursions": 0.0, "step": 0.0}

    def timed(name: str, function: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = perf_counter()
            result = function(*args, **kwargs)
            spent[name] += perf_counter() - start
            return result

        return run

    assert isinstance(pipe, SoftmaxNER)
    pipe.loss = type("Timed", (), {"__call__": staticmethod(timed("recursions", pipe.loss))})()
    pipe.get_loss = timed("get_loss", pipe.get_loss)
    tokens = 0
    for i, batch in enumerate(islice(resolved["batcher"](reader(nlp)), steps)):
        if i == skipped:
            spent.update(dict.fromkeys(spent, 0.0))
            tokens = 0
        start = perf_counter()
        nlp.update(batch, sgd=False, drop=0.1)
        for _, component in nlp.pipeline:
            component.finish_update(resolved["optimizer"])
        resolved["optimizer"].step_schedules()
        spent["step"] += perf_counter() - start
        tokens += sum(len(example.predicted) for example in batch)
    result = {
        "labels": len(pipe.labels),
        "steps": steps - skipped,
        "tokens_per_step": tokens / (steps - skipped),
        "threads": torch.get_num_threads(),
        "milliseconds": {name: 1000 * seconds / (steps - skipped) for name, seconds in spent.items()},
        "share_of_step": {name: spent[name] / spent["step"] for name in ("get_loss", "recursions")},
    }
    write_json(RESULTS, result)
    Printer().good(str(result))


if __name__ == "__main__":
    typer.run(main)
