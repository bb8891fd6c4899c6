import pytest
import torch

from ner11.errors import Ner11Error
from ner11.training import hardware
from ner11.training.hardware import find_device


@pytest.fixture
def machine(monkeypatch):
    def make(gpus, cupy):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (8 * 2**30, 8 * 2**30))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"GPU {number}")
        monkeypatch.setattr(hardware, "has_cupy_gpu", cupy)

    return make


@pytest.mark.parametrize(
    ("gpus", "cupy", "wanted", "expected", "reason"),
    [
        (0, False, "auto", -1, "auto: no GPU"),
        (1, False, "auto", -1, "auto: CuPy is not installed or sees no GPU"),
        (1, True, "auto", 0, "auto: torch and CuPy see it"),
        (2, True, "1", 1, "chosen"),
        (1, True, "-1", -1, "chosen"),
    ],
)
def test_finds_the_device(machine, gpus, cupy, wanted, expected, reason):
    machine(gpus, cupy)
    device = find_device(wanted)
    assert (device.gpu_id, device.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("gpus", "cupy", "wanted", "message"),
    [
        (0, True, "0", "torch sees no GPU here"),
        (1, True, "1", r"torch sees 1 GPU\(s\)"),
        (1, False, "0", "CuPy is not installed or sees no GPU. Run pip install"),
        (1, True, "first", "'first' is no device"),
    ],
)
def test_says_what_is_missing(machine, gpus, cupy, wanted, message):
    machine(gpus, cupy)
    with pytest.raises(Ner11Error, match=message):
        find_device(wanted)
