"""What is compared: the variants, by experiment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacy.tokens import Doc

from ner11.errors import Ner11Error
from partial.losses import NAME as PER_TOKEN
from partial.transform import flatten, halve, is_short, vary

ALONE = "alone"
RARE = 40
"""A label with fewer training spans is rare."""

Make = Callable[[Sequence[Doc]], list[Doc]]


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        name: Its name, with that of its experiment before a colon if it is not `merged`.
        make: Makes its training texts from those of the merged corpus.
        baseline: Name of the variant that it is compared with.
        sources: Sources whose texts it takes, all if empty.
        head: Name of a fragment in configs/head.
        loss: Settings of the loss that are not the defaults; with "@losses", another loss.
        schedule: Makes the texts that decide about steps, where it is not the training texts.
    """

    name: str
    make: Make
    baseline: str
    sources: tuple[str, ...] = ()
    head: str = "softmax"
    loss: dict[str, Any] = field(default_factory=dict)
    schedule: Make | None = None

    @property
    def experiment(self) -> str:
        return self.name.split(":")[0] if ":" in self.name else "merged"


def _merged(name: str, *, coverage: bool, sets: bool, **more: Any) -> Variant:
    return Variant(name, lambda docs: vary(docs, coverage=coverage, sets=sets), baseline="naive", **more)


def _halves(name: str, make: Make) -> Variant:
    return Variant(f"halves:{name}", make, baseline="halves:naive", sources=("aptner",))


def _gold(name: str, make: Make = list, schedule: Make | None = None, **loss: float) -> Variant:
    return Variant(f"gold:{name}", make, baseline="gold:plain", sources=("gold",), loss=loss, schedule=schedule)


VARIANTS = {
    variant.name: variant
    for variant in (
        _merged("naive", coverage=False, sets=False),
        _merged("sets", coverage=True, sets=True),
        _merged("coverage-only", coverage=True, sets=False),
        _merged("granularity-only", coverage=False, sets=True),
        _merged("per-token", coverage=True, sets=True, loss={"@losses": PER_TOKEN}),
        _merged("naive-transition", coverage=False, sets=False, head="transition"),
        _halves("naive", lambda docs: halve(flatten(docs), coverage=False, seed=0)),
        _halves("sets", lambda docs: halve(flatten(docs), coverage=True, seed=0)),
        _halves("full", flatten),
        _gold("plain"),
        _gold("weights-0.25", weight_exponent=0.25),
        _gold("weights-0.5", weight_exponent=0.5),
        _gold("focal-1", focal_gamma=1.0),
        _gold("focal-2", focal_gamma=2.0),
        _gold("smoothing", label_smoothing=0.05),
        # As many steps as with the short texts: what differs is what they are spent on.
        _gold("no-short", lambda docs: [doc for doc in docs if not is_short(doc)], schedule=list),
    )
}


def find_variant(name: str) -> Variant:
    """Find a variant by name; `alone:NAME` is one source by itself.

    Raises:
        Ner11Error: If there is none of that name.
    """
    experiment, _, source = name.partition(":")
    if experiment == ALONE and source:
        return Variant(name, lambda docs: vary(docs, coverage=True, sets=True), baseline="naive", sources=(source,))
    if name not in VARIANTS:
        raise Ner11Error(f"there is no variant '{name}'", fix=f"Choose from {', '.join(VARIANTS)}, {ALONE}:SOURCE")
    return VARIANTS[name]


def expand(names: str) -> list[Variant]:
    """Find the variants that a list names, an experiment (`merged`, `halves`, `gold`) standing for all of its own."""
    found: list[Variant] = []
    for name in names.split(","):
        own = [variant for variant in VARIANTS.values() if variant.experiment == name]
        found += own or [find_variant(name)]
    return found
