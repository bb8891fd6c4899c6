"""The routes that Label Studio calls, below /label-studio/ and, if a secret is set, below /label-studio/SECRET/.

Label Studio sends user and password with most calls but not with ordinary webhooks: where the server asks for a password,
annotations arrive only at the address with the secret. The secret opens all of these routes, and no others.
"""

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Body, HTTPException
from fastapi.responses import JSONResponse
from starlette.requests import Request

from ner11.errors import Ner11Error
from ner11.serving.api import problems
from ner11.serving.auth import guarded_by
from ner11.serving.entities import label_paths
from ner11.serving.jobs import FAILED
from ner11.serving.label_studio.config import LabelingConfig, parse_config
from ner11.serving.label_studio.protocol import (
    JobRequest,
    PredictRequest,
    SetupRequest,
    TrainRequest,
    ValidateRequest,
    project_number,
)
from ner11.serving.label_studio.results import predict, say
from ner11.serving.runtimes import Runtime
from ner11.serving.schemas import Problem
from ner11.serving.served import NotReadyError
from ner11.serving.services import Services

PREFIX = "/label-studio"
WEBHOOK = "webhook"
"""What the store calls a body that it cannot read."""
START_TRAINING = "START_TRAINING"
_ANNOTATED = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED")
_REMEMBERED = 1_000
_STATUSES = problems(401, 408, 413, 422, 500)
_UNUSABLE = {400: {"model": Problem, "description": "The labeling configuration cannot be used."}}
_GONE = {410: {"model": Problem, "description": "There is no such training."}}
_FAILING = {503: {"model": Problem, "description": "The model or the disk fails, or this server cannot train."}}
_NO_TRAINING = "This server cannot train: its model runs elsewhere."

log = logging.getLogger(__name__)


