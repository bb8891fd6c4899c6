"""What the machine has, and what that means for training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import torch
from spacy.util import load_config
from thinc.compat import has_cupy_gpu

from ner11.errors import Ner11Error

AUTO = "auto"
POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the energy counters of the processors (RAPL); most systems let root alone read them."""

Precision = Literal["fp32", "bf16", "fp16"]
"""Of the encoder's arithmetic; weights stay fp32."""


@dataclass(frozen=True)
class Device:
    """A device to train on.

    Attributes:
        gpu_id: -1 for the CPU.
        name: Name of the GPU, or "CPU".
        memory: Free GPU memory in bytes, 0 for the CPU.
        reason: Why this device.
        precision: The precision that it does well.
        precision_reason: Why.
    """

    gpu_id: int
    name: str
    memory: int
    reason: str
    precision: Precision = "fp32"
    precision_reason: str = "works everywhere"

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
        return _cpu("auto: " + ("CuPy is not installed or sees no GPU" if gpus else "no GPU"))
    try:
        number = int(gpu_id)
    except ValueError as e:
        raise Ner11Error(f"'{gpu_id}' is no device", where="gpu_id", fix="Give auto, -1 for the CPU, or a GPU's number") from e
    if number < 0:
        return _cpu("chosen")
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


def choose_precision(device: Device, wish: str) -> tuple[Precision, str]:
    """Choose the precision of the encoder's arithmetic, and say why.

    Args:
        device: The device to train on.
        wish: "auto", or a precision.

    Raises:
        Ner11Error: If there is no such precision, or the device does not do it.
    """
    if wish == AUTO:
        return device.precision, device.precision_reason
    if wish not in get_args(Precision):
        raise Ner11Error(f"'{wish}' is no precision", where="precision", fix="Choose from auto, fp32, bf16, fp16")
    if wish == "fp16" and not device.is_gpu:
        raise Ner11Error("fp16 needs a GPU", where="precision", fix="Use auto, or bf16, which has the range of fp32")
    return cast(Precision, wish), "chosen"


def gpu_memory_mib() -> float:
    """Give the most GPU memory that torch has held since the start, in MiB; CuPy's is in it where they share an allocator."""
    return round(torch.cuda.max_memory_reserved() / 2**20, 1)


def gpu_utilization() -> int | None:
    """Give the share of the last moment in which the GPU was busy, in percent; None where that cannot be told."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        return torch.cuda.utilization()
    except (pynvml.NVMLError, RuntimeError):  # a driver that refuses (MIG, vGPU, WSL): a figure in a log stops no training
        return None


class EnergyMeter:
    """Adds up what the device and the processors use, from their own counters; whatever else runs on them is in it.

    A processor's counter begins anew after some hundred kilojoules, which a busy server uses in half an hour. It is right as
    long as the meter is read more often.

    Args:
        device: The device to train on.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._joules = 0.0
        self._last = self._counters()

    def read(self) -> float | None:
        """Give the joules since the meter was made; None if the device has no counter that can be read, and never an estimate."""
        counters = self._counters()
        for name in counters.keys() & self._last.keys():
            (joules, end), (last, _) = counters[name], self._last[name]
            self._joules += joules - last if joules >= last else joules - last + end
        self._last = counters
        needed = "gpu" if self._device.is_gpu else "package"
        return self._joules if any(name.startswith(needed) for name in counters) else None

    def _counters(self) -> dict[str, tuple[float, float]]:
        """Read the counters: joules, and where they begin anew."""
        counters = {}
        for zone in sorted(POWERCAP.glob("intel-rapl:*")):  # of AMD too
            try:
                name = (zone / "name").read_text().strip()
                if name.startswith("package"):  # what is below a package is in it
                    joules, end = (int((zone / f"{key}_uj").read_text()) / 1e6 for key in ("energy", "max_energy_range"))
                    counters[name] = joules, end
            except OSError:  # no right to read it
                continue
        if self._device.is_gpu and (used := _gpu_joules(self._device.gpu_id)) is not None:
            counters["gpu"] = used, 0.0
        return counters


def _gpu_joules(number: int) -> float | None:
    """Read the energy counter of a GPU; None where the driver has none."""
    try:
        import cupy
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        # By its address: the driver counts all GPUs, CUDA those that CUDA_VISIBLE_DEVICES lets it see.
        handle = pynvml.nvmlDeviceGetHandleByPciBusId(cupy.cuda.runtime.deviceGetPCIBusId(number))
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
    except pynvml.NVMLError:
        return None


def _cpu(reason: str) -> Device:
    # Older torch cannot tell; emulated bf16 would be slower than fp32.
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    found = next((name for name in ("amx_bf16", "avx512_bf16") if features.get(name)), None)
    if found:
        return Device(-1, "CPU", 0, reason, "bf16", f"the CPU has {found}")
    return Device(-1, "CPU", 0, reason, "fp32", "the CPU has neither avx512_bf16 nor amx_bf16")


def _gpu(number: int, reason: str) -> Device:
    free, _ = torch.cuda.mem_get_info(number)
    capability = torch.cuda.get_device_capability(number)
    precision: Precision = "bf16" if capability >= (8, 0) else "fp16" if capability >= (7, 0) else "fp32"
    because = f"GPU of compute capability {capability[0]}.{capability[1]}"
    return Device(number, torch.cuda.get_device_name(number), free, reason, precision, because)
