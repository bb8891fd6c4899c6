import sys
import types

import pytest
import torch

from ner11.errors import Ner11Error
from ner11.training import hardware
from ner11.training.hardware import Device, EnergyMeter, choose_precision, find_device, gpu_utilization


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


CPU, GPU = Device(-1, "CPU", 0, "chosen"), Device(1, "GPU 1", 2**30, "chosen")


@pytest.fixture
def counters(tmp_path, monkeypatch):
    """Counters of two packages, one with a part of its own, and of something that is no package, in microjoules."""
    monkeypatch.setattr(hardware, "POWERCAP", tmp_path)
    zones = [("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:1", "package-1"), ("intel-rapl:2", "psys")]
    for zone, name in zones:
        (tmp_path / zone).mkdir()
        for file, content in (("name", name), ("energy_uj", 0), ("max_energy_range_uj", 100_000_000)):
            (tmp_path / zone / file).write_text(f"{content}\n")
    return tmp_path


@pytest.fixture
def nvml(monkeypatch):
    """A driver whose counter can be set, in millijoules; None makes it refuse."""
    bindings, cupy = types.ModuleType("pynvml"), types.ModuleType("cupy")
    bindings.NVMLError = type("NVMLError", (Exception,), {})
    bindings.millijoules = 5_000_000

    def read(handle):
        if bindings.millijoules is None:
            raise bindings.NVMLError("Not Supported")
        assert handle == "handle of 0000:41:00.0"
        return bindings.millijoules

    bindings.nvmlInit = lambda: None
    bindings.nvmlDeviceGetHandleByPciBusId = "handle of {}".format
    bindings.nvmlDeviceGetTotalEnergyConsumption = read
    runtime = types.SimpleNamespace(deviceGetPCIBusId=["0000:01:00.0", "0000:41:00.0"].__getitem__)
    cupy.cuda = types.SimpleNamespace(runtime=runtime)
    monkeypatch.setitem(sys.modules, "pynvml", bindings)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return bindings


def test_energy_of_the_packages_is_added_up_from_where_the_meter_began(counters):
    (counters / "intel-rapl:0/energy_uj").write_text("70000000\n")
    meter = EnergyMeter(CPU)
    assert meter.read() == 0
    for zone, energy in (("0", 90_000_000), ("0:0", 80_000_000), ("1", 5_000_000), ("2", 99_000_000)):
        (counters / f"intel-rapl:{zone}/energy_uj").write_text(f"{energy}\n")
    assert meter.read() == pytest.approx(20 + 5)


def test_a_counter_that_begins_anew_loses_nothing(counters):
    (counters / "intel-rapl:0/energy_uj").write_text("90000000\n")
    meter = EnergyMeter(CPU)
    (counters / "intel-rapl:0/energy_uj").write_text("15000000\n")
    assert meter.read() == pytest.approx(25)
    (counters / "intel-rapl:0/energy_uj").write_text("16000000\n")
    assert meter.read() == pytest.approx(26)


@pytest.mark.parametrize("device", [CPU, GPU])
def test_without_a_counter_there_is_no_figure(monkeypatch, tmp_path, device):
    monkeypatch.setattr(hardware, "POWERCAP", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert EnergyMeter(device).read() is None


def test_energy_of_a_gpu_is_added_to_that_of_the_processors(counters, nvml):
    meter = EnergyMeter(GPU)
    nvml.millijoules += 7_500
    (counters / "intel-rapl:1/energy_uj").write_text("2000000\n")
    assert meter.read() == pytest.approx(7.5 + 2)


def test_the_processors_do_not_stand_for_a_gpu_whose_driver_refuses(counters, nvml):
    nvml.millijoules = None
    assert EnergyMeter(GPU).read() is None
    assert EnergyMeter(CPU).read() == 0


def test_a_package_that_may_not_be_read_is_left_out(counters):
    (counters / "intel-rapl:1/energy_uj").unlink()
    (counters / "intel-rapl:1/energy_uj").mkdir()  # not even root can read that
    meter = EnergyMeter(CPU)
    (counters / "intel-rapl:0/energy_uj").write_text("3000000\n")
    assert meter.read() == pytest.approx(3)
