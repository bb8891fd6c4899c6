"""The HTTP API: entities of texts, the model, health, readiness, metrics, and a page to try it."""

import asyncio
import difflib
import json
import logging
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from ner11.errors import Ner11Error
from ner11.serving.batching import TooBusyError
from ner11.serving.describe import describe_model, read_page
from ner11.serving.entities import Answer
from ner11.serving.limits import Departure
from ner11.serving.metrics import CONTENT_TYPE
from ner11.serving.schemas import (
    ManyAnswers,
    ManyTexts,
    ModelAnswer,
    OneAnswer,
    Problem,
    first_problem,
    read_request,
    to_answer,
)
from ner11.serving.served import NotReadyError
from ner11.serving.services import Services

logger = logging.getLogger(__name__)

CLIENT_GONE = 499
_RETRY_SECONDS = 5
_READY_SECONDS = 2.0
_PROBLEMS = {
    400: "The body cannot be read.",
    401: "No or wrong credentials; `WWW-Authenticate` says which are taken.",
    408: "The rest of the request did not come.",
    413: "The body, a text, or the number of texts is over its limit.",
    422: "The body is no valid JSON, or not of this form.",
    429: "More texts wait than may; `Retry-After` says when to ask again.",
    500: "A defect of the server.",
    503: "The model is being loaded, does not answer, or the server is shutting down.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare the statuses of a route that stand for problems."""
    return {status: {"model": Problem, "description": _PROBLEMS[status]} for status in statuses}


def handle_errors(app: FastAPI) -> None:
    """Answer what the routes raise with the right status."""

    async def too_busy(request: Request, error: TooBusyError) -> Response:
        return JSONResponse({"detail": str(error)}, 429, headers={"Retry-After": str(error.retry_after)})

    async def not_ready(request: Request, error: NotReadyError) -> Response:
        return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": str(_RETRY_SECONDS)})

    async def damaged(request: Request, error: Ner11Error) -> Response:
        logger.error("cannot answer", extra={"reason": str(error)})
        return JSONResponse({"detail": str(error)}, 503)

    async def malformed(request: Request, error: RequestValidationError) -> Response:
        # Without what was sent, which FastAPI would quote.
        return JSONResponse({"detail": first_problem(error.errors())}, 422)

    app.add_exception_handler(RequestValidationError, malformed)  # type: ignore[arg-type]
    app.add_exception_handler(Ner11Error, damaged)  # type: ignore[arg-type]
    app.add_exception_handler(TooBusyError, too_busy)  # type: ignore[arg-type]
    app.add_exception_handler(NotReadyError, not_ready)  # type: ignore[arg-type]


def check_limits(texts: Sequence[str], *, max_text: int, max_texts: int) -> None:
    """Refuse texts that are too many or too long.

    Raises:
        HTTPException: 413.
    """
    if len(texts) > max_texts:
        raise HTTPException(413, f"{len(texts):,} texts, and {max_texts:,} is the most; send them in parts.")
    longest = max(map(len, texts), default=0)
    if longest > max_text:
        raise HTTPException(413, f"A text has {longest:,} characters, and {max_text:,} is the most; send it in parts.")


def check_labels(given: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse thresholds for what the model does not find.

    Raises:
        HTTPException: 422.
    """
    for name in given:
        if name not in labels:
            near = difflib.get_close_matches(name.upper(), labels, n=3, cutoff=0.6)
            hint = f"; did you mean {' or '.join(near)}?" if near else "; /v1/model names them."
            raise HTTPException(422, f"thresholds: the model has no label '{name[:60]}'{hint}")


async def find_while_wished(services: Services, request: Request, texts: Sequence[str]) -> Answer | None:
    """Find the entities of a request's texts; None if its client went away, and then only what was begun was done."""
    task = asyncio.current_task()
    assert task is not None
    departure = Departure(request.receive, task)
    try:
        return await services.batcher.find(texts)
    except asyncio.CancelledError:
        if not departure.gone:
            raise
        task.uncancel()
        return None
    finally:
        departure.stop()


def make_router(services: Services) -> APIRouter:
    """Make the routes of the API."""
    settings = services.settings
    router, guard = APIRouter(), [Depends(services.auth)]

    @router.post(
        "/v1/extract",
        dependencies=guard,
        summary="Find the entities of a text, or of several",
        response_model=OneAnswer | ManyAnswers,
        responses=problems(401, 408, 413, 422, 429, 503),
    )
    async def extract(request: Request) -> Response:
        """Thresholds leave out what the model is less sure of. Long texts are read in parts, and small requests overtake them."""
        try:
            asked = read_request(await request.body())
        except ValueError as e:
            raise HTTPException(422, str(e)) from e
        texts = asked.texts if isinstance(asked, ManyTexts) else [asked.text]
        check_limits(texts, max_text=settings.max_text, max_texts=settings.max_texts)
        if asked.thresholds:
            check_labels([*asked.thresholds], services.served.runtime.labels)
        told = request.scope["state"]["told"]
        told["texts"], told["characters"] = len(texts), sum(map(len, texts))
        if settings.log_texts:
            told["content"] = texts
        answer = await find_while_wished(services, request, texts)
        if answer is None:
            return Response(status_code=CLIENT_GONE)
        told["model_version"] = answer.model_version
        content = json.dumps(to_answer(answer, asked), ensure_ascii=False, separators=(",", ":"))
        return Response(content, media_type="application/json")

    @router.get(
        "/v1/model",
        dependencies=guard,
        summary="The model that answers",
        response_model=ModelAnswer,
        responses=problems(401, 503),
    )
    def model() -> dict[str, Any]:
        """Its labels with their definitions, and the versions that it can be taken back to."""
        return describe_model(services)

    @router.get(
        "/metrics",
        dependencies=guard,
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(401)},
    )
    def metrics() -> Response:
        return Response(services.metrics.to_text(), media_type=CONTENT_TYPE)

    @router.get("/health", summary="Whether the server is up")
    async def health() -> dict[str, str]:
        return {"status": "up"}

    @router.get("/ready", summary="Whether the model answers", responses=problems(503))
    async def ready() -> dict[str, str]:
        version = services.served.model_version
        try:
            await asyncio.wait_for(asyncio.to_thread(services.served.check), _READY_SECONDS)
        except Ner11Error as e:
            raise NotReadyError(e.what, where=e.where) from e
        except TimeoutError as e:
            raise NotReadyError(f"the model does not answer within {_READY_SECONDS:g} s") from e
        return {"status": "ready", "model_version": version}

    @router.get("/openapi.json", dependencies=guard, include_in_schema=False)
    def openapi(request: Request) -> Response:
        return JSONResponse(request.app.openapi())

    @router.get("/", include_in_schema=False)
    async def page() -> Response:
        content, policy = read_page()
        return HTMLResponse(content, headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"})

    return router
