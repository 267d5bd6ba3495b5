"""Labeling functions in Python, in reading order: from one line to many items at once.

A labeling function gets an item, `x`, and returns a class by name, or `ABSTAIN`. What it reads is found
in its source: `x.text` means that the column `text` is read for it, and no other. Nobody reads `rating`.
"""

import re

import polars as pl

from sparkws.lfs import labeling_function, preprocessor
from sparkws.vocab import ABSTAIN

NEGATIVE, NEUTRAL, POSITIVE = "negative", "neutral", "positive"


# 1. A function of one item. "Sooo" is written with joy more often than with anger. The pattern needs a
#    backreference, which declarative patterns, always of linear time, do not have; Python's may. Its
#    examples are tried before every job, and by `sparkws test`, which needs no Spark.

STRETCHED = re.compile(r"([a-z])\1\1", re.IGNORECASE)


@labeling_function(
    examples=[({"text": "that was sooo good"}, POSITIVE), ({"text": "Nooo!"}, ABSTAIN), ({"text": "so"}, ABSTAIN)]
)
def lf_stretched(x):
    found = STRETCHED.search(x.text)
    return POSITIVE if found and found[1] in "aehimouy" and "nooo" not in x.text.lower() else ABSTAIN


# 2. Resources: the same function with other data. They are passed as keyword arguments, and an edit of
#    them is an edit of the function: the votes are made again.

QUALITIES = ("easy to", "works", "well made", "worth", "recommend", "solid", "sturdy", "reliable", "comfortable")
DEFECTS = ("broke", "return", "stopped", "problem", "defect", "refund", "customer service", "does not", "won't")


@labeling_function(resources={"good": QUALITIES, "bad": DEFECTS})
def lf_product(x, good, bad):
    if x.source != "products":
        return ABSTAIN
    text = x.text.lower()
    n_good, n_bad = sum(phrase in text for phrase in good), sum(phrase in text for phrase in bad)
    if n_good == n_bad:
        return ABSTAIN
    return POSITIVE if n_good > n_bad else NEGATIVE


# 3. A preprocessor computes once for each item what several functions want to know. They see what it
#    set on the item; functions that did not ask for it do not.

# Beginnings of words, so that "enjoy" is also "enjoyed" and "enjoyable".
GOOD = """
    accurate admir affection amaz amus appealing appreciat awesome beaut best better bless bold brav bright
    brillian captivat celebrat charm cheer clever comfort compelling confiden convincing cool creative deft
    delicious delight durable dynamic easier easily easy effective elegan emotional energetic engag engross
    enjoy entertain enthusias excel excit exhilarat exquisite fabulous fantastic fascinat favorite fine
    flawless fresh friendly fun funn generous genius gentle genuine glad good gorgeous grac grateful great
    handsome handy happ heartfelt hilarious honest hope humor imaginative impress incredibl insightful
    inspir intelligen intens intrigu inventive joy kind laugh likable lively love lucky luminous magic
    magnificent marvel masterful memorable moving nice original outstand passion peace perfect playful pleas
    poetic poignan powerful precise pretty profound promis proud provocative quality refresh relaxed
    remarkabl resonan reward riveting satisf sensitive sharp shine sincer smart smil smooth solid special
    spectacular spirited splendid strong stunning stylish success superb sweet talented tender terrific
    thank thought thrill touching treat triumph unique vibrant vivid warm welcome winn witty wonder works
    worth wow yay yum
"""
BAD = """
    absurd abus accus afraid aimless amateur anger angry annoy anxi arrest artificial asham attack avoid
    awful awkward bad banal bankrupt blam bland bleak bloat bored boring broke brutal clich clums complain
    confus contriv corrupt crap crash crass crime criminal crisis critici crude cruel crying damn danger
    dead death decline defect deni depress derivative desperat destroy died dies difficult dirty disappoint
    disast disgust dismal drag dreadful dreary dull dumb dying embarrass empty enem error excessive exhaust
    exploit fail fake falls fals fatal fault fear fight flat flaw flimsy fool forced forget formulaic
    frustrat gross guilt hack harm harsh hate haunt heavy hell helpless horr hurt idiot ignor illegal
    implausib inan inept inferior insult irritat jerk junk kill lack lame lazy limit lonely lose losing loss
    lost loud lousy mediocre melodrama messy mindless miser missed missing mistak monoton murder nast
    neglect nois obnoxious obvious odd offens overlong overwrought pain pathetic pointless poor predictab
    pretentious prison problem protest punish refus regret reject repetitive ridiculous ruin sad scandal
    scare severe shallow shame sick silly sloppy slow sorry stale stiff struggl stuck stupid suck suffer
    superficial tedious terribl terror thin threat tired tiresome torture tragi trash trite trouble ugly
    unbear uncomfortable undermin uneven unfair unfortunate unfunn unhapp uninspir unnecess unpleasant
    unsatisf upset useless vicious victim violen vulgar wast weak weary weird worse worst wreck wrong
"""
TONES = {**dict.fromkeys(GOOD.split(), 1), **dict.fromkeys(BAD.split(), -1)}
NEGATIONS = {
    "not",
    "no",
    "never",
    "nothing",
    "hardly",
    "barely",
    "without",
    "neither",
    "nor",
    "cannot",
    "none",
    "lacks",
}


