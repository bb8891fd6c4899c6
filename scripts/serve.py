"""Serve the model: the HTTP API, its page, and the backend for Label Studio."""

from common import command

# isort: split
from pathlib import Path
from typing import Annotated

import typer

from ner11.serving.run import serve
from ner11.serving.settings import load_settings


@command
def main(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder of a pipeline, installed package, or http://HOST:PORT/MODEL of a Triton.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of annotations, trainings and retrained versions.")] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C. Settings come from the environment (NER11_MODEL, NER11_TOKEN, ...); options go first."""
    serve(load_settings({"host": host, "port": port, "model": model, "state": state}))


if __name__ == "__main__":
    typer.run(main)
