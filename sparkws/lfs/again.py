"""Whether functions vote alike when they are run again: votes follow from the item alone, or are declared not to."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

from sparkws.errors import VotesNotRepeatable
from sparkws.lfs.faults import FaultLog
from sparkws.vocab import ABSTAIN

if TYPE_CHECKING:
    from sparkws.lfs.function import LabelingFunction

# What ends a function that could have gone on another time; it says nothing of the function.
_OUTER: Final = frozenset({"TimeLimitExceeded", "MemoryError"})


def refuse_changed(
    lfs: Collection["LabelingFunction"],
    votes: Mapping[str, pl.Series],
    again: Mapping[str, pl.Series],
    logs: Collection[FaultLog],
    classes: tuple[str, ...],
    keys: pl.Series,
) -> None:
    """Stop where a function voted otherwise when it was run again.

    Parameters
    ----------
    votes, again : mapping of str to (n,) Series
        What each function voted on the same items at first, and then.
    logs : collection of FaultLog
        Of both runs: a function that used up its time or the memory in one of them is not compared.
    keys : (n,) Series
        The items' ids.

    Raises
    ------
    VotesNotRepeatable
        With the function, an item and both votes.
    """
    ended = {lf for log in logs for lf, error_class in log.counted if error_class in _OUTER}
    for lf in lfs:
        if lf.name in ended:
            continue
        changed = votes[lf.name].ne_missing(again[lf.name]).arg_true()
        if len(changed):
            row = changed[0]
            before, after = (told(series[lf.name][row], classes) for series in (votes, again))
            several = "" if lf.vectorized is None else f" on {len(keys):,} of the batch's items alone"
            raise VotesNotRepeatable(
                f"{lf.name!r} {before} on item_id {keys[row]!r}, and {after} when it is run again{several}; a vote "
                "must follow from the item alone, not from chance, the clock, the network or other items. Mend it, or "
                "declare it with deterministic=False."
            )


def told(vote: int | None, classes: tuple[str, ...]) -> str:
    """What a function did, as the end of a sentence."""
    if vote is None:
        return "fails"
    return "abstains" if vote == ABSTAIN else f"votes {classes[vote]!r}"
