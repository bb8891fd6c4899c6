"""A server that behaves as Triton does, as far as it was seen to with the real one, and runs Python models in this process."""

import importlib.util
import json
import re
import struct
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from google.protobuf import json_format, text_format

from ner11.release.triton import CONFIG, TritonModel
from tests.release.triton.config import ModelConfig

RUN_GRAPH = """
from pathlib import Path
import onnxruntime
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.session = onnxruntime.InferenceSession(Path(__file__).parent / "model.onnx")

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        names = ("input_ids", "attention_mask")
        feeds = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in names}
        (logits,) = self.session.run(["logits"], feeds)
        return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("logits", logits)])
"""
"""What the ONNX Runtime backend does, for servers that do not have it."""
PB_UTILS = "triton_python_backend_utils"
_NUMPY = {"INT64": np.int64, "FP32": np.float32}


class Tensor:
    def __init__(self, name: str, content: np.ndarray) -> None:
        self._name, self._content = name, content

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._content


class TritonError(Exception):
    def message(self) -> str:
        return str(self)


class Response:
    def __init__(self, output_tensors: list[Tensor], error: TritonError | None = None) -> None:
        self.tensors, self.error = output_tensors, error


class Request:
    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors = tensors


def make_pb_utils() -> types.ModuleType:
    """Make the module that a Python model imports in the real server."""
    module = types.ModuleType(PB_UTILS)
    module.__dict__.update(
        Tensor=Tensor,
        TritonError=TritonError,
        TritonModelException=type("TritonModelException", (Exception,), {}),
        InferenceResponse=Response,
        get_input_tensor_by_name=lambda request, name: Tensor(name, request.tensors[name]),
    )
    return module


