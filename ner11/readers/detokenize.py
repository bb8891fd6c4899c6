"""From a list of tokens back to text that reads like text."""

from collections.abc import Sequence

_NO_SPACE_BEFORE = frozenset(
    [*".,;:!?)]}%…”’", "...", "''", "'s", "’s", "n't", "n’t", "'re", "'ve", "'ll", "'m", "'d", "’re", "’ve", "’ll", "’m", "’d"]
)
_NO_SPACE_AFTER = frozenset([*"([{“‘$#", "``"])


def detokenize(tokens: Sequence[str]) -> tuple[str, list[int]]:
    """Join tokens without the blanks that no writer would put.

    Args:
        tokens: Tokens without blanks inside; an empty one takes no room.

    Returns:
        The text, and the place of each token's first character in it.
    """
    parts: list[str] = []
    starts: list[int] = []
    length, glue, quote_open = 0, True, False
    for token in tokens:
        if not token:
            starts.append(length)
            continue
        closes = token == '"' and quote_open
        if not (glue or closes or token in _NO_SPACE_BEFORE):
            parts.append(" ")
            length += 1
        starts.append(length)
        parts.append(token)
        length += len(token)
        if token == '"':
            quote_open = not quote_open
            glue = quote_open
        else:
            glue = token in _NO_SPACE_AFTER
    return "".join(parts), starts
