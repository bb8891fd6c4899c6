from itertools import pairwise

import pytest


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Gnawer and gnawer.", [("Gnawer", "MALWARE")]),
        ("the GRAY HERON, gray heron", [("GRAY HERON", "GROUP"), ("gray heron", "GROUP")]),
        ("social media, Social Media", [("Social Media", "TOOL")]),
        ("Gnawer Kit and Gnawer", [("Gnawer Kit", "TOOL"), ("Gnawer", "MALWARE")]),
        ("Gnawers, xGnawer", []),
        ("Gnawer/Gnawer-based (Gnawer)", [("Gnawer", "MALWARE")] * 3),
        ("", []),
    ],
)
def test_match(matcher, tokenizer, text, found):
    made = matcher(Gnawer="MALWARE", Gnawer_Kit="TOOL", Gray_Heron="GROUP*", Social_Media="TOOL")
    matches = made.match(tokenizer(text))
    assert [(text[start:end], label) for start, end, label in matches] == found
    assert all(first[1] <= second[0] for first, second in pairwise(matches))


def test_no_entities(matcher, tokenizer):
    assert matcher().match(tokenizer("Gnawer")) == []
