"""The training configuration: fragments laid over each other, and every open value chosen for a stated reason."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import spacy
from spacy.language import Language
from spacy.util import get_sourced_components, load_config, load_model_from_config, registry
from thinc.api import Config
from transformers import AutoTokenizer

from ner11.errors import Ner11Error
from ner11.training.encoder import Encoder
from ner11.training.hardware import AUTO, Device, choose_precision

EVALUATIONS = 15
PATIENCE_EVALUATIONS = 5
WARMUP_SHARE = 0.1
MIN_STEPS, MIN_EPOCHS, MAX_EPOCHS = 400, 3, 30
DEV_SHARE, MIN_DEV_WORDS = 0.25, 5_000
MIN_BATCH_PIECES = 256
CPU_BATCH_PIECES = 512
CPU_STEPS = 600
"""Steps in the fewest epochs that a batch of 512 pieces must leave; else it is 256."""
GPU_BATCH_PIECES = (64, 16_384)
GPU_MEMORY_SHARE = 0.8
"""Of what the weights leave; batches of other shapes leave holes in the rest."""
_GPU_BYTES = 2**30
"""The CUDA context and the libraries' workspaces."""
_BYTES_PER_WEIGHT = 16
"""Weight, gradient and two moments of AdamW, in fp32."""
_VOCABULARY = 50_000
_BYTES_PER_PIECE_AND_UNIT = 140
"""Activations of a layer that training keeps for one word piece, in bytes per unit of its width: about 34 values in
fp32 or the mix of fp16 and fp32, attention at 128 pieces included (Korthikanti et al. 2022, section 4)."""


@dataclass(frozen=True)
class Choice:
    """A value that `configure` chose, and why."""

    setting: str
    value: str
    reason: str


@dataclass(frozen=True)
class Wishes:
    """What the user fixed. "auto" leaves the choice to `configure`.

    Attributes:
        epochs: Epochs, or "auto".
        batch_pieces: Padded word pieces of a batch, or "auto".
        seed: Seed of every random choice.
        precision: Precision of the encoder's arithmetic, or "auto".
        gpu_memory: Most GPU memory to use, in GiB, or "auto" for what is free.
        learning_rate: Peak learning rate of the encoder, or "auto".
    """

    epochs: str
    batch_pieces: str
    seed: int
    precision: str = AUTO
    gpu_memory: str = AUTO
    learning_rate: str = AUTO


def read_fragment(folder: Path, name: str) -> Config:
    """Read a configuration fragment.

    Raises:
        Ner11Error: If there is none of that name; the message lists those that are there.
    """
    path = folder / f"{name}.cfg"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in folder.glob("*.cfg")))
        raise Ner11Error(f"there is no '{name}'", where=folder, fix=f"Choose from {names}")
    return load_config(path, interpolate=False)


def _positive(value: str, name: str) -> int:
    if not str(value).isdigit() or int(value) < 1:
        raise Ner11Error(f"'{value}' is no positive number", where=name, fix="Give a whole number or auto")
    return int(value)


def choose_memory(device: Device, wish: str) -> int:
    """Give the GPU memory that training may use, in bytes: what is wished, at most what is free.

    Raises:
        Ner11Error: If the wish is no positive number.
    """
    if wish == AUTO:
        return device.memory
    try:
        wished = float(wish)
    except ValueError:
        wished = math.nan
    if not 0 < wished < math.inf:
        raise Ner11Error(f"'{wish}' is no positive number", where="gpu_memory", fix="Give GiB, or auto for what is free")
    return min(device.memory, int(wished * 2**30))


def choose_batch_pieces(device: Device, encoder: Encoder, *, memory: int) -> tuple[int, str]:
    """Choose how many padded word pieces go through the encoder at once, and say why.

    Args:
        device: The device to train on.
        encoder: The encoder to fine-tune.
        memory: GPU memory that training may use, in bytes.

    Raises:
        Ner11Error: If the encoder does not fit into the memory.
    """
    if not device.is_gpu:
        return CPU_BATCH_PIECES, "CPU: smaller batches are slower, larger ones hardly faster"
    weights = encoder.width * (12 * encoder.layers * encoder.width + _VOCABULARY)
    fixed = _GPU_BYTES + weights * _BYTES_PER_WEIGHT
    per_piece = encoder.layers * encoder.width * _BYTES_PER_PIECE_AND_UNIT
    fits = int((memory - fixed) * GPU_MEMORY_SHARE / per_piece)
    low, high = GPU_BATCH_PIECES
    if fits < low:
        raise Ner11Error(
            f"{memory / 2**30:.1f} GiB are too little: {encoder.name} needs {(fixed + low * per_piece) / 2**30:.1f} GiB and more",
            where="gpu_memory",
            fix="Free memory, take a smaller encoder (--vars.encoder minilm), or the CPU (--vars.gpu_id -1)",
        )
    pieces = min(high, 2 ** int(math.log2(fits)))
    return pieces, f"{memory / 2**30:.1f} GiB of GPU memory: {fixed / 2**30:.1f} fixed, then {per_piece / 2**20:.1f} MiB a piece"


