"""Runs the server until it is told to end."""

import errno
import logging
import signal
import socket

import uvicorn

from ner11.errors import Ner11Error
from ner11.serving.app import create_app
from ner11.serving.auth import check_exposure
from ner11.serving.logs import set_up_logging
from ner11.serving.runtimes import check_model
from ner11.serving.settings import Settings

logger = logging.getLogger(__name__)

CONNECTIONS = 1_000
"""Connections beyond which new ones are answered with 503."""
KEEP_ALIVE_SECONDS = 30
GRACE_SECONDS = 100
"""Longest wait for answers that are under way when the server is told to end: that of Label Studio for predictions."""


def bind(host: str, port: int) -> socket.socket:
    """Take a port.

    Raises:
        Ner11Error: If another one has it, or the address is not of this machine.
    """
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as e:
        raise Ner11Error(f"no address ({e.strerror})", where=where, fix="Give one of this machine with NER11_HOST") from e
    # With its protocol: asyncio sends answers at once (TCP_NODELAY) only where it is told; they take 40 ms longer otherwise.
    taken = socket.socket(family, kind, protocol)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(address)
        taken.listen(socket.SOMAXCONN)  # with SO_REUSEADDR two may have bound it: only one may listen
    except OSError as e:
        taken.close()
        what = "another server has this port" if e.errno == errno.EADDRINUSE else f"cannot be listened on ({e.strerror})"
        raise Ner11Error(what, where=where, fix="End that server, or give another port with NER11_PORT") from e
    return taken


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; what is under way then is finished.

    Raises:
        Ner11Error: If it cannot start: see `check_exposure`, `check_model`, `bind`; or if the model cannot be loaded.
    """
    check_exposure(settings)
    check_model(settings.model)
    set_up_logging(log_texts=settings.log_texts)
    failures: list[Ner11Error] = []

    def on_failure(error: Ner11Error) -> None:
        failures.append(error)
        server.should_exit = True

    app = create_app(settings, on_failure=on_failure)
    taken = bind(settings.host, settings.port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    logger.info("listening", extra={"host": settings.host, "port": taken.getsockname()[1], "model": settings.model})
    # uvicorn ends what is under way, and then raises the signal once more for whoever else waits for it: for nobody here.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with taken:
            server.run(sockets=[taken])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if failures:
        raise failures[0]
