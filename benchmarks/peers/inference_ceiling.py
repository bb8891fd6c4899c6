"""The ceiling of inference: what the processor can compute in a second against what the encoder has to."""

import os
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

SHAPE = (1024, 1024, 4096)
"""Rows, depth and columns of the matrix products that are timed: larger than the encoder's, so that none is done faster."""


def _best(run: Callable[[], Any], seconds: float) -> float:
    """Give the operations a second of the fastest of many runs."""
    run()
    times, until = list[float](), perf_counter() + seconds
    while not times or perf_counter() < until:
        started = perf_counter()
        run()
        times.append(perf_counter() - started)
    return 2 * float(np.prod(SHAPE)) / min(times)


def measure_rates(threads: int, seconds: float) -> dict[str, float]:
    """Time matrix products: fp32 and bf16 by torch, int8 by ONNX Runtime; give operations (multiply and add: two) a second."""
    import torch
    from onnx import TensorProto, helper, numpy_helper

    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; it is on by default
    from onnxruntime import InferenceSession, SessionOptions

    rows, depth, columns = SHAPE
    torch.set_num_threads(threads)
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        layer, values = torch.nn.Linear(depth, columns, dtype=dtype), torch.ones(rows, depth, dtype=dtype)
        with torch.inference_mode():
            rates[name] = _best(lambda: layer(values), seconds)  # noqa: B023  (called in this round only)
    rng = np.random.default_rng(0)
    weights = numpy_helper.from_array(rng.integers(-127, 128, (depth, columns), dtype=np.int8), "weights")
    given = helper.make_tensor_value_info("given", TensorProto.UINT8, [rows, depth])
    product = helper.make_tensor_value_info("product", TensorProto.INT32, [rows, columns])
    node = helper.make_node("MatMulInteger", ["given", "weights"], ["product"])
    graph = helper.make_graph([node], "product", [given], [product], [weights])
    options = SessionOptions()
    options.intra_op_num_threads = threads
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"given": rng.integers(0, 256, (rows, depth), dtype=np.uint8)}
    rates["int8"] = _best(lambda: session.run(None, feed), seconds)
    return rates


def operations(encoder: dict[str, int], pieces: Sequence[int]) -> dict[str, float]:
    """Count the operations for texts, without padding, special pieces and overlaps.

    Args:
        encoder: As `inference_systems.make_peers` gives it.
        pieces: Word pieces of each text.

    Returns:
        `weights`, in products with weights, and `attention`, in products of activations with each other.
    """
    sizes = np.array(pieces, dtype=np.float64)
    seen = np.minimum(sizes, encoder["longest"])  # what a piece attends to: its window
    # Two products, of queries with keys and of what comes out with values, each a multiplication and an addition.
    return {
        "weights": 2.0 * encoder["weights"] * float(sizes.sum()),
        "attention": 4.0 * encoder["layers"] * encoder["width"] * float((sizes * seen).sum()),
    }


def ceiling(needed: dict[str, float], rates: dict[str, float], precision: str) -> float:
    """Give the least seconds that the operations take; with int8, those of attention are in fp32.

    Args:
        needed: As `operations` gives it.
        rates: As `measure_rates` gives it.
        precision: Of the encoder's products with weights.
    """
    return needed["weights"] / rates[precision] + needed["attention"] / rates["fp32" if precision == "int8" else precision]
