"""The tables of the simulation of active learning, from what `benchmarks/active_learning.py` wrote."""

from typing import Any

from wasabi import MarkdownRenderer

from ner11.evaluation.figures import percent

RANDOM, MATCHED = "random", "matched:"


def _signed(row: dict[str, Any] | None) -> str:
    """Write a difference in points with its interval, bold where that is on one side of zero."""
    if row is None or row["interval"] is None:
        return "–"
    low, high = row["interval"]
    text = f"{100 * row['value']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def _verdict(row: dict[str, Any]) -> str:
    """Say whether a strategy pays: better than random, and where there is a control, better than texts of the same lengths."""
    if "over_random" not in row:
        return ""
    low, high = row["over_random"]["interval"]
    if low <= 0:
        return "costs" if high < 0 else "no gain"
    if "over_matched" not in row:
        return "pays, length not controlled"
    return "pays" if row["over_matched"]["interval"][0] > 0 else "pays, beyond length not shown"


def _reach(row: dict[str, Any] | None, last: float) -> str:
    if row is None:
        return "–"
    value, (low, high) = row["value"], row["interval"]
    more = f"> {last:,.0f}"
    ends = ", ".join(more if end is None else f"{end:,}" for end in (low, high))
    return f"{more if value is None else f'{value:,}'} [{ends}]"


def _rows(md: MarkdownRenderer, strategies: dict[str, Any]) -> list[tuple[str, ...]]:
    order = sorted(strategies, key=lambda name: -strategies[name]["area"]["value"])
    rows = []
    for name in order:
        row = strategies[name]
        rows.append(
            (
                md.code(name),
                percent(row["area"]["value"]),
                _signed(row.get("over_random")),
                _signed(row.get("over_matched")),
                "" if name.startswith(MATCHED) else _verdict(row),
                percent(row["f1"][-1]),
                _reach(row.get("reach"), row["tokens"][-1]),
                f"{row['texts'][-1]:,.0f}",
                f"{row['spans']:,.0f}",
                f"{row['rarest']['spans']:.0f}",
                f"{row['select_seconds']:.1f} s",
            )
        )
    return rows


def render_active(results: dict[str, Any]) -> str:
    """Render which strategy pays, and how much, as Markdown.

    Args:
        results: What `benchmarks/active_learning.py` wrote.
    """
    md = MarkdownRenderer()
    settings = results["settings"]
    for pool in results["pools"]:
        strategies = pool["strategies"]
        if RANDOM not in strategies:
            continue
        first = strategies[RANDOM]
        whole = pool.get("whole")
        reached = ""
        if whole:
            reached = f"; the whole pool: {whole['texts']:,} texts, {whole['tokens']:,} tokens, F1 {percent(whole['f1'])}"
        md.add(
            f"**{pool['data']}**, {pool['seeds']} paired seeds, from {settings['seed_texts']} random texts ("
            f"{first['tokens'][0]:,.0f} tokens, F1 {percent(first['f1'][0])}) in {len(first['tokens']) - 1} rounds of as many "
            f"tokens as {settings['round_texts']} average texts have, to {first['tokens'][-1]:,.0f} tokens{reached}. In percent."
        )
        rarest = first["rarest"]["label"]
        header = ["strategy", "area", "over random", "over random of the same lengths", "", "last F1"]
        header += ["tokens to 95% of the whole pool's F1", "texts", "spans", md.code(rarest), "choosing"]
        md.add(md.table(_rows(md, strategies), header, aligns=["l", *"r" * 3, "l", *"r" * 6]))
    for transfer in results["transfers"]:
        rows = [
            (md.code(name), f"{percent(row['f1']['value'])}", _signed(row.get("over_random")))
            for name, row in transfer["strategies"].items()
        ]
        seeds = transfer["seeds"]
        where = f"{transfer['data']}; {seeds} seed{'s' * (seeds > 1)}"
        md.add(
            f"Transfer: another learner, {md.code(transfer['learner'])} of the encoder trained, on the texts chosen in {where}."
        )
        md.add(md.table(rows, ["texts of", "F1", "over random"], aligns=["l", "r", "r"]))
    return md.text
