"""The serving benchmark's figures as Markdown."""

from typing import Any

from wasabi import MarkdownRenderer

TITLES = {"training/model-best": "torch", "training/onnx/int8": "ONNX Runtime, int8", "training/onnx/fp32": "ONNX Runtime, fp32"}
HEADER = ["model", "threads", "clients", "words/s", "of the bare pipeline's", "texts/s", "p50", "p99"]


def render_serving(results: dict[str, Any]) -> str:
    """Render throughput and latency of the API as Markdown.

    Args:
        results: What `benchmarks/serving.py` wrote.
    """
    md, machine, settings = MarkdownRenderer(), results["machine"], results["settings"]
    rounds = f"{settings['rounds']} round{'s' * (settings['rounds'] > 1)}"
    words, seconds = settings["words"] / settings["texts"], settings["seconds"]
    md.add(
        f"The API over HTTP beside the bare pipeline in batches of 64, in turns, on {machine['cores']} cores "
        f"({machine['processor']}): every client asks for one text of {words:.0f} words and waits for its answer; medians of "
        f"{rounds} of {seconds:g} seconds. Server and clients share the cores with the model (`benchmarks/serving.py`)."
    )
    rows = [
        (
            TITLES.get(row["model"], row["model"]),
            str(row["threads"]),
            str(served["clients"]),
            f"{served['words_per_second']:,.0f}",
            f"{served['share_of_bare']:.0%} of {row['bare']['words_per_second']:,.0f}",
            f"{served['texts_per_second']:,.0f}",
            f"{served['p50_ms']:.1f} ms",
            f"{served['p99_ms']:.1f} ms",
        )
        for row in results["rows"]
        for served in row["served"]
    ]
    md.add(md.table(rows, HEADER, aligns=["l", *"r" * (len(HEADER) - 1)]))
    return md.text
