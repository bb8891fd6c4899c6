"""Who may ask: a bearer token, or user and password."""

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from fastapi import HTTPException
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from ner11.errors import Ner11Error
from ner11.serving.settings import Settings


def check_exposure(settings: Settings) -> None:
    """Refuse to serve everybody by mistake.

    Raises:
        Ner11Error: If others reach the address, nothing is asked of them, and the settings do not say that this is wished.
    """
    if settings.guarded or settings.public or is_loopback(settings.host):
        return
    fix = "Set NER11_TOKEN, or NER11_USER and NER11_PASSWORD; NER11_PUBLIC=1 lets everybody ask"
    raise Ner11Error("others reach this address, and no token or password is set", where=settings.host, fix=fix)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def make_auth(settings: Settings) -> Callable[[Request], Awaitable[None]]:
    """Make the dependency that refuses requests without the token or the password; it lets all pass if neither is set."""
    tokens = _encodings(settings.token.get_secret_value()) if settings.token else []
    logins = _encodings(f"{settings.user}:{settings.password.get_secret_value()}") if settings.password else []
    challenges = [name for name, known in (("Bearer", tokens), ('Basic realm="ner11", charset="UTF-8"', logins)) if known]

    async def auth(request: Request) -> None:
        if not challenges:
            return
        # Headers are Latin-1 here: the bytes as they were sent.
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        credentials = sent.strip().encode("latin-1")
        if scheme.lower() == "basic":
            known, credentials = logins, _decode(credentials)
        else:
            known = tokens if scheme.lower() == "bearer" else []
        if True not in [hmac.compare_digest(credentials, one) for one in known]:  # always all of them: the time tells nothing
            detail = "These credentials are wrong." if scheme else "Say who you are: a token or a password is needed."
            raise HTTPException(401, detail, headers={"WWW-Authenticate": ", ".join(challenges)})

    return auth


def guarded_by(guard: Callable[[Request], Awaitable[None]]) -> type[APIRoute]:
    """Make routes that ask a guard before they read the body; FastAPI reads and parses it before it asks a dependency."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()

            async def answer_guarded(request: Request) -> Response:
                await guard(request)
                return await answer(request)

            return answer_guarded

    return GuardedRoute


def _encodings(secret: str) -> list[bytes]:
    """Give the bytes that clients send for a secret: UTF-8, or the older Latin-1 (the library `requests`, so Label Studio)."""
    found = {secret.encode()}
    with suppress(UnicodeEncodeError):
        found.add(secret.encode("latin-1"))
    return sorted(found)


def _decode(credentials: bytes) -> bytes:
    try:
        return b64decode(credentials, validate=True)
    except Base64Error:
        return b""
