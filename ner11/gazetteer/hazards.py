"""Names that would match where they mean something else: everyday words and names, scraps, and whole sentences."""

import re
from collections.abc import Callable, Mapping

from spacy.lookups import load_lookups

MIN_CHARACTERS = 4
MAX_TOKENS = 8
EVERYDAY = -15.0
"""Natural log of the probability from which on a word is an everyday one: about one in three million words."""


def load_word_probabilities(language: str) -> Mapping[str, float]:
    """Load the log probability of each word form of a language, from spacy-lookups-data; this takes seconds."""
    return load_lookups(language, ["lexeme_prob"]).get_table("lexeme_prob")


def is_everyday(word: str, probabilities: Mapping[str, float], *, well_known: bool = False) -> bool:
    """Tell whether a word is one of everyday language whose form does not show that it is a name here.

    Args:
        word: A word. All in capitals, with a capital inside, or with a digit, it cannot be mistaken.
        probabilities: Log probabilities of word forms.
        well_known: It may be a name that is common in everyday language too; only if it is more common in lower case
            it is an everyday word.
    """
    if not word.isalpha() or not word[1:].islower():
        return False
    lower, capital = (probabilities.get(form, float("-inf")) for form in (word.lower(), word.capitalize()))
    if word.islower():
        return lower > float("-inf")
    return max(lower, capital) >= EVERYDAY and (lower >= capital or not well_known)


def is_phrase(name: str, probabilities: Mapping[str, float]) -> bool:
    """Tell whether a name is several words of everyday language, so that only capitals show that it is a name."""
    words = re.findall(r"\w+", name)
    return len(words) > 1 and all(probabilities.get(word.lower(), EVERYDAY - 1) >= EVERYDAY for word in words)


def find_hazard(
    name: str, probabilities: Mapping[str, float], count_tokens: Callable[[str], int], *, well_known: bool = False
) -> str:
    """Say why a name is not to be matched.

    Args:
        name: The name.
        probabilities: Log probabilities of word forms.
        count_tokens: Counts the tokens of a name.
        well_known: It may be a name that is common in everyday language too, such as that of a country.

    Returns:
        The reason, or "" if there is none.
    """
    if not any(character.isalpha() for character in name):
        return "no letters"
    if len(re.sub(r"[\W_]", "", name)) < MIN_CHARACTERS:
        return "three letters or fewer"
    if is_everyday(name, probabilities, well_known=well_known):
        return "an everyday word or name"
    if name.islower() and is_phrase(name, probabilities):
        return "everyday words in lower case"
    if count_tokens(name) > MAX_TOKENS:
        return f"over {MAX_TOKENS} tokens"
    return ""
