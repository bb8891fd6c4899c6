import pytest

from ner11.active.near import KnownTexts

LONG = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")


@pytest.fixture
def known():
    made = KnownTexts()
    made.add([LONG, "short one"])
    return made


@pytest.mark.parametrize(
    ("text", "new"),
    [
        (LONG, False),
        (LONG.upper(), False),
        (LONG.replace(" ", "  "), False),
        (f"{LONG}!", False),
        (f"{LONG} more", False),
        ("short  ONE", False),
        ("short two", True),
        (" ".join(reversed(LONG.split())), True),
        ("", True),
    ],
)
def test_copies_and_near_copies_are_known(known, text, new):
    assert list(known.add_new([text])) == [new]


def test_of_near_copies_the_first_is_new():
    assert list(KnownTexts().add_new([f"{LONG}.", f"{LONG} two", "another", "another"])) == [True, False, True, False]


def test_numbers_do_not_make_another_text():
    report = "on day {} the host {} was seen to talk to {} machines of {} kinds in all of {} plants"
    assert list(KnownTexts().add_new([report.format(*"12345"), report.format(*"98765")])) == [True, False]


def test_exact_membership(known):
    assert "Short one" in known
    assert f"{LONG} more" not in known