def tone(word):
    """1 for a word of praise, -1 for one of blame, 0 for others: what its longest known beginning says."""
    for end in range(len(word), 2, -1):
        if word[:end] in TONES:
            return TONES[word[:end]]
    return 0


def is_negated(words, position):
    """Whether one of the three words before is a negation."""
    return any(word in NEGATIONS or word.endswith("n't") for word in words[max(0, position - 3) : position])


def words_of(text):
    return re.findall(r"[a-z']+", text.lower())


@preprocessor
def with_opinions(x):
    """Sets `n_good` and `n_bad`, the words of praise and blame; a negation before one turns it around."""
    x.words = words_of(x.text)
    tones = [-tone(w) if is_negated(x.words, i) else tone(w) for i, w in enumerate(x.words) if tone(w)]
    x.n_good, x.n_bad = tones.count(1), tones.count(-1)
    return x


@labeling_function(pre=[with_opinions])
def lf_more_good_than_bad(x):
    return POSITIVE if x.n_good > x.n_bad else ABSTAIN


@labeling_function(pre=[with_opinions])
def lf_more_bad_than_good(x):
    return NEGATIVE if x.n_bad > x.n_good else ABSTAIN


@labeling_function(pre=[with_opinions])
def lf_no_opinion(x):
    is_plain = x.n_good == x.n_bad == 0 and NEGATIONS.isdisjoint(x.words) and "!" not in x.text
    return NEUTRAL if is_plain else ABSTAIN


# 4. Helpers are ordinary functions. What stands behind the last "but" is what the writer means.


@labeling_function
def lf_after_but(x):
    _, turn, end = x.text.lower().rpartition(" but ")
    balance = sum(tone(word) for word in words_of(end)) if turn else 0
    if balance == 0:
        return ABSTAIN
    return POSITIVE if balance > 0 else NEGATIVE


# 5. Many items at once: a function of a polars DataFrame gives a vote for each row, null to abstain.
#    Where speed matters, this is as fast as the declarative ones.


@labeling_function(vectorized="polars", columns=["text"])
def lf_enthusiasm(frame):
    text = pl.col("text")
    grumbles = text.str.contains(r"(?i)\b(?:not|no|never|hate|stupid|bad|wtf|damn|worst|ugh|stop|why)\b|n't|\?")
    return frame.select(pl.when(text.str.contains("!") & ~grumbles).then(pl.lit(POSITIVE))).to_series()


@labeling_function(vectorized="polars", columns=["text"])
def lf_reported(frame):
    """Neutral: offices, sums of money, years; the things of which newspapers report."""
    text = pl.col("text")
    facts = text.str.contains(
        r"\b(?:Congress|Senate|House|Mayor|Governor|President|Mr|Ms|Mrs|Dr|Commission|Department|Board)\b"
        r"|\$\d|\bpercent\b|\b(?:19|20)\d\d\b|\b(?:million|billion)\b|\b(?:asked|said|says|according to)\b"
    )
    return frame.select(pl.when(facts).then(pl.lit(NEUTRAL))).to_series()
