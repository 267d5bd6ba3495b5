"""Votes of a multi-label task: whether an item has each class, a column for each (LF, class).

A labeling function votes on some classes at once. While it runs, its votes are one column of structs, which
is taken apart when the votes are published.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import InvalidFunction
from sparkws.lfs.declarative import Rule, class_index
from sparkws.lfs.returns import FAILED, check_length, refuse
from sparkws.vocab import ABSENT, ABSTAIN, PRESENT

if TYPE_CHECKING:
    from sparkws.lfs.function import LabelingFunction

_BETWEEN: Final = "__"
_SAID: Final[Mapping[object, int]] = {True: PRESENT, False: ABSENT, ABSTAIN: ABSTAIN, None: ABSTAIN}
_SEVERAL: Final = (list, tuple, set, frozenset)
_TO_LIST: Final = ("to_dicts", "to_list", "to_pylist", "tolist")  # of frames, series, Arrow and NumPy arrays


@dataclass(frozen=True, eq=False)
class Ballot:
    """What one labeling function votes on.

    Attributes
    ----------
    lf : str
    classes : tuple of str
        The names of the k classes of the task, in the order of their indices.
    columns : dict of str to int
        Its columns in votes tables, and the index of the class of each.
    absent : bool
        A class that it names is one that the item has not.
    """

    lf: str
    classes: tuple[str, ...]
    columns: Mapping[str, int]
    absent: bool = False
    _places: Mapping[object, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_index = {at: name for name, at in self.columns.items()}
        object.__setattr__(self, "_places", {**by_index, **{self.classes[at]: name for at, name in by_index.items()}})

    def of_value(self, value: object) -> dict[str, int | None] | None:
        """The votes that a returned value stands for; None if it stands for nothing.

        A class, by name or index, or a list of classes is a vote for each; a dict says True or False of its
        classes. None and `ABSTAIN` abstain on all, `FAILED` is NULL on all.
        """
        if value is FAILED:
            return dict.fromkeys(self.columns)
        votes: dict[str, int | None] = dict.fromkeys(self.columns, ABSTAIN)
        if value is None or (isinstance(value, int | np.integer) and value == ABSTAIN):
            return votes
        said = value if isinstance(value, Mapping) else dict.fromkeys(_listed(value), not self.absent)
        for label, vote in said.items():
            column = self._column(label)
            is_said = vote is None or isinstance(vote, int | np.bool_)
            if column is None or not is_said or vote not in _SAID or votes[column] not in (ABSTAIN, _SAID[vote]):
                return None
            votes[column] = _SAID[vote]
        return votes

    def of_values(self, returned: Sequence[object], keys: pl.Series, n_items: int | None = None) -> pl.Series:
        """The votes that the function returned item by item, `(n,)` structs.

        Parameters
        ----------
        keys : (n,) Series
            The items' ids, for messages.
        n_items : int, optional
            How many items the batch has, if it was not called on all of them; for messages.

        Raises
        ------
        InvalidVote
            If anything stands for no votes.
        """
        votes = [self.of_value(value) for value in returned]
        bad = pl.Series([vote is None for vote in votes], dtype=pl.Boolean).arg_true()
        if len(bad):
            wrong = [returned[row] for row in bad]
            refuse(self.lf, wrong, bad, keys, n_items, self.explained(wrong[0]))
        columns = [pl.Series(name, [vote[name] for vote in votes if vote], dtype=pl.Int8) for name in self.columns]
        return pl.DataFrame(columns).to_struct(self.lf)

    def of_array(self, returned: Any, keys: pl.Series, failed: Iterable[int] = ()) -> pl.Series:
        """The votes that a vectorized function returned for a batch, `(n,)` structs; null abstains.

        Parameters
        ----------
        returned : anything that is a list of n values, or a frame with a column for each class
        failed : iterable of int
            Rows that a preprocessor failed on.
        """
        how = next((name for name in _TO_LIST if hasattr(returned, name)), None)
        values = list(returned) if how is None else getattr(returned, how)()
        check_length(self.lf, len(values), keys)
        for row in failed:
            values[row] = FAILED
        return self.of_values(values, keys)

    def of_votes(self, votes: pl.Series) -> pl.Series:
        """Class indices, -1 and NULL, as the votes that they stand for, `(n,)` structs."""
        vote = pl.col(votes.name)
        cast = pl.lit(ABSENT if self.absent else PRESENT, pl.Int8)
        columns = [
            pl.when(vote == at).then(cast).when(vote.is_not_null()).then(pl.lit(ABSTAIN, pl.Int8)).alias(name)
            for name, at in self.columns.items()
        ]
        return votes.to_frame().select(columns).to_struct(self.lf)

    def _column(self, label: object) -> str | None:
        is_label = isinstance(label, str | int | np.integer) and not isinstance(label, bool)
        return self._places.get(label) if is_label else None

    def explained(self, value: object) -> str:
        """What to do about a value that stands for no votes, as the end of a sentence."""
        declared = [self.classes[at] for at in self.columns.values()]
        labels = list(value) if isinstance(value, Mapping) else _listed(value)
        wrong = next((label for label in labels if self._column(label) is None), None)
        if wrong in self.classes:
            return f"{wrong!r} is not among the classes that it declares, {first_few(declared)}; add it to 'classes'."
        hint = did_you_mean(wrong, declared) if isinstance(wrong, str) else ""
        return (
            f"return a class, a list of classes, or a dict that says True or False of classes, of "
            f"{first_few(declared, 12)}; None or ABSTAIN (-1) abstains.{hint}"
        )


def ballots_of(lfs: Iterable["LabelingFunction"], classes: Sequence[str]) -> dict[str, Ballot]:
    """What each function of a multi-label task votes on, by its name.

    Raises
    ------
    ConfigError
        If a function votes on a class that there is not.
    InvalidFunction
        If a function votes with a probability.
    """
    names = _suffixes(classes)
    found = {}
    for lf in lfs:
        if lf.cells is not None:
            raise InvalidFunction(
                f"{lf.name!r} votes with a probability, which no function of a multi_label task does; let it return a "
                "dict of class to True or False."
            )
        rule = lf.f if isinstance(lf.f, Rule) else None
        said = _declared(lf, classes) if rule is None else rule.says(classes)
        indices = range(len(classes)) if said is None else sorted(said)
        columns = {f"{lf.name}{_BETWEEN}{names[at]}": at for at in indices}
        found[lf.name] = Ballot(lf.name, tuple(classes), columns, absent=rule is not None and bool(rule.config.absent))
    return found


def vote_columns(lf_names: Iterable[str], ballots: Mapping[str, Ballot]) -> dict[str, str]:
    """The columns of votes of some functions, and the function of each; without ballots they are named alike."""
    return {column: name for name in lf_names for column in (ballots[name].columns if ballots else (name,))}


def by_class(voted: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each class the columns that vote on it, and the function of each.

    Parameters
    ----------
    voted : mapping
        For each function its columns, and the index of the class of each.
    """
    return {
        label: {column: name for name, columns in voted.items() for column, index in columns.items() if index == at}
        for at, label in enumerate(classes)
    }


