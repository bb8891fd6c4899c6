"""What surrounds every request: its limit in bytes, its number, its time, its line in the log."""

import asyncio
import itertools
import re
import secrets
import time

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ner11.serving.logs import REQUESTS
from ner11.serving.metrics import OTHER, Metrics

BODY_SECONDS = 30.0
"""Longest wait for the next bytes of a body."""
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,64}")
_PROCESS = secrets.token_hex(8)
_numbers = itertools.count()
"""What numbers of requests are made from: to ask the system for a random one costs more than all else here."""
_PROBES = {"/health", "/ready", "/metrics"}
"""What machines ask for all the time: logged only when it fails."""
_METHODS = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"}


def too_large(most: int) -> str:
    """Say that a body is too large."""
    return f"The request has more than {most:,} bytes; send it in parts."


class Requests:
    """Limits the bodies of requests, and measures and logs each.

    A body is refused while it is read, whatever its header says of its length. What the routes know of a request, such as its
    number of texts, they put into `scope["state"]["told"]`; it is added to its line in the log.

    Args:
        app: What answers.
        max_body: Most bytes of a body.
        metrics: What is measured.
    """

    def __init__(self, app: ASGIApp, *, max_body: int, metrics: Metrics) -> None:
        self.app, self.max_body, self.metrics = app, max_body, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        told: dict[str, object] = {}
        scope.setdefault("state", {})["told"] = told
        status, left, whole = 0, self.max_body, False

        async def limited_receive() -> Message:
            nonlocal left, whole
            try:
                async with asyncio.timeout(None if whole else BODY_SECONDS):
                    message = await receive()
            except TimeoutError as e:
                raise HTTPException(408, "The rest of the request did not come.", headers={"Connection": "close"}) from e
            whole = not message.get("more_body")
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, too_large(self.max_body), headers={"Connection": "close"})
            return message

        async def noted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            length = headers.get(b"content-length", b"0")
            if length.isdigit() and int(length) > self.max_body:
                answer = JSONResponse({"detail": too_large(self.max_body)}, 413, headers={"Connection": "close"})
                await answer(scope, receive, noted_send)
            else:
                await self.app(scope, limited_receive, noted_send)
        except Exception:  # a defect: the client gets an answer, the log the traceback
            REQUESTS.exception("failed", extra={"request_id": request_id})
            if not status:
                await JSONResponse({"detail": "Something went wrong here; the log says what."}, 500)(scope, receive, noted_send)
        finally:
            seconds = time.perf_counter() - started
            route = find_route(scope)
            method = scope["method"] if scope["method"] in _METHODS else OTHER
            self.metrics.count_request(route=route, method=method, status=status, seconds=seconds)
            if route not in _PROBES or status >= 400:
                ms = round(1000 * seconds, 2)
                said = {"method": method, "route": route, "status": status, "ms": ms, "request_id": request_id, **told}
                REQUESTS.info("request", extra=said)


def find_route(scope: Scope) -> str:
    """Name the route of a request: its path, without what stands in it for parameters; "other" if there is none."""
    if "route" not in scope:
        return OTHER
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    return "/".join(names.get(part, part) for part in scope["path"].split("/"))


def _request_id(given: bytes | None) -> str:
    """Take the number that a client or proxy gave a request, if it is a decent one, or make one."""
    sent = (given or b"").decode("latin-1")
    return sent if _REQUEST_ID.fullmatch(sent) else f"{_PROCESS}{next(_numbers):016x}"


class Departure:
    """Looks whether the client of a request is still there, once its answer takes long.

    Args:
        receive: The request's; its body was read.
        task: What to cancel when the client is gone.
        after: Seconds until it begins to look.
    """

    def __init__(self, receive: Receive, task: "asyncio.Task[object]", *, after: float = 0.2) -> None:
        self._receive, self._task = receive, task
        self._watch: asyncio.Task[None] | None = None
        self.gone = False
        self._timer = asyncio.get_running_loop().call_later(after, self._begin)

    def _begin(self) -> None:
        self._watch = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._task.cancel()

    def stop(self) -> None:
        """Stop looking."""
        self._timer.cancel()
        if self._watch:
            self._watch.cancel()