def load_model(folder: Path, config: dict[str, Any]) -> Any:
    """Load the Python model in a version's folder, as if in a process of its own."""
    path, modules = list(sys.path), set(sys.modules)
    sys.modules[PB_UTILS] = make_pb_utils()
    try:
        spec = importlib.util.spec_from_file_location("model", folder / "model.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        model = module.TritonPythonModel()
        model.initialize({"model_config": json.dumps(config)})
        return model
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if name == PB_UTILS or name.startswith("en_ner11_toy"):
                del sys.modules[name]


def without_onnxruntime(model: TritonModel, version: int) -> None:
    """Let the Python backend run a version of a graph: neither server here has the one for ONNX Runtime."""
    (model.version(version) / "model.py").write_text(RUN_GRAPH)
    for path in (model.folder / CONFIG, model.version(version) / CONFIG):
        path.write_text(path.read_text().replace('"onnxruntime"', '"python"'))


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration into the form in which the server gives it."""
    config = text_format.Parse(path.read_text(encoding="utf8"), ModelConfig())
    return json_format.MessageToDict(config, preserving_proto_field_name=True)


class _RefusedError(Exception):
    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class FakeTriton:
    """What is loaded, under each name and version.

    Attributes:
        mode: Model control mode.
    """

    def __init__(self, repository: Path, *, mode: str = "explicit") -> None:
        self.repository, self.mode = repository, mode
        self.loaded: dict[str, dict[int, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def load(self, name: str) -> None:
        if self.mode != "explicit":
            raise _RefusedError("explicit model load / unload is not allowed if polling is enabled")
        folder = self.repository / name
        try:
            config = read_config(folder / "config.pbtxt")
        except (FileNotFoundError, text_format.ParseError) as e:
            raise _RefusedError(f"failed to load '{name}', failed to poll from model repository", 500) from e
        before = self.loaded.get(name, {})
        models = {}
        for version in map(int, config["version_policy"]["specific"]["versions"]):
            try:
                models[version] = before.get(version) or load_model(folder / str(version), config)
            except Exception as e:
                reason = f"version {version} is at UNAVAILABLE state: Internal: {type(e).__name__}: {e}\n\nAt:\n  model.py\n;\n"
                raise _RefusedError(f"load failed for model '{name}': {reason}") from e
        self.loaded[name], self.configs[name] = models, config

    def find(self, name: str, version: str | None) -> tuple[int, Any]:
        models = self.loaded.get(name, {})
        number = int(version) if version else max(models, default=0)
        if number not in models:
            raise _RefusedError(f"Request for unknown model: '{name}' version {number} is not found", 404)
        return number, models[number]

    def metadata(self, name: str, version: str | None) -> dict[str, Any]:
        self.find(name, version)
        config = self.configs[name]
        tensors = {
            f"{side}s": [
                {
                    "name": row["name"],
                    "datatype": {"TYPE_STRING": "BYTES"}.get(row["data_type"], row["data_type"].removeprefix("TYPE_")),
                    "shape": [-1, *map(int, row["dims"])],
                }
                for row in config[side]
            ]
            for side in ("input", "output")
        }
        versions = [version] if version else [str(number) for number in self.loaded[name]]
        return {"name": name, "versions": versions, "platform": config["backend"], **tensors}

    def index(self) -> list[dict[str, str]]:
        return [
            {"name": name, "version": str(number), "state": "READY"} for name, models in self.loaded.items() for number in models
        ]

    def infer(self, name: str, version: str | None, header: dict[str, Any], body: bytes) -> dict[str, Any]:
        number, model = self.find(name, version)
        self.asked.append(name)
        tensors = {}
        for row in header["inputs"]:
            size = row["parameters"]["binary_data_size"]
            tensors[row["name"]] = _decode(row, body[:size])
            body = body[size:]
        (response,) = model.execute([Request(tensors)])
        if response.error:
            raise _RefusedError(str(response.error), 500)
        outputs = [_encode(tensor) for tensor in response.tensors if tensor.name() in {row["name"] for row in header["outputs"]}]
        return {"model_name": name, "model_version": str(number), "outputs": outputs}


def _decode(row: dict[str, Any], data: bytes) -> np.ndarray:
    if row["datatype"] != "BYTES":
        return np.frombuffer(data, dtype=_NUMPY[row["datatype"]]).reshape(row["shape"])
    texts = []
    while data:
        (size,) = struct.unpack("<I", data[:4])
        texts.append(data[4 : 4 + size])
        data = data[4 + size :]
    return np.array(texts, dtype=np.object_).reshape(row["shape"])


def _encode(tensor: Tensor) -> dict[str, Any]:
    content = tensor.as_numpy()
    is_text = content.dtype == np.object_
    flat = [value.decode() if is_text else float(value) for value in content.reshape(-1)]
    return {"name": tensor.name(), "datatype": "BYTES" if is_text else "FP32", "shape": list(content.shape), "data": flat}


_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/(\d+))?(?:/(\w+))?$")
_REPOSITORY = re.compile(r"/v2/repository/models/([^/]+)/(load|unload)$")


def _answer(triton: FakeTriton, path: str, header: bytes, body: bytes) -> Any:
    if path == "/v2/health/live":
        return None
    if path == "/v2/repository/index":
        return triton.index()
    if found := _REPOSITORY.fullmatch(path):
        triton.load(found[1]) if found[2] == "load" else triton.loaded.pop(found[1], None)
        return None
    name, version, what = _MODEL.fullmatch(path).groups()
    if what == "infer":
        return triton.infer(name, version, json.loads(header), body)
    triton.find(name, version)
    return triton.configs[name] if what == "config" else triton.metadata(name, version)


@contextmanager
def served(triton: FakeTriton) -> Iterator[str]:
    """Let it listen on this machine.

    Yields:
        Its address.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            size = int(self.headers.get("Inference-Header-Content-Length", len(body)))
            try:
                status, answer = 200, _answer(triton, self.path, body[:size], body[size:])
            except _RefusedError as e:
                status, answer = e.status, {"error": str(e)}
            data = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
