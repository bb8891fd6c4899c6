import sys
import types

import pytest
import torch

from ner11.errors import Ner11Error
from ner11.training import hardware
from ner11.training.hardware import Device, choose_precision, find_device, gpu_utilization


@pytest.fixture
def machine(monkeypatch):
    def make(gpus, cupy, capability=(8, 0), features=()):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (8 * 2**30, 8 * 2**30))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"GPU {number}")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: capability)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(features, True), raising=False)
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


@pytest.mark.parametrize(
    ("gpus", "settings", "precision", "reason"),
    [
        (1, {"capability": (9, 0)}, "bf16", "compute capability 9.0"),
        (1, {"capability": (7, 5)}, "fp16", "compute capability 7.5"),
        (1, {"capability": (6, 1)}, "fp32", "compute capability 6.1"),
        (0, {"features": ("avx512_bf16", "avx512_f")}, "bf16", "the CPU has avx512_bf16"),
        (0, {"features": ("avx512_bf16", "amx_bf16")}, "bf16", "the CPU has amx_bf16"),
        (0, {"features": ("avx512_f",)}, "fp32", "neither avx512_bf16 nor amx_bf16"),
    ],
)
def test_precision_that_the_device_does_well(machine, gpus, settings, precision, reason):
    machine(gpus, True, **settings)
    chosen, because = choose_precision(find_device("auto"), "auto")
    assert chosen == precision and reason in because


def test_torch_that_cannot_tell_takes_no_risk(machine, monkeypatch):
    machine(0, False)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert choose_precision(find_device("-1"), "auto")[0] == "fp32"


def test_a_wished_precision_is_kept():
    assert choose_precision(Device(-1, "CPU", 0, "no GPU"), "bf16") == ("bf16", "chosen")


@pytest.mark.parametrize(
    ("wish", "message"), [("fp16", "fp16 needs a GPU. Use auto, or bf16"), ("int8", "'int8' is no precision")]
)
def test_a_precision_that_cannot_be(wish, message):
    with pytest.raises(Ner11Error, match=message):
        choose_precision(Device(-1, "CPU", 0, "no GPU"), wish)


def test_a_driver_that_refuses_costs_no_training(monkeypatch):
    bindings = types.ModuleType("pynvml")
    bindings.NVMLError = type("NVMLError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "pynvml", bindings)

    def refuse():
        raise bindings.NVMLError("Not Supported")

    monkeypatch.setattr("torch.cuda.utilization", refuse)
    assert gpu_utilization() is None
    monkeypatch.setattr("torch.cuda.utilization", lambda: 37)
    assert gpu_utilization() == 37
