"""The choice of `auto` from as many items as it takes, and the model of its choice from all of them.

Every candidate is fitted three times. Some ten thousand vote vectors tell candidates apart as well as all of them
would; what a hundred times as many improve is the model that is taken in the end.
"""

from collections.abc import Sequence
from copy import copy
from typing import Final

from sparkws.config import LabelModelConfig
from sparkws.labelmodels import auto
from sparkws.labelmodels.choose import Choice
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import AnyModel, Reads, fit_model
from sparkws.labelmodels.sampling import cap_patterns
from sparkws.stats.patterns import Patterns, collapse
from sparkws.vocab import LEVEL

MOST_PATTERNS: Final = 1 << 15


def choose_and_fit(
    config: LabelModelConfig,
    patterns: Patterns,
    classes: Sequence[str],
    *,
    gold_use: str,
    reads: Reads | None = None,
    most: int = MOST_PATTERNS,
) -> tuple[AnyModel, Choice[AnyModel]]:
    """The model that `auto` takes, fitted on all counts, and the choice, with what was found of each candidate.

    Parameters
    ----------
    config, patterns, classes, gold_use, reads
        See `auto.choose_for`.
    most : int
        The choice looks at a sample of the items that has at most so many vote vectors, unless it may see known
        classes, which are few, or items have no keys to sample them by.
    """
    some = patterns if gold_use != "evaluate" else _sample(patterns, most)
    choice = auto.choose_for(config, some, classes, gold_use=gold_use, reads=reads)
    if some is patterns:
        return choice.model, choice
    model, seen = copy(choice.model), collapse(patterns, keep_gold=False)
    if isinstance(model, DawidSkene):
        return model.fit(seen, start=model), choice
    return fit_model(model, seen), choice


def _sample(patterns: Patterns, most: int) -> Patterns:
    lowest = int(patterns.rows[LEVEL].min() or 0)  # type: ignore[arg-type]
    sample, _ = cap_patterns(patterns, lowest, most)
    return sample if sample.rows.height else patterns
