"""The real tritonserver without a container: the binary in the wheel of nvidia-pytriton, in an environment of its own.

It has the Python backend only, and that backend's part that imports our code knows numpy 1 only (fixed in Triton 24.11).
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from ner11.release.triton_client import TritonServer

ROOT = Path(__file__).parents[3]
NEEDED = ("onnxruntime", "spacy", "tokenizers")
# Without their dependencies: pytriton's are for what is not used of it, and the others want numpy 2 but run on 1.26.
FORCED = ("nvidia-pytriton==0.7.0", "numpy==1.26.4")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
START_SECONDS = 120


def _install(environment: Path) -> None:
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    for arguments in (["--constraint", str(ROOT / "requirements.txt"), *NEEDED], ["--no-deps", *FORCED]):
        done = subprocess.run([*pip, *arguments], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"tritonserver cannot be installed: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
    server = _site(environment) / "pytriton" / "tritonserver"
    backend = environment / "backends" / "python"
    shutil.copytree(server / "backends" / "python", backend)
    stub = server / "python_backend_stubs" / PYTHON / "triton_python_backend_stub"
    if not stub.is_file():
        pytest.skip(f"tritonserver's Python backend has no part for Python {PYTHON}")
    shutil.copy(stub, backend)


def _site(environment: Path) -> Path:
    return environment / "lib" / f"python{PYTHON}" / "site-packages"


def installed() -> Path:
    """Give the environment of the server; made in the user's cache when it is first asked for."""
    if sys.platform != "linux":
        pytest.skip("tritonserver runs on Linux only")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ner11"
    environment = cache / f"tritonserver-{PYTHON}"
    made_of = hashlib.sha256((ROOT / "requirements.txt").read_bytes() + repr(FORCED).encode()).hexdigest()
    ready = environment / "ready"
    if not ready.is_file() or ready.read_text() != made_of:
        if environment.exists():
            shutil.rmtree(environment)
        cache.mkdir(parents=True, exist_ok=True)
        _install(environment)
        ready.write_text(made_of)
    return environment


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def served(repository: Path, log: Path) -> Iterator[str]:
    """Run the server on a repository, in explicit mode, with nothing loaded.

    Yields:
        Its address.
    """
    environment = installed()
    site = _site(environment)
    port = _free_port()
    libraries = [site / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR")]
    variables = {
        "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "PYTHONPATH": str(site),
        "OMP_NUM_THREADS": "1",
    }
    command = [
        site / "pytriton" / "tritonserver" / "bin" / "tritonserver",
        f"--model-repository={repository}",
        f"--backend-directory={environment / 'backends'}",
        "--model-control-mode=explicit",
        "--http-address=127.0.0.1",
        f"--http-port={port}",
        "--allow-grpc=false",
        "--allow-metrics=false",
        "--exit-timeout-secs=10",
        f"--backend-config=python,shm-region-prefix-name=ner11_{port}",
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=variables)
        try:
            _wait(process, f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def unload_all(server: TritonServer) -> None:
    """Make the server forget everything, and wait until it has."""
    for _ in range(START_SECONDS):
        names = {row["name"] for row in server.index() if row.get("state", "UNAVAILABLE") != "UNAVAILABLE"}
        if not names:
            return
        for name in names:
            server.unload(name)
        time.sleep(0.5)
    pytest.fail(f"tritonserver still has {', '.join(names)}")


def _wait(process: subprocess.Popen, url: str, log: Path) -> None:
    for _ in range(START_SECONDS * 2):
        if process.poll() is not None:
            break
        try:
            with urlopen(f"{url}/v2/health/ready", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"tritonserver did not start: {log.read_text(errors='replace')[-2000:]}")
