"""Damage for the readers' fuzz tests: random edits of the bytes of a valid file."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ner11.annotation import AnnotatedText
from ner11.errors import Ner11Error
from ner11.ledger import OUTCOMES

FUZZ = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
_JUNK = st.sampled_from(
    [b"\0", b"\n", b"\r\n", b"\xff", b"\xef\xbb\xbf", b'"', b"{", b"]", b"\t", b",", b"\\", b"-1", b"9" * 30, b"\xf0\x9f\x98\x80"]
)
_EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), st.one_of(st.just(b""), _JUNK)), max_size=4)


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Cut, overwrite and insert at random places of `content`, and sometimes break it off."""
    for where, deleted, inserted in draw(_EDITS):
        at = int(where * len(content))
        content = content[:at] + inserted + content[at + deleted :]
    return content[: draw(st.one_of(st.none(), st.integers(0, len(content))))]


def check_texts(read) -> list[AnnotatedText]:
    """Run a reader: it may end in a located error; else every text and span it gives is whole or says why not."""
    texts = []
    try:
        texts.extend(read())
    except Ner11Error as e:
        assert e.where and e.fix
    for text in texts:
        assert text.where and text.line >= 1
        for span in text.spans:
            assert isinstance(span.start, int) and isinstance(span.end, int) and isinstance(span.origin, str)
            assert span.outcome in OUTCOMES
            assert span.reason or span.outcome == "kept"
    return texts
