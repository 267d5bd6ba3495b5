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


def ended_early(log: FaultLog) -> set[str]:
    """The functions that used up their time or the memory: they are not compared."""
    return {lf for lf, error_class in log.counted if error_class in _OUTER}


def refuse_changed(
    lfs: Collection["LabelingFunction"],
    votes: Mapping[str, pl.Series],
    again: Mapping[str, pl.Series],
    classes: tuple[str, ...],
    keys: pl.Series,
) -> None:
    """Stop where a function voted otherwise when it was run again.

    Parameters
    ----------
    votes, again : mapping of str to (n,) Series
        What each function voted on the same items at first, and then.
    keys : (n,) Series
        The items' ids.

    Raises
    ------
    VotesNotRepeatable
        With the function, an item and both votes.
    """
    for lf in lfs:
        changed = votes[lf.name].ne_missing(again[lf.name]).arg_true()
        if len(changed):
            row = changed[0]
            before, after = (told(series[lf.name][row], classes, lf) for series in (votes, again))
            several = "" if lf.vectorized is None else f" on {len(keys):,} of the batch's items alone"
            raise VotesNotRepeatable(
                f"{lf.name!r} {before} on item_id {keys[row]!r}, and {after} when it is run again{several}; a vote "
                "must follow from the item alone, not from chance, the clock, the network or other items. Mend it, or "
                "declare it with deterministic=False."
            )


def told(
    vote: int | Mapping[str, int | None] | None, classes: tuple[str, ...], lf: "LabelingFunction | None" = None
) -> str:
    """What a function did, as the end of a sentence; of a multi-label task its votes by column.

    Parameters
    ----------
    lf : LabelingFunction, optional
        Where it may vote with a probability.
    """
    if isinstance(vote, Mapping):
        cast = {column: one for column, one in vote.items() if one != ABSTAIN}
        return "fails" if None in cast.values() else f"votes {cast}" if cast else "abstains"
    if vote is None:
        return "fails"
    return "abstains" if vote == ABSTAIN else f"votes {repr(classes[vote]) if lf is None else lf.told(vote, classes)}"
