"""Functions of one comment that only Python can run, as people write them: loops, dicts, helpers, try and except.

Both sides of the benchmark `row_functions` call these very functions. Frozen: do not tune.
"""

import difflib
import re
import unicodedata
from collections import Counter
from typing import Any

SPAM, HAM, ABSTAIN = "spam", "ham", -1

WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?")
TIME = re.compile(r"\b(\d{1,2}):(\d\d)\b")
WEIGHTS = {"channel": 2.0, "check": 1.0, "subscribe": 3.0, "sub": 1.5, "money": 2.0, "free": 1.0, "song": -2.0}
WEIGHTS |= {"love": -1.0, "music": -1.5, "voice": -1.5, "best": -0.5, "out": 0.3, "my": 0.4, "please": 0.8}
PHRASES = ("check out my channel", "subscribe to my channel")
OPENS = {")": "(", "]": "[", "}": "{"}


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return WORD.findall(text.lower())


def lf_weights(x: Any) -> Any:
    """Adds up what words weigh; later ones weigh less."""
    total, factor = 0.0, 1.0
    for word in words_of(x.text):
        total += factor * WEIGHTS.get(word, 0.0)
        factor *= 0.95
    if total > 1.5:
        return SPAM
    return HAM if total < -1.0 else ABSTAIN


def lf_repeats_itself(x: Any) -> Any:
    """Counts words and looks for one that takes over."""
    counts = Counter(word for word in words_of(x.text) if len(word) > 3)
    if not counts:
        return ABSTAIN
    _, times = counts.most_common(1)[0]
    return SPAM if times >= 3 or times > 0.6 * sum(counts.values()) > 1.5 else ABSTAIN


def lf_moment(x: Any) -> Any:
    """Names a moment of a video that there can be."""
    for minutes, seconds in TIME.findall(x.text):
        if int(seconds) < 60 and int(minutes) < 15:
            return HAM
    return ABSTAIN


def lf_longest_run(x: Any) -> Any:
    """Goes over the letters and measures the longest run of one."""
    longest = run = 0
    before = ""
    for letter in x.text:
        run = run + 1 if letter == before else 1
        longest = max(longest, run)
        before = letter
    return SPAM if longest > 4 else ABSTAIN


def lf_scripts(x: Any) -> Any:
    """Finds letters that are not Latin."""
    foreign = set()
    for letter in x.text:
        if letter > "\u024f" and letter.isalpha():
            foreign.add(unicodedata.name(letter, "").partition(" ")[0])
    return HAM if foreign else ABSTAIN


def lf_balanced(x: Any) -> Any:
    """Matches brackets with a stack."""
    stack = []
    for letter in x.text:
        if letter in "([{":
            stack.append(letter)
        elif letter in OPENS and (not stack or stack.pop() != OPENS[letter]):
            return SPAM
    return SPAM if stack else ABSTAIN


def lf_second_word(x: Any) -> Any:
    """Looks at the second word; a comment of one word is a fault."""
    word = x.text.split()[1]
    try:
        return SPAM if int(word) > 100 else HAM
    except ValueError:
        return SPAM if word.lower() in WEIGHTS and WEIGHTS[word.lower()] > 0 else ABSTAIN


def lf_like_a_phrase(x: Any) -> Any:
    """Compares a short text with known ones."""
    text = x.text.lower()
    if not 15 < len(text) < 30:
        return ABSTAIN
    for phrase in PHRASES:
        if difflib.SequenceMatcher(None, text, phrase).ratio() > 0.7:
            return SPAM
    return ABSTAIN


FUNCTIONS = (
    lf_weights,
    lf_repeats_itself,
    lf_moment,
    lf_longest_run,
    lf_scripts,
    lf_balanced,
    lf_second_word,
    lf_like_a_phrase,
)
