"""How the report writes numbers and foreign text."""

from html import escape

MINUS = "\N{MINUS SIGN}"


def signed(difference: float | None, plus: str = "+") -> str:
    """Write a difference of shares in percentage points, a dash where it is undefined; `plus` stands before one above 0."""
    if difference is None:
        return "–"
    points = f"{100 * difference:+.1f}"
    return "0.0" if points in ("+0.0", "-0.0") else points.replace("-", MINUS).replace("+", plus)


def signed_range(interval: list[float] | None, plus: str = "+") -> str:
    """Write an interval of differences in percentage points: `[−0.4, +2.7]`; nothing where it is undefined."""
    return "" if interval is None else f"[{signed(interval[0], plus)}, {signed(interval[1], plus)}]"


def chance(p: float | None) -> str:
    """Write a p-value, a dash where it is undefined."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def tell_apart(value: float, other: float, *, digits: int) -> tuple[str, str]:
    """Write two numbers with so many decimals, or more where they would read alike."""
    while digits < 15 and f"{value:.{digits}f}" == f"{other:.{digits}f}":
        digits += 1
    return f"{value:.{digits}f}", f"{other:.{digits}f}"


def count(number: float) -> str:
    """Write a whole number with commas between the thousands."""
    return f"{number:,.0f}"


def decimals(value: float | None, digits: int = 3) -> str:
    """Write a number with fixed decimals, a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """Write a time in its two largest units, "not measured" where it is unknown."""
    if seconds is None:
        return "not measured"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def cell(text: object) -> str:
    """Escape foreign text for a cell of a Markdown table: no markup of its own, no end of the cell or the row."""
    plain = escape(" ".join(str(text).split()), quote=False)
    return "".join(f"\\{mark}" if mark in "\\`*[]|~" else mark for mark in plain)
