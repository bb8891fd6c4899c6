import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from ner11.release.quantize import TABLE_ROWS, quantize

WIDTH, OUTPUTS = 64, 16
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(TABLE_ROWS, WIDTH)).astype(np.float32)
TABLE[:, 3] *= 5  # as encoders have them, channels and rows that are far larger than the others
TABLE[7] *= 50
TABLE[9] = 0
WEIGHT = RNG.normal(size=(WIDTH, OUTPUTS)).astype(np.float32)
WEIGHT[:, 2] *= 100
WEIGHT[:, 5] = 0


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """A graph that looks rows up, multiplies them by two matrices and these products by each other; and the same in int8."""
    folder = tmp_path_factory.mktemp("graphs")
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weight"], ["first"]),
        helper.make_node("MatMul", ["rows", "weight_2"], ["second"]),
        helper.make_node("Transpose", ["second"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["first", "turned"], ["products"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["windows", "pieces"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("rows", "first", "second", "products")],
        [numpy_helper.from_array(value, name) for name, value in [("table", TABLE), ("weight", WEIGHT), ("weight_2", -WEIGHT)]],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "fp32.onnx")
    quantize(folder / "fp32.onnx", folder / "int8.onnx")
    return [InferenceSession(folder / f"{name}.onnx") for name in ("fp32", "int8")], folder


def run(session, ids):
    return session.run(None, {"ids": np.array(ids, dtype=np.int64)})


def error(found, expected):
    """The error of each row, relative to the size of the row."""
    return np.abs(found - expected).max(axis=-1) / np.maximum(np.abs(expected).max(axis=-1), 1e-6)


def test_every_row_is_close_whatever_its_size(sessions):
    (whole, small), _ = sessions
    ids = [[7, 1, 2, 9, 5], [30, 999, 4, 7, 100]]
    for name, expected, found in zip(("rows", "first", "second"), run(whole, ids), run(small, ids), strict=False):
        assert error(found, expected).max() < 0.06, name
    assert not run(small, [[9]])[1].any()


def test_a_row_does_not_depend_on_its_neighbors(sessions):
    (_, small), _ = sessions
    together = run(small, [[1, 7, 7, 7], [2, 3, 4, 5]])
    for name, values, alone in zip(("rows", "first", "second"), together, run(small, [[1]]), strict=False):
        np.testing.assert_array_equal(values[0, 0], alone[0, 0], err_msg=name)


def test_weights_leave_room_for_16_bits(sessions):
    _, folder = sessions
    graph = onnx.load(folder / "int8.onnx").graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert {"weight", "weight_2", "table"}.isdisjoint(tensors)
    largest = np.abs(tensors["weight_int8"].astype(int)).max()
    assert largest == 63 and 2 * 255 * largest < 2**15
    assert (folder / "int8.onnx").stat().st_size < 0.3 * (folder / "fp32.onnx").stat().st_size


def test_rows_are_quantized_once_for_all_that_read_them(sessions):
    _, folder = sessions
    operations = [node.op_type for node in onnx.load(folder / "int8.onnx").graph.node]
    assert operations.count("QuantizeLinear") == 1
    assert operations.count("MatMulIntegerToFloat") == 2
    assert operations.count("MatMul") == 1  # of two activations
