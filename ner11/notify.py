"""A message when a long step ends, to wherever the user wants it."""

import os

URLS = "APPRISE_URLS"
"""Environment variable with the addresses, as Apprise's own command line reads it: separated by blanks or commas."""


def notify(title: str, body: str) -> str | None:
    """Send a message to the addresses in the environment; without any, do nothing.

    Args:
        title: What happened.
        body: More about it.

    Returns:
        Why the message could not be sent, if so: a message never stops what it is about. Addresses may hold
        secrets, so none is named.
    """
    urls = os.environ.get(URLS, "").strip()
    if not urls:
        return None
    try:
        from apprise import Apprise
    except ImportError:
        return f"{URLS} is set, but Apprise is not installed; run pip install -e '.[notify]' -c requirements.txt"
    sender = Apprise()
    if not sender.add(urls):
        return f"{URLS} holds an address that Apprise does not know; no message was sent"
    return None if sender.notify(body=body, title=title) else f"A message to the addresses in {URLS} could not be delivered"
