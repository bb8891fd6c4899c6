"""Label Studio's API: annotated tasks out, tasks in."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from ner11.errors import Ner11Error

_ACCESS_SECONDS = 240.0
"""How long an access token is used; Label Studio takes it for 300 seconds."""
_EXPORT_SECONDS = 600.0
"""Longest wait for the next piece of an export: Label Studio makes all of it before it sends the first."""
_TASKS_AT_ONCE = 1_000
_TOKEN_FIX = "Make a personal access token in Label Studio (Account & Settings) and set NER11_LABEL_STUDIO_TOKEN"
_URL_FIX = "Start Label Studio, or correct NER11_LABEL_STUDIO_URL"


class _LegacyToken(httpx.Auth):
    """The token of old versions, which is off in new ones unless an owner allows it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Token {self._token}"
        yield request


class _PersonalAccessToken(httpx.Auth):
    """A personal access token, which is exchanged for access tokens of five minutes."""

    def __init__(self, url: str, token: str) -> None:
        self._refresh = f"{url}/api/token/refresh/"
        self._token, self._access, self._until = token, "", 0.0

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request; with a fresh access token where the old one has had its time or is refused."""
        if time.monotonic() >= self._until:
            self._take((yield httpx.Request("POST", self._refresh, json={"refresh": self._token})))
        request.headers["Authorization"] = f"Bearer {self._access}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._take((yield httpx.Request("POST", self._refresh, json={"refresh": self._token})))
            request.headers["Authorization"] = f"Bearer {self._access}"
            yield request

    def _take(self, response: httpx.Response) -> None:
        response.read()
        _check(response)
        self._access = str(_read_object(response).get("access", ""))
        self._until = time.monotonic() + _ACCESS_SECONDS


class LabelStudio:
    """A running Label Studio. Use it in a `with`, or close it.

    Args:
        url: Its address.
        token: A personal access token.
        legacy: The token is a legacy one, which is sent as it is.
        timeout: Longest wait for an answer, in seconds.
        transport: How requests are sent; None for the network.

    Raises:
        Ner11Error: If that is no address or no token. All methods raise it, in one line, if Label Studio cannot be reached,
            does not answer in time, rejects the token or the request, or answers with something else than it should.
    """

    def __init__(
        self, url: str, token: str, *, legacy: bool = False, timeout: float = 30.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url, self.timeout = url.rstrip("/"), timeout
        try:
            parsed = httpx.URL(self.url)
        except (httpx.InvalidURL, TypeError) as e:
            raise Ner11Error(f"no address ({e})", where=url, fix="Give one like http://127.0.0.1:8080") from e
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise Ner11Error("no address of a server", where=url, fix="Give one like http://127.0.0.1:8080")
        if not token or not token.isascii() or not token.isprintable():
            raise Ner11Error("the token of Label Studio is no token", fix=_TOKEN_FIX)
        auth = _LegacyToken(token) if legacy else _PersonalAccessToken(self.url, token)
        self._client = httpx.Client(base_url=self.url, auth=auth, timeout=timeout, transport=transport)

    def __enter__(self) -> "LabelStudio":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def labeling_config(self, project: int) -> str:
        """Give the labeling configuration of a project, as XML."""
        with self._asking():
            response = self._client.get(f"/api/projects/{project}/")
            _check(response)
            return str(_read_object(response).get("label_config", ""))

    def export(self, project: int, path: Path) -> None:
        """Write the annotated tasks of a project as Label Studio's JSON export, whole or not at all.

        Args:
            project: Number of the project.
            path: The file; its folder is made if it is missing, and what was there is replaced.

        Raises:
            Ner11Error: As all methods; also if the export breaks off. The old file is untouched then.
            OSError: If the file cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        wait = httpx.Timeout(self.timeout, read=_EXPORT_SECONDS)
        try:
            with self._asking(), partial.open("wb") as file:
                asked = {"exportType": "JSON"}
                with self._client.stream("GET", f"/api/projects/{project}/export", params=asked, timeout=wait) as response:
                    if response.status_code != httpx.codes.OK:
                        response.read()
                    _check(response)
                    end = b""
                    for piece in response.iter_bytes():
                        file.write(piece)
                        end = (end + piece)[-16:]
            if not end.rstrip().endswith(b"]"):
                raise Ner11Error("the export broke off", where=self.url, fix="Run it again")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def import_tasks(self, project: int, tasks: Sequence[dict[str, Any]]) -> list[int]:
        """Add tasks to a project.

        Args:
            project: Number of the project.
            tasks: As `ner11.label_studio.make_task` writes them.

        Returns:
            Their numbers in Label Studio.

        Raises:
            Ner11Error: As all methods; it says how many tasks were added before.
        """
        numbers: list[int] = []
        for start in range(0, len(tasks), _TASKS_AT_ONCE):
            try:
                with self._asking():
                    rows = list(tasks[start : start + _TASKS_AT_ONCE])
                    asked = {"return_task_ids": "1"}
                    wait = httpx.Timeout(self.timeout, read=_EXPORT_SECONDS)
                    response = self._client.post(f"/api/projects/{project}/import", params=asked, json=rows, timeout=wait)
                    _check(response)
                    numbers += _read_object(response).get("task_ids", [])
            except Ner11Error as e:
                if not start:
                    raise
                raise Ner11Error(f"{e.what} ({start} of {len(tasks)} tasks were added before)", where=e.where, fix=e.fix) from e
        return numbers

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as e:
            raise Ner11Error("Label Studio does not answer in time", where=self.url, fix="Look into its log") from e
        except httpx.RemoteProtocolError as e:
            raise Ner11Error(f"the answer of Label Studio broke off ({e})", where=self.url, fix="Run it again") from e
        except httpx.HTTPError as e:
            what = f"Label Studio cannot be reached ({str(e) or type(e).__name__})"
            raise Ner11Error(what, where=self.url, fix=_URL_FIX) from e


def _check(response: httpx.Response) -> None:
    """Tell what Label Studio has against a request, in one line."""
    code, where = response.status_code, str(response.url.copy_with(query=None))
    if response.is_success:
        return
    if response.is_redirect:
        to = response.headers.get("Location", "another address")
        raise Ner11Error(f"Label Studio sends us to {to}", where=where, fix="Set NER11_LABEL_STUDIO_URL to its own address")
    said = _reason(response)
    if code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Ner11Error(f"Label Studio rejects the token ({said})", where=where, fix=_TOKEN_FIX)
    if code == httpx.codes.NOT_FOUND:
        raise Ner11Error(f"Label Studio does not know that ({said})", where=where, fix="Check the project's number")
    raise Ner11Error(f"Label Studio answers {code} ({said})", where=where, fix="Look into its log")


def _reason(response: httpx.Response) -> str:
    """Find the sentence in an answer that says what is wrong."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        said = body.get("detail") or body.get("validation_errors") or body
        return " ".join(str(said).split())[:300]
    return response.reason_phrase or "no reason given"


def _read_object(response: httpx.Response) -> dict[str, Any]:
    where = str(response.url.copy_with(query=None))
    try:
        body = response.json()
    except ValueError as e:
        raise Ner11Error("the answer is no JSON, so this is no Label Studio", where=where, fix=_URL_FIX) from e
    if not isinstance(body, dict):
        raise Ner11Error("the answer is none of Label Studio", where=where, fix=_URL_FIX)
    return body
