"""What the routes of the server share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from ner11.schema import Schema
from ner11.serving.batching import Batcher
from ner11.serving.metrics import Metrics
from ner11.serving.served import ServedModel
from ner11.serving.settings import Settings

if TYPE_CHECKING:
    from ner11.serving.store import Store
    from ner11.serving.trainer import Trainer
    from ner11.serving.versions import VersionStore


@dataclass(frozen=True)
class Services:
    """What the routes share.

    Attributes:
        settings: The settings.
        schema: The label tree of the domain; None where it is not at hand.
        served: The model that answers now.
        batcher: Finds entities.
        metrics: What is measured.
        auth: A dependency (`Depends(services.auth)`) that refuses requests without the token or the password, if one is set.
        store: Annotations and trainings; None without retraining (the model runs in a Triton).
        versions: Retrained versions; None as above.
        trainer: Runs trainings; None as above.
    """

    settings: Settings
    schema: Schema | None
    served: ServedModel
    batcher: Batcher
    metrics: Metrics
    auth: Callable[[Request], Awaitable[None]]
    store: "Store | None" = None
    versions: "VersionStore | None" = None
    trainer: "Trainer | None" = None
