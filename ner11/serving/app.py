"""The server as an ASGI application."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from fastapi import FastAPI

import ner11
from ner11.errors import Ner11Error
from ner11.schema import Schema, load_schema
from ner11.serving.api import handle_errors, make_router, problems
from ner11.serving.auth import make_auth
from ner11.serving.batching import Batcher
from ner11.serving.describe import describe_api
from ner11.serving.label_studio.routes import make_router as make_label_studio_router
from ner11.serving.limits import Requests
from ner11.serving.metrics import Metrics
from ner11.serving.runtimes import Runtime, is_triton, load_runtime
from ner11.serving.served import ServedModel
from ner11.serving.services import Services
from ner11.serving.settings import Settings
from ner11.serving.store import Store
from ner11.serving.trainer import Trainer
from ner11.serving.versions import VersionStore

LOOK_SECONDS = 5.0
"""How often the server looks whether another version is to be served: one that was activated or rolled back elsewhere."""
DOMAINS = Path("configs/domains")

logger = logging.getLogger(__name__)


def find_schema(domain: str, *, domains: Path = DOMAINS) -> Schema | None:
    """Load the label tree of a domain, None where it is not at hand: the server runs without the project, too.

    Raises:
        Ner11Error: If it is there and damaged.
    """
    path = domains / domain / "schema.yml"
    return load_schema(path) if path.is_file() else None


def make_services(settings: Settings, *, load: Callable[[str], Runtime] | None = None) -> Services:
    """Make what the routes share; nothing is loaded or started yet.

    Args:
        settings: The settings.
        load: Loads the runtime of a model; `load_runtime` if None.
    """
    schema, metrics = find_schema(settings.domain), Metrics()
    retrains = not is_triton(settings.model)
    versions = VersionStore(settings.state, settings.model) if retrains else None
    store = Store(settings.state / "annotations.sqlite") if retrains else None
    load = load or partial(load_runtime, schema=schema, threads=settings.threads)
    served = ServedModel(versions, model=settings.model, load=load, on_change=metrics.set_model)
    batcher = Batcher(served, max_waiting=settings.max_waiting, metrics=metrics)
    metrics.watch_waiting(lambda: batcher.waiting)
    trainer = Trainer(store, settings, on_version=served.reload) if store else None
    return Services(settings, schema, served, batcher, metrics, make_auth(settings), store, versions, trainer)


def create_app(
    settings: Settings, *, load: Callable[[str], Runtime] | None = None, on_failure: Callable[[Ner11Error], None] | None = None
) -> FastAPI:
    """Make the application. The model is loaded when it starts; until then `/ready` says that it is not.

    Args:
        settings: The settings.
        load: Loads the runtime of a model; `load_runtime` if None.
        on_failure: Told why the model cannot be loaded when the server starts.

    Raises:
        Ner11Error: If something that it needs is damaged.
    """
    services = make_services(settings, load=load)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services.batcher.start()
        following = asyncio.ensure_future(_follow(services, on_failure))
        if services.trainer:
            services.trainer.start()
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            if services.trainer:
                await asyncio.to_thread(services.trainer.stop)
            await asyncio.to_thread(services.batcher.close)

    app = FastAPI(
        title="ner11", version=ner11.__version__, summary="Named entities of texts", lifespan=lifespan, openapi_url=None
    )
    app.state.services = services
    app.add_middleware(Requests, max_body=settings.max_body, metrics=services.metrics)
    handle_errors(app)
    app.include_router(make_router(services))
    app.include_router(make_label_studio_router(services), tags=["Label Studio"], responses=problems(400, 401, 408, 413, 422))
    app.openapi = partial(describe_api, app, services)  # type: ignore[method-assign]
    return app


async def _follow(services: Services, on_failure: Callable[[Ner11Error], None] | None) -> None:
    """Load the model, and whatever version replaces it."""
    served = services.served
    while True:
        if not await asyncio.to_thread(served.reload) and served.error and on_failure and not served.is_ready:
            on_failure(served.error)
            return
        await asyncio.sleep(LOOK_SECONDS)