def choose_learn_rate(encoder: Encoder, wish: str = AUTO) -> tuple[float, str]:
    """Choose the peak learning rate of the encoder, and say why.

    Raises:
        Ner11Error: If the wish is no rate between 0 and 1.
    """
    if wish != AUTO:
        try:
            rate = float(wish)
        except ValueError:
            rate = math.nan
        if not 0 < rate < 1:
            raise Ner11Error(f"'{wish}' is no learning rate", where="learning_rate", fix="Give one like 3e-4, or auto")
        return rate, "chosen"
    if encoder.width < 768:
        return 3e-4, f"small encoder (width {encoder.width})"
    return 5e-5, f"width {encoder.width}: the usual rate for base-sized encoders"


def choose_epochs(steps_per_epoch: int) -> tuple[int, str]:
    """Choose the number of epochs, and say why."""
    epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(MIN_STEPS / steps_per_epoch)))
    return epochs, f"{steps_per_epoch} steps an epoch; at least {MIN_STEPS} steps, within {MIN_EPOCHS} to {MAX_EPOCHS} epochs"


def check_schedule(total_steps: int, warmup_steps: int) -> None:
    """Refuse a training that is over before it has warmed up.

    Raises:
        Ner11Error: If there are fewer than three warm-ups of steps.
    """
    if total_steps < 3 * max(1, warmup_steps):
        raise Ner11Error(
            f"{total_steps} steps in all are fewer than three warm-ups of {warmup_steps}",
            where="schedule",
            fix="Train for more epochs (--vars.epochs) or in smaller batches (--vars.batch_pieces)",
        )


def _measure_epoch(config: Config, nlp: Language) -> tuple[int, int]:
    """Count the batches and tokens of one epoch by making them."""
    resolved = registry.resolve({"corpus": config["corpora"]["train"], "batcher": config["training"]["batcher"]})
    sizes = [sum(len(eg.predicted) for eg in batch) for batch in resolved["batcher"](resolved["corpus"](nlp))]
    return len(sizes), sum(sizes)


def compose(
    configs: Path,
    *,
    encoder: Encoder,
    head: str,
    device: Device,
    wishes: Wishes,
    dev_words: int,
    groups: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
) -> tuple[Config, list[Choice]]:
    """Compose the training configuration.

    Args:
        configs: Folder with `train.cfg`, `encoder/` and `head/`.
        encoder: The encoder to fine-tune.
        head: Name of a fragment in `head/`.
        device: The device to train on.
        wishes: What the user fixed.
        dev_words: Tokens of the dev split.
        groups: Group of each label, for the log of losses.
        labels: Labels of the training texts. Found in the data when training starts, if there are none here; but a text that
            weighs less than 1 may not be drawn then.

    Returns:
        The complete, validated configuration, and each choice with its reason.

    Raises:
        Ner11Error: If a fragment is missing, a wish is no number, the schedule is too short, or the parts do not fit.
    """
    choices = [
        Choice("device", device.name, device.reason),
        Choice("encoder", encoder.name, f"{encoder.reason}; {encoder.layers} layers, width {encoder.width}"),
    ]
    config = read_fragment(configs, "train")
    config = config.merge(read_fragment(configs / "head", head)).merge(read_fragment(configs / "encoder", encoder.kind))
    config["system"]["seed"] = wishes.seed
    config["training"]["logger"]["groups"] = dict(groups or {})
    if labels and config["components"]["ner"].get("factory") == "softmax_ner":
        config["initialize"] = {"components": {"ner": {"labels": sorted(labels)}}}
    choices.append(_place(config, encoder, device, wishes))
    steps, words = _choose_batch(config, encoder, device, wishes, choices)
    choices += _set_rates(config, encoder, wishes)
    epochs = _choose_schedule(config, steps, wishes, choices)
    sample = max(MIN_DEV_WORDS, round(words * epochs * DEV_SHARE / EVALUATIONS))
    if dev_words > sample:
        config["corpora"]["dev"]["max_words"] = sample
        share = f"a seeded sample of {dev_words}: evaluations read a quarter as much as training"
        choices.append(Choice("dev words", str(sample), share))
    return _complete(config), choices


def _set_rates(config: Config, encoder: Encoder, wishes: Wishes) -> list[Choice]:
    """Set the learning rate, and tell what the optimizer makes of it."""
    optimizer = config["training"]["optimizer"]
    rate, reason = choose_learn_rate(encoder, wishes.learning_rate)
    optimizer["learn_rate"]["initial_rate"] = rate
    decay = f"AdamW on torch's own tensors; weight decay {optimizer['weight_decay']:g}, none on bias and LayerNorm"
    multiplier = optimizer["head_multiplier"]
    return [
        Choice("optimizer", optimizer["@optimizers"], decay),
        Choice("learning rate", f"{rate:g}", reason),
        Choice("head learning rate", f"{rate * multiplier:g}", f"{multiplier:g} times as fast: the head starts from nothing"),
    ]


