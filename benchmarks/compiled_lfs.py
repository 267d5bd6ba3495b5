"""The ten labeling functions of apply_lfs.yaml as people write them in Python. Frozen: do not tune."""

import re

from sparkws.lfs import labeling_function

ABSTAIN, HAM, SPAM = -1, 0, 1

MONEY = re.compile(r"\b(free|win|winner|cash|money|gift|giveaway|prize|earn|dollars)\b", re.IGNORECASE)
PRAISE = re.compile(
    r"\b(love|beautiful|amazing|awesome|best|masterpiece|classic|incredible|perfect|favorite|legend|goosebumps|song"
    r"|music|voice|beat)\b",
    re.IGNORECASE,
)
LINKS = ["http://", "https://", "www.", ".com/"]


@labeling_function
def lf_contains_link(x):
    text = x.text.lower()
    return SPAM if any(link in text for link in LINKS) else ABSTAIN


@labeling_function
def lf_check_out(x):
    return SPAM if re.search(r"\bcheck\b.{0,20}\bout\b", x.text, re.IGNORECASE) else ABSTAIN


@labeling_function
def lf_subscribe(x):
    if re.search(r"\b(subscribe|subscribed|subscriber|subscribers|sub|subs)\b", x.text.lower()):
        return SPAM
    return ABSTAIN


@labeling_function
def lf_my_channel(x):
    found = re.search(r"\b(my (channel|videos?|page|cover|music)|follow me)\b", x.text, flags=re.I)
    return SPAM if found is not None else ABSTAIN


@labeling_function
def lf_money(x):
    return SPAM if MONEY.search(x.text) else ABSTAIN


@labeling_function
def lf_asks(x):
    if re.search(r"\b(please|plz|pls|help me)\b", x.text, re.I):
        return SPAM
    return ABSTAIN


@labeling_function
def lf_exclaims(x):
    return SPAM if "!!!" in x.text else ABSTAIN


@labeling_function
def lf_short(x):
    return HAM if len(x.text) < 20 else ABSTAIN


@labeling_function
def lf_praises(x):
    return HAM if PRAISE.search(x.text) else ABSTAIN


@labeling_function
def lf_recalls(x):
    if re.search(r"\b[0-9]{1,2}:[0-9]{2}\b", x.text) or re.search(r"\bin 20[0-9]{2}\b", x.text, re.IGNORECASE):
        return HAM
    return ABSTAIN
