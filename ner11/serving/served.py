"""The model that answers now."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ner11.errors import Ner11Error
from ner11.serving.runtimes import Runtime

if TYPE_CHECKING:
    from ner11.serving.versions import VersionStore

logger = logging.getLogger(__name__)


class NotReadyError(Ner11Error):
    """There is no model to ask: it is being loaded, or its server is gone, or this one is shutting down."""


class ServedModel:
    """The model that answers now; it follows the version store. Safe to use from several threads.

    Args:
        versions: Names the version to serve; None for one model that is never retrained.
        model: What to load if there is no version store.
        load: Loads a runtime.
        on_change: Told which runtime and version serve from now on.
    """

    def __init__(
        self,
        versions: "VersionStore | None",
        *,
        model: str,
        load: Callable[[str], Runtime],
        on_change: Callable[[Runtime, str], None] | None = None,
    ) -> None:
        self._versions, self._model, self._load, self._on_change = versions, model, load, on_change
        self._lock = threading.Lock()
        self._now: tuple[Runtime, str] | None = None
        self._failed = ""
        self.error: Ner11Error | None = None
        """Why the last version could not be loaded."""

    @property
    def now(self) -> tuple[Runtime, str]:
        """The runtime and its version, which belong together.

        Raises:
            NotReadyError: If none is loaded yet.
        """
        if self._now is None:
            raise NotReadyError(self.error.what if self.error else "the model is being loaded")
        return self._now

    @property
    def is_ready(self) -> bool:
        """Whether a model is loaded."""
        return self._now is not None

    @property
    def runtime(self) -> Runtime:
        """The runtime. Raises as `now` does."""
        return self.now[0]

    @property
    def model_version(self) -> str:
        """What `/setup`, every prediction and `/v1/model` say; it changes with each retraining. Raises as `now` does."""
        return self.now[1]

    def reload(self) -> bool:
        """Load the version that is to be served, if that is another one than serves now.

        Returns:
            Whether another one serves now. One that cannot be loaded leaves the old one, and is reported, once.
        """
        with self._lock:
            model, version = self._model, ""
            try:
                if self._versions is not None:
                    current = self._versions.current()
                    model, version = current.pipeline, current.id
                if not self._differs(version):
                    if not version or version != self._failed:
                        self.error = None
                    return False
                runtime = self._load(model)
            except Exception as e:  # also what ONNX Runtime raises, or a folder that is being replaced: who asks must live
                self._report(e, model, version)
                return False
            before = self._now[1] if self._now else None
            version = version or f"{runtime.name}-{runtime.version}"
            self._now, self._failed, self.error = (runtime, version), "", None
            if self._on_change:
                self._on_change(runtime, version)
        logger.info("serving", extra={"model_version": version, "before": before, "kind": runtime.kind})
        return True

    def _report(self, error: Exception, model: str, version: str) -> None:
        before = str(self.error) if self.error else ""
        if not isinstance(error, Ner11Error):
            said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            error = Ner11Error(f"cannot be loaded ({said})", where=model, fix="Train or install it again, or name another model")
        self.error, self._failed = error, version
        if str(error) != before:
            logger.error("the model cannot be loaded", extra={"reason": str(error), "model_version": version or model})

    def _differs(self, version: str) -> bool:
        """Tell whether a version (none: the one that the Triton serves) is neither the one that serves nor one that failed."""
        if version:
            return version != self._failed and (self._now is None or version != self._now[1])
        return self._now is None or self._now[0].is_outdated()

    def check(self) -> None:
        """Check that the model answers.

        Raises:
            Ner11Error: If it does not.
        """
        self.runtime.check()
