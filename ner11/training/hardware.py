"""What the machine has, and what that means for training."""

from dataclasses import dataclass
from pathlib import Path

import torch
from spacy.util import load_config
from thinc.compat import has_cupy_gpu

from ner11.errors import Ner11Error

AUTO = "auto"


@dataclass(frozen=True)
class Device:
    """A device to train on. `gpu_id` is -1 for the CPU; `memory` is the free GPU memory in bytes, 0 for the CPU."""

    gpu_id: int
    name: str
    memory: int
    reason: str

    @property
    def is_gpu(self) -> bool:
        return self.gpu_id >= 0


def find_device(gpu_id: str) -> Device:
    """Choose the device.

    Args:
        gpu_id: "auto" (the first GPU if there is a usable one), "-1" for the CPU, or the number of a GPU.

    Raises:
        Ner11Error: If it is no number, or that GPU cannot be used.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpu_id == AUTO:
        if gpus and has_cupy_gpu:
            return _gpu(0, "auto: torch and CuPy see it")
        return Device(-1, "CPU", 0, "auto: " + ("CuPy is not installed or sees no GPU" if gpus else "no GPU"))
    try:
        number = int(gpu_id)
    except ValueError as e:
        raise Ner11Error(f"'{gpu_id}' is no device", where="gpu_id", fix="Give auto, -1 for the CPU, or a GPU's number") from e
    if number < 0:
        return Device(-1, "CPU", 0, "chosen")
    if number >= gpus:
        seen = f"torch sees {gpus} GPU(s)" if gpus else "torch sees no GPU here"
        raise Ner11Error(f"{number}, but {seen}", where="gpu_id", fix="Use --vars.gpu_id -1 for the CPU, or auto")
    if not has_cupy_gpu:
        raise Ner11Error(
            f"{number}, but CuPy is not installed or sees no GPU",
            where="gpu_id",
            fix="Run pip install -e '.[cuda12x]' -c requirements.txt (or cuda11x, cuda13x)",
        )
    return _gpu(number, "chosen")


def configured_device(config: Path) -> Device:
    """Find the device that `configure` chose.

    Args:
        config: A training configuration, or the one that a trained pipeline keeps.

    Raises:
        Ner11Error: If that GPU is not there any more.
    """
    return find_device(str(load_config(config)["system"].get("gpu_id", -1)))


def _gpu(number: int, reason: str) -> Device:
    free, _ = torch.cuda.mem_get_info(number)
    return Device(number, torch.cuda.get_device_name(number), free, reason)
