"""The 200 labeling functions of the benchmark `many_lfs`, the same in every run. Frozen: do not tune.

170 keyword LFs draw one to five words each from the vocabulary of the comments, where most words are rare and some
are in every second comment; every fifth has a phrase of spam or praise too. Three quarters look for whole words, one in
seven minds case. 30 regexes are of the kinds that people write about comments; some hold no fixed text at all.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from benchmarks.apply_data import FREQUENT, PRAISE, SPAM, _rare_words

SEED: Final = 20_260_131
N_KEYWORDS: Final = 170
REGEXES: Final = (
    r"\bcheck\b.{0,20}\bout\b",
    r"https?://\S+",
    r"www\.[a-z0-9]+\.",
    r"!{3,}",
    r"\?{2,}",
    r"\.{3,}",
    r"\b[0-9]{1,2}:[0-9]{2}\b",
    r"\bin 20[0-9]{2}\b",
    r"\$[0-9]+",
    r"[0-9]{4,}",
    r"^[A-Z ]+$",
    r"[A-Z]{5,}",
    r"\bsubscribe\w*",
    r"\bsub(?:s|scribe)?\b",
    r"\b(?:my|our) (?:channel|page|video)s?\b",
    r"\bi make \$?[0-9]+",
    r"\bfollow (?:me|us)\b",
    r"\bfree (?:gift|iphone|card)",
    r"\bgive ?away\b",
    r"\bp(?:lease|lz|ls)\b",
    r"\b(?:love|like)s? (?:this|it|her|his)\b",
    r"\b(?:best|worst) \w+ ever\b",
    r"\bwho(?: else)? is (?:watching|here)\b",
    r"\banyone\b.*\b20[0-9]{2}\b",
    r"\bgoose ?bumps\b",
    r"\b(?:ha){2,}h?\b",
    r"\b(?:so|very|really) (?:good|bad|nice|cool)\b",
    r"<3|:\)|:D",
    r"\bdon'?t\b",
    r"\blol+\b",
)


def sections() -> Iterator[dict[str, Any]]:
    """Each labeling function as a section of a configuration."""
    rng = np.random.default_rng(SEED)
    words, phrases = [*FREQUENT.split(), *_rare_words(1000)], [*SPAM, *PRAISE]
    for i in range(N_KEYWORDS):
        chosen = [words[j] for j in rng.choice(len(words), rng.integers(1, 6), replace=False)]
        if i % 5 == 0:
            chosen.append(phrases[rng.integers(len(phrases))])
        keyword = {
            "column": "text",
            "any": list(dict.fromkeys(chosen)),
            "match": "word" if rng.random() < 0.75 else "substring",
            "case_sensitive": bool(rng.random() < 1 / 7),
            "label": i % 2,
        }
        yield {"name": f"lf_keyword_{i}", "keyword": keyword}
    for i, pattern in enumerate(REGEXES):
        minds_case = "A-Z" in pattern
        regex = {"column": "text", "pattern": pattern, "case_sensitive": minds_case, "label": i % 2}
        yield {"name": f"lf_regex_{i}", "regex": regex}
