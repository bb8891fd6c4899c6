"""Tag schemes: how labels become tags, and which tag may follow which."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

OUTSIDE = "O"


@dataclass(frozen=True)
class TagScheme:
    """The tags of a scheme over labels, and the chain that they form.

    A scheme has positions in a span, the letters before the labels. A position may *start* a span, be an *inner* one (it follows
    a tag of the same span), be *open* (an inner one may follow) and be *closed* (the span may end there). What may follow
    what is decided by these alone, so one step of a recursion over the chain costs as many operations as there are tags.

    Tags are numbered: O is 0, then all labels of the first position, all labels of the second, and so on.

    Attributes:
        name: BIO, BILUO or IO.
        labels: The labels.
    """

    name: str
    labels: tuple[str, ...]

    _POSITIONS: ClassVar[dict[str, str]] = {"BIO": "BI", "BILUO": "BUIL", "IO": "I"}
    _STARTS: ClassVar[dict[str, int]] = {"BIO": 1, "BILUO": 2, "IO": 1}
    _OPEN: ClassVar[dict[str, tuple[int, ...]]] = {"BIO": (0, 1), "BILUO": (0, 2), "IO": ()}
    _CLOSED: ClassVar[dict[str, tuple[int, ...]]] = {"BIO": (0, 1), "BILUO": (1, 3), "IO": (0,)}

    def __post_init__(self) -> None:
        if self.name not in self._POSITIONS:
            raise ValueError(f"softmax_ner: '{self.name}' is no tag scheme; choose from {', '.join(self._POSITIONS)}")

    @property
    def positions(self) -> str:
        """Letters of the positions, those that start a span first."""
        return self._POSITIONS[self.name]

    @property
    def starts(self) -> int:
        """How many positions start a span; the others are inner ones."""
        return self._STARTS[self.name]

    @property
    def open(self) -> tuple[int, ...]:
        """Positions after which an inner one may follow."""
        return self._OPEN[self.name]

    @property
    def closed(self) -> tuple[int, ...]:
        """Positions at which a span may end."""
        return self._CLOSED[self.name]

    @property
    def all_closed(self) -> bool:
        """Whether a span may end anywhere."""
        return len(self.closed) == len(self.positions)

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of the tags, in their order."""
        return (OUTSIDE, *(f"{position}-{label}" for position in self.positions for label in self.labels))

    def __len__(self) -> int:
        return 1 + len(self.positions) * len(self.labels)

    def span_positions(self, length: int) -> list[int]:
        """Give the position of each of the tokens of a span."""
        if self.name == "IO":
            return [0] * length
        if self.name == "BIO":
            return [0] + [1] * (length - 1)
        return [1] if length == 1 else [0] + [2] * (length - 2) + [3]

    def ids(self, position: int, labels: Sequence[int]) -> list[int]:
        """Number the tags of labels at a position."""
        return [1 + position * len(self.labels) + label for label in labels]
