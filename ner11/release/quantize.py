"""Dynamic int8 of a graph, with a scale for each row of activations.

ONNX Runtime's own `quantize_dynamic` gives a whole batch of activations one scale. Encoders have rows that are ten times as
large as all others (that of [CLS], above all: Bondarenko et al. 2023, "Quantizable Transformers"), so that most rows are left
with a few of the 256 steps, and what is found in a text depends on the texts beside it. A scale a row halves the error,
makes each text independent of the others, and takes no longer: the largest value of a row is searched for instead of that of
the batch.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

ACTIVATION_STEPS, ACTIVATION_ZERO = 127, 128
WEIGHT_STEPS = 63
"""Half of what int8 holds: without VNNI, x86 CPUs add two products of 8 bits into 16 (2 * 255 * 63 just fits), and cut off what
does not fit."""
TABLE_STEPS = 127
TABLE_ROWS = 1000
"""Tables of embeddings with fewer rows stay as they are: they are small."""
DOMAIN = "com.microsoft"
_CONSTANTS = {
    "activation_scale": np.array(1 / ACTIVATION_STEPS, dtype=np.float32),
    "activation_zero": np.array(ACTIVATION_ZERO, dtype=np.uint8),
    "least_peak": np.array(1e-6, dtype=np.float32),
}


class _Rewriter:
    """Nodes and constants of the new graph.

    Args:
        graph: The graph in float32.
    """

    def __init__(self, graph: GraphProto) -> None:
        self.constants: dict[str, Any] = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer} | _CONSTANTS
        self.nodes: list[NodeProto] = []
        self._rows: set[str] = set()
        for node in graph.node:
            if node.op_type == "MatMul" and self._is_matrix(node.input[1]):
                self._multiply(node)
            elif node.op_type == "Gather" and self._is_matrix(node.input[0], rows=TABLE_ROWS):
                self._look_up(node)
            else:
                self.nodes.append(node)

    def _is_matrix(self, name: str, rows: int = 1) -> bool:
        value = self.constants.get(name)
        return value is not None and value.ndim == 2 and len(value) >= rows and value.dtype == np.float32

    def _add(self, operation: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def _quantize_rows(self, name: str) -> tuple[str, str]:
        """Quantize activations, once for all that read them; give their names and that of the rows' largest values."""
        peak, result = f"{name}_peak", f"{name}_uint8"
        if name not in self._rows:
            self._rows.add(name)
            largest = self._add("ReduceMax", [self._add("Abs", [name], f"{name}_abs")], f"{name}_largest", axes=[-1], keepdims=1)
            even = self._add("Div", [name, self._add("Max", [largest, "least_peak"], peak)], f"{name}_even")
            self._add("QuantizeLinear", [even, "activation_scale", "activation_zero"], result)
        return result, peak

    def _multiply(self, node: NodeProto) -> None:
        activations, weight = node.input
        rows, peak = self._quantize_rows(activations)
        values = self.constants[weight]
        scale = np.maximum(np.abs(values).max(axis=0), np.float32(1e-12)) / np.float32(WEIGHT_STEPS)
        self.constants |= {
            f"{weight}_int8": np.round(values / scale).astype(np.int8),
            f"{weight}_scale": scale,
            f"{weight}_zero": np.zeros(len(scale), dtype=np.int8),
        }
        (output,) = node.output
        inputs = [rows, f"{weight}_int8", "activation_scale", f"{weight}_scale", "activation_zero", f"{weight}_zero"]
        self._add("Mul", [self._add("MatMulIntegerToFloat", inputs, f"{output}_even", domain=DOMAIN), peak], output)

    def _look_up(self, node: NodeProto) -> None:
        table, ids = node.input
        values = self.constants[table]
        scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), np.float32(1e-12)) / np.float32(TABLE_STEPS)
        self.constants |= {f"{table}_int8": np.round(values / scale).astype(np.int8), f"{table}_scale": scale}
        (output,) = node.output
        numbers = self._add("Gather", [f"{table}_int8", ids], f"{output}_int8")
        factors = self._add("Gather", [f"{table}_scale", ids], f"{output}_scale")
        self._add("Mul", [self._add("Cast", [numbers], f"{output}_float", to=TensorProto.FLOAT), factors], output)


def quantize(source: Path, target: Path) -> None:
    """Turn the weights of a graph into int8, and let it quantize activations when it runs.

    Weights have a scale for each output channel, activations and embeddings one for each row.

    Args:
        source: A graph in float32.
        target: File to write.
    """
    model = onnx.load(source)
    rewriter = _Rewriter(model.graph)
    used = {name for node in rewriter.nodes for name in node.input}
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(rewriter.nodes)
    tensors = (numpy_helper.from_array(value, name) for name, value in rewriter.constants.items() if name in used)
    model.graph.initializer.extend(tensors)
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    onnx.save(model, target)
