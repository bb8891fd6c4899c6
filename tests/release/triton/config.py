"""What a configuration of Triton may hold, as the Triton client knows it."""

import importlib.util
from pathlib import Path

import tritonclient

# By its path: the package around it needs gRPC, which nothing here does.
_spec = importlib.util.spec_from_file_location(
    "model_config_pb2", Path(tritonclient.__path__[0]) / "grpc" / "model_config_pb2.py"
)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
ModelConfig = _module.ModelConfig