def _place(config: Config, encoder: Encoder, device: Device, wishes: Wishes) -> Choice:
    """Set the encoder and the device, and choose the precision."""
    config["system"]["gpu_id"] = device.gpu_id
    if device.is_gpu:
        config["system"]["gpu_allocator"] = "pytorch"
    if encoder.kind == "pipeline":
        config["components"]["transformer"]["source"] = encoder.name
        config["components"]["ner"]["model"]["tok2vec"]["width"] = encoder.width
        return Choice("precision", "of the pipeline", "a sourced transformer brings its own setting")
    model = config["components"]["transformer"]["model"]
    model["name"] = encoder.name
    model["precision"], reason = choose_precision(device, wishes.precision)
    batcher = config["training"]["batcher"]
    batcher["tokenizer"] = encoder.name
    tokenizer = AutoTokenizer.from_pretrained(encoder.name)
    limit = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
    batcher["max_pieces"] = min(batcher["max_pieces"], limit)
    batcher["overlap"] = min(batcher["overlap"], batcher["max_pieces"] // 4)
    return Choice("precision", model["precision"], reason)


def _choose_batch(config: Config, encoder: Encoder, device: Device, wishes: Wishes, choices: list[Choice]) -> tuple[int, int]:
    """Set batch size and accumulation, and give the steps and tokens of an epoch."""
    training = config["training"]
    nlp = spacy.blank(config["nlp"]["lang"])

    def measure(pieces: int) -> tuple[int, int]:
        # A step of fewer pieces than on a CPU would change what the learning rate was tuned for: accumulate instead.
        training["accumulate_gradient"] = max(1, MIN_BATCH_PIECES // pieces) if device.is_gpu else 1
        training["batcher"]["max_padded_pieces"] = pieces * training["accumulate_gradient"]
        return _measure_epoch(config.interpolate(), nlp)

    if wishes.batch_pieces == AUTO:
        pieces, reason = choose_batch_pieces(device, encoder, memory=choose_memory(device, wishes.gpu_memory))
    else:
        pieces, reason = _positive(wishes.batch_pieces, "batch_pieces"), "chosen"
    steps, words = measure(pieces)
    wanted, epochs = (MIN_STEPS, MAX_EPOCHS) if device.is_gpu else (CPU_STEPS, MIN_EPOCHS)
    while wishes.batch_pieces == AUTO and pieces > MIN_BATCH_PIECES and steps * epochs < wanted:
        pieces, reason = pieces // 2, f"larger batches would leave fewer than {wanted} steps in {epochs} epochs"
        steps, words = measure(pieces)
    accumulate = training["accumulate_gradient"]
    choices.append(Choice("batch", f"{pieces} padded word pieces", reason))
    choices.append(Choice("accumulate gradient", str(accumulate), f"a step sees {pieces * accumulate} padded word pieces"))
    return steps, words


def _choose_schedule(config: Config, steps: int, wishes: Wishes, choices: list[Choice]) -> int:
    """Set steps, warm-up, evaluations and patience, and give the number of epochs."""
    if wishes.epochs == AUTO:
        epochs, reason = choose_epochs(steps)
    else:
        epochs, reason = _positive(wishes.epochs, "epochs"), f"chosen; {steps} steps an epoch"
    frequency = max(1, math.ceil(steps * epochs / EVALUATIONS))
    total = frequency * math.ceil(steps * epochs / frequency)  # so that the last step is evaluated
    warmup = round(total * WARMUP_SHARE)
    check_schedule(total, warmup)
    patience = PATIENCE_EVALUATIONS * frequency
    config["training"].update(max_steps=total, eval_frequency=frequency, patience=patience)
    for section in (config["training"]["optimizer"]["learn_rate"], config["training"]["logger"]):
        section.update(warmup_steps=warmup, total_steps=total)
    choices.append(Choice("epochs", str(epochs), reason))
    choices.append(Choice("steps", f"{total}, {warmup} of them warm-up", f"warm-up is {WARMUP_SHARE:.0%} of all steps"))
    choices.append(Choice("early stopping", f"after {patience} steps", "without a better dev score, once it has left zero"))
    return epochs


def _complete(config: Config) -> Config:
    """Fill in the defaults and check that the parts fit together, without loading weights."""
    try:
        filled = load_model_from_config(config, auto_fill=True, validate=True).config
        # Filling writes a sourced component out as if it were new; training would then start from random weights.
        filled["components"].update(get_sourced_components(config))
        return filled
    except (ValueError, OSError) as e:
        raise Ner11Error(f"does not hold together ({shorten(str(e), 300)})", where="configuration") from e


def as_rows(choices: Sequence[Choice]) -> list[tuple[str, str, str]]:
    """Give choices as table rows."""
    return [(choice.setting, choice.value, choice.reason) for choice in choices]