def told_of(label: str) -> str:
    """What the votes of a column say of a label."""
    return f"{PRESENT}: has {label!r}, {ABSENT}: has not"


def vote_comments(comments: Mapping[str, str], ballots: Mapping[str, Ballot]) -> dict[str, str]:
    """For each column of votes what is said of it: of which class it tells, and what is said of its function."""
    return {
        column: f"{told_of(ballots[name].classes[at])}; {said}"
        for name, said in comments.items()
        for column, at in ballots[name].columns.items()
    }


def bind_ballots(lfs: Iterable["LabelingFunction"], classes: Sequence[str], *, multi_label: bool) -> dict[str, Ballot]:
    """What each function votes on; empty for a task where each item has one class, of which none may be declared.

    Raises
    ------
    InvalidFunction
        If a function declares classes that is not of a multi-label task.
    """
    if multi_label:
        return ballots_of(lfs, classes)
    for lf in lfs:
        if lf.classes is not None:
            raise InvalidFunction(
                f"{lf.name!r} declares the 'classes' {list(lf.classes)} that it votes on, which is for a task with "
                "multi_label: true; take them out."
            )
    return {}


def columns_of(votes: Iterable[pl.Series], ballots: Mapping[str, Ballot]) -> list[pl.Series]:
    """The columns that are published: the votes themselves, or with ballots those of each function side by side.

    Parameters
    ----------
    votes : iterable of Series
        Of a function each: structs, or class indices, which stand for a vote.
    """
    if not ballots:
        return list(votes)
    structs = [v if isinstance(v.dtype, pl.Struct) else ballots[v.name].of_votes(v) for v in votes]
    return [column for one in structs for column in one.struct.unnest()]


def _declared(lf: "LabelingFunction", classes: Sequence[str]) -> set[int] | None:
    return None if lf.classes is None else {class_index(lf.name, label, classes) for label in lf.classes}


def _listed(value: object) -> Sequence[object]:
    return list(value) if isinstance(value, _SEVERAL) else [value]


def _suffixes(classes: Sequence[str]) -> list[str]:
    """What stands for each class in the name of a column: its name where that tells it apart, else its index.

    A name has no two underscores side by side and does not begin with one, so that the last two of a column
    part it in one way only: no two columns have one name.
    """
    lower = [name.lower() for name in classes]
    return [name if _is_plain(name) and lower.count(name.lower()) == 1 else str(at) for at, name in enumerate(classes)]


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not name.startswith("_") and _BETWEEN not in name
