import pytest

from ner11.readers.detokenize import detokenize


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("Ann Lee", "Ann Lee"),
        ("No , it did n't !", "No, it didn't!"),
        ("We 'll see Ann ’s 5 %", "We'll see Ann’s 5%"),
        ("a ( b [ c ] ) $ 5", "a (b [c]) $5"),
        ('He said " yes " twice " .', 'He said "yes" twice ".'),
        ("`` yes ''", "``yes''"),
        ("“ yes ” …", "“yes”…"),
        (". a", ". a"),
        ("", ""),
    ],
)
def test_tokens_read_like_text(tokens, text):
    assert detokenize(tokens.split())[0] == text


@pytest.mark.parametrize("line", ['" a " ( b ) .', "🐍 naïve 🐍 ’s", "a\u2028b , c", '" " " "'])
def test_starts_point_at_the_tokens(line):
    tokens = line.split(" ")
    text, starts = detokenize(tokens)
    assert [text[start : start + len(token)] for token, start in zip(tokens, starts, strict=True)] == tokens