class AsciiResponse(JSONResponse):
    """JSON in ASCII: a text may hold half a character, which is no UTF-8."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def make_router(services: Services) -> APIRouter:
    """Make the routes.

    Args:
        services: What they work with.

    Raises:
        Ner11Error: If the secret cannot stand in an address.
    """
    backend = Backend(services)
    router = APIRouter()
    router.include_router(_make_routes(backend, guard=services.auth), prefix=PREFIX)
    if services.settings.webhook_secret is not None:
        secret = services.settings.webhook_secret.get_secret_value()
        if quote(secret, safe="") != secret:
            fix = "Use letters, digits, hyphens and underscores"
            raise Ner11Error("the secret cannot stand in an address", where="NER11_WEBHOOK_SECRET", fix=fix)
        guard = _secret_guard(secret)
        router.include_router(_make_routes(backend, guard=guard), prefix=PREFIX + "/{secret}", include_in_schema=False)
    return router


def _secret_guard(secret: str) -> Callable[[Request], Awaitable[None]]:
    wanted = secret.encode()

    async def guard(request: Request) -> None:
        if not hmac.compare_digest(request.path_params["secret"].encode("utf8", "replace"), wanted):
            raise HTTPException(404, "Not Found")

    return guard


def _make_routes(backend: "Backend", *, guard: Callable[[Request], Awaitable[None]]) -> APIRouter:
    async def explaining_guard(request: Request) -> None:
        try:
            await guard(request)
        except HTTPException as e:
            if e.status_code == 401 and request.url.path.endswith("/webhook") and "authorization" not in request.headers:
                backend.explain_lost_webhooks()
            raise

    # Before the body: whoever may not ask must not keep the server busy with reading it.
    route_class = guarded_by(explaining_guard)
    router = APIRouter(default_response_class=AsciiResponse, responses=_STATUSES, route_class=route_class)

    def add(method: str, path: str, route: Callable[..., Any], *more: dict[int, dict[str, Any]], described: bool = True) -> None:
        responses: dict[int | str, dict[str, Any]] = {status: said for each in more for status, said in each.items()}
        router.add_api_route(path, route, methods=[method], responses=responses, include_in_schema=described)

    for path in ("", "/", "/health"):
        add("GET", path, backend.health, described=path == "/health")
    add("GET", "/versions", backend.versions, _FAILING)
    add("POST", "/setup", backend.setup, _UNUSABLE, _FAILING)
    add("POST", "/predict", backend.predict, _UNUSABLE, _FAILING)
    add("POST", "/validate", backend.validate, _UNUSABLE)
    add("POST", "/job_status", backend.job_status, _GONE)
    add("POST", "/train", backend.train, _FAILING)
    add("POST", "/webhook", backend.webhook, _FAILING)
    for path in ("/delete", "/duplicate_model"):
        add("POST", path, backend.ignore)
    return router


class Backend:
    """What the routes do. It keeps nothing but what was said before, so as not to say it again.

    Args:
        services: What they work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._said: set[tuple[Any, ...]] = set()

    async def health(self) -> dict[str, str]:
        """Say that the server is up, also while the model is being loaded."""
        return {"status": "UP", "model_class": "ner11"}

    async def setup(self, asked: SetupRequest) -> dict[str, Any]:
        """Name the model, and say which of its labels the labeling configuration has no label for."""
        config = self._parse(asked.labels, asked.project)
        runtime, version = self._now()
        paths = label_paths(runtime.labels, self._services.schema)
        left_out = [label for label, path in paths.items() if config.label_for(path) is None]
        return {"model_version": version, "left_out": left_out}

    async def predict(self, asked: PredictRequest) -> JSONResponse:
        """Predict tasks: one result for each, in order."""
        begun = time.monotonic()
        services = self._services
        config = self._parse(asked.label_config, asked.project)
        _, version = self._now()
        try:
            results = await predict(
                asked.tasks,
                config,
                services.batcher,
                model_version=version,
                max_text=services.settings.max_text,
                drawn=asked.drawn,
            )
        except Ner11Error as e:
            log.error("project %s: no predictions: %s", asked.project, e)
            raise HTTPException(503, str(e)) from e
        say(results, config, project=asked.project, seconds=time.monotonic() - begun)
        if results.left_out and self._is_new("left out", asked.project, version):
            counts = ", ".join(f"{label} ({count})" for label, count in results.left_out.most_common())
            log.warning("project %s: the labeling configuration has no label for %s", asked.project, counts)
        # Of 10,000 tasks it is long: in a thread, so that health is told meanwhile.
        return await asyncio.to_thread(AsciiResponse, {"results": results.results})

    def versions(self) -> dict[str, list[str]]:
        """Name the versions of the model, the one that answers first."""
        _, version = self._now()
        known = self._services.versions.history() if self._services.versions else []
        return {"versions": list(dict.fromkeys([version, *(each.id for each in known)]))}

    def webhook(self, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
        """Keep what annotators did, and ask for a training where it is time for one. Nothing is trained here."""
        action, project = body.get("action"), project_number(body.get("project"))
        store = self._services.store
        if store is None or not isinstance(action, str) or project is None:
            return AsciiResponse({}, 200)
        if action == START_TRAINING:
            return AsciiResponse({"job": self._request_training(project, "asked for in Label Studio")}, 201)
        try:
            store.record(action, body)
            if action in _ANNOTATED and (waiting := self._enough(project)):
                return AsciiResponse({"job": self._request_training(project, f"{waiting} new annotations")}, 201)
        except Ner11Error as e:
            if e.where == WEBHOOK:  # nothing that Label Studio sends
                raise HTTPException(422, str(e)) from e
            raise self._refusal("an annotation was not kept; it comes with the next export of the project", e) from e
        return AsciiResponse({}, 200)

    def train(self, asked: TrainRequest) -> dict[str, str]:
        """Ask for a training, in the way of old versions."""
        project = project_number(asked.project)
        if project is None:
            raise HTTPException(422, "No number of a project.")
        return {"job": self._request_training(project, "asked for in Label Studio")}

    def job_status(self, asked: JobRequest) -> dict[str, Any]:
        """Tell the state of a training."""
        job = self._services.store.job(str(asked.job)) if self._services.store else None
        if job is None:
            raise HTTPException(410, "There is no such training.")
        return {"job_status": job.state, "said": job.said, "model_version": job.version}

    async def validate(self, asked: ValidateRequest) -> dict[str, Any]:
        """Judge a labeling configuration."""
        self._parse(asked.config, None)
        return {}

    async def ignore(self, body: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008
        """Take notice: annotations outlive the connection that they came through."""
        return {}

    def explain_lost_webhooks(self) -> None:
        """Say once how webhooks get in."""
        if self._is_new("webhooks"):
            fix = "set NER11_WEBHOOK_SECRET and connect Label Studio to /label-studio/SECRET"
            log.warning("a webhook without credentials was refused: Label Studio sends none with annotations; %s", fix)

    def _now(self) -> tuple[Runtime, str]:
        try:
            return self._services.served.now
        except NotReadyError as e:
            raise HTTPException(503, str(e)) from e

    def _enough(self, project: int) -> int:
        """Count the new annotations if they are enough for a training by itself, and none is under way; 0 if not."""
        least, store = self._services.settings.retrain_after, self._services.store
        # What a training that runs has read counts as new until it has ended.
        if not least or store is None or store.is_training(project):
            return 0
        last = next((job for job in store.jobs() if job.project == project), None)
        if last and last.state == FAILED:  # what made it fail is still there: the button starts the next one
            return 0
        waiting = store.waiting(project)
        return waiting if waiting >= least else 0

    def _request_training(self, project: int, reason: str) -> str:
        if self._services.store is None:
            raise HTTPException(503, _NO_TRAINING)
        try:
            return self._services.store.request_training(project, reason=reason).id
        except Ner11Error as e:
            raise self._refusal("no training was queued", e) from e

    def _refusal(self, what: str, error: Ner11Error) -> HTTPException:
        log.error("%s: %s", what, error)
        return HTTPException(503, str(error))

    def _parse(self, xml: str, project: object) -> LabelingConfig:
        try:
            return parse_config(xml)
        except Ner11Error as e:
            # Label Studio shows the status only.
            if self._is_new("configuration", project, str(e)):
                log.warning("project %s: %s", project, e)
            raise HTTPException(400, str(e)) from e

    def _is_new(self, *what: object) -> bool:
        if what in self._said:
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said.add(what)
        return True
