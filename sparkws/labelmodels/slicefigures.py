"""How a label model does on slices: figures of each, from the patterns of its items, as exact integers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns
from sparkws.grids import NO_GRIDS, Grids, classes_voted
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.posterior import hits, vote_shares
from sparkws.stats.packing import blocks, key_columns, unpack_keys
from sparkws.vocab import ABSTAIN, GOLD, N_ITEMS, SLICE

# Items: all, with a vote, with two, with two for different classes; with a known class, and a vote too.
_COUNTS: Final = ("n_items", "n_voted", "n_overlaps", "n_conflicts", "n_gold", "n_gold_voted")
_MAJORITY: Final = MajorityVote.kind
# A tie is right in its share: shares are summed as multiples of this, so that the order of adding changes nothing.
_UNIT: Final = 2.0**-30


@dataclass(frozen=True)
class SliceFiguresKernel:
    """Rows of the patterns of slices -> what is told of each; a `ReduceKernel`.

    Parameters
    ----------
    model : LabelModel
        Fitted; the votes of other functions are not looked at.
    lf_names : tuple of str
        The functions of the patterns, in the order of their digits.
    slices : tuple of str
    grids : Grids
        Of those functions of the patterns that vote with a probability.
    n_outcomes : int, optional
        The most votes that a function of the patterns can cast, where they are on several tasks.
    judging : tuple of str, optional
        Labels are judged where one of these functions voted; by default one of the model's.
    """

    model: LabelModel
    lf_names: tuple[str, ...]
    slices: tuple[str, ...]
    grids: Grids = NO_GRIDS
    n_outcomes: int | None = None
    judging: tuple[str, ...] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The model and majority vote: whose labels are judged."""
        return tuple(dict.fromkeys((self.model.kind, _MAJORITY)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (SLICE, *key_columns(self.lf_names, self._largest), GOLD, N_ITEMS)

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`."""
        return pl.Schema({SLICE: pl.Int64(), "figure": pl.Int64(), "value": pl.Int64()})

    def of_batch(self, batch: pl.DataFrame) -> NDArray[np.int64]:
        """The figures of each slice in some pattern rows, `(s, 6 + kinds)`: counts, and how many labels are right."""
        check_columns("patterns of slices", self.columns, batch.columns)
        total = self.zero()
        for block in blocks(batch, len(self.lf_names)):
            for at, name in enumerate(self.slices):
                total[at] += self._figures(block.filter(pl.col(SLICE) == name))
        return total

    def zero(self) -> NDArray[np.int64]:
        """The figures of no items."""
        return np.zeros((len(self.slices), len(_COUNTS) + len(self.kinds)), np.int64)

    def merge(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """The figures of the items of both."""
        return a + b

    def dump(self, value: NDArray[np.int64]) -> pl.DataFrame:
        """`value` as rows of plain types."""
        at, figure = np.nonzero(value)
        return pl.DataFrame({SLICE: at, "figure": figure, "value": value[at, figure]}, self.dump_schema)

    def load(self, rows: pl.DataFrame) -> NDArray[np.int64]:
        """The figures that `dump` wrote; rows of several dumps add up."""
        value = self.zero()
        np.add.at(value, (rows[SLICE].to_numpy(), rows["figure"].to_numpy()), rows["value"].to_numpy())
        return value

    def to_plain(self, value: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
        """For each slice what a report says, as plain values: shares of its items, and accuracies by kind of model.

        An accuracy is over the items with a known class and a vote; a tie is right in its share. A share of no
        items is None.
        """
        return {name: _plain(row, self.kinds) for name, row in zip(self.slices, value.tolist(), strict=True)}

    @property
    def _largest(self) -> int:
        return self.n_outcomes or self.grids.n_outcomes(self.model.cardinality)

    def _figures(self, rows: pl.DataFrame) -> NDArray[np.int64]:
        k, names = self.model.cardinality, self.model.lf_names_
        grids = self.grids.select(names)
        votes = unpack_keys(rows.select(self.columns[1:-2]), len(self.lf_names), self._largest)
        L = votes[:, [self.lf_names.index(name) for name in names]]
        counts, gold = rows[N_ITEMS].to_numpy(), rows[GOLD].to_numpy()
        n_votes = (L != ABSTAIN).sum(axis=1)
        voted = classes_voted(L, grids.classes(names, k))
        differ = voted.max(axis=1) > np.where(voted == ABSTAIN, k, voted).min(axis=1)
        known = gold != ABSTAIN
        judged = known & (n_votes > 0)
        if self.judging is not None:
            judged &= (votes[:, [self.lf_names.index(name) for name in self.judging]] != ABSTAIN).any(axis=1)
        conditions = (n_votes >= 0, n_votes > 0, n_votes > 1, differ, known, judged)
        of_kind = {self.model.kind: self.model.posterior(L[judged])}
        of_kind[_MAJORITY] = vote_shares(L[judged], k, grids.says(names, k))
        right = [int(_units(hits(of_kind[kind], gold[judged])) @ counts[judged]) for kind in self.kinds]
        return np.array([*(int(counts[holds].sum()) for holds in conditions), *right], np.int64)


def with_accuracy(
    figures: Mapping[str, Mapping[str, Any]], judged: Mapping[str, Mapping[str, Any]], kind: str
) -> dict[str, dict[str, Any]]:
    """The figures of slices with the accuracy that `judged` has for one more kind of model.

    >>> of_majority = {"short": {"n_items": 9, "accuracy": {"majority": 0.5}}}
    >>> with_accuracy(of_majority, {"short": {"n_items": 4, "accuracy": {"hierarchical": 0.75}}}, "hierarchical")
    {'short': {'n_items': 9, 'accuracy': {'majority': 0.5, 'hierarchical': 0.75}}}
    """
    return {
        name: {**told, "accuracy": {**told["accuracy"], kind: judged[name]["accuracy"][kind]}}
        for name, told in figures.items()
    }


def _units(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.round(shares / _UNIT).astype(np.int64)


def _plain(row: Sequence[int], kinds: Sequence[str]) -> dict[str, Any]:
    counted, right = dict(zip(_COUNTS, row, strict=False)), row[len(_COUNTS) :]
    n, judged = counted["n_items"], counted["n_gold_voted"]
    return {
        "n_items": n,
        "coverage": _share(counted["n_voted"], n),
        "overlaps": _share(counted["n_overlaps"], n),
        "conflicts": _share(counted["n_conflicts"], n),
        "n_gold": counted["n_gold"],
        "accuracy": {kind: _share(units * _UNIT, judged) for kind, units in zip(kinds, right, strict=True)},
    }


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None
