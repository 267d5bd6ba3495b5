"""Second and third moments of votes in one pass over them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from sparkws.checks import check_columns, first_few, parsed_json
from sparkws.errors import IncompatibleStatistics
from sparkws.grids import NO_GRIDS, Grids, grids_from_plain
from sparkws.stats import moments, triples
from sparkws.stats.bits import columns_of
from sparkws.stats.moments import DUMP_SCHEMA, Moments, MomentsKernel
from sparkws.stats.patterns import Patterns
from sparkws.stats.triples import Chosen, Triples, TriplesKernel

_PART: Final = "part"
_DUMP_SCHEMA: Final = pl.Schema([(_PART, pl.String()), *DUMP_SCHEMA.items()])


@dataclass(frozen=True)
class BothMoments:
    """What moment models are fitted from.

    Attributes
    ----------
    pairs : Moments
    triples : Triples
        Of no triple where fewer than three functions vote.
    """

    pairs: Moments
    triples: Triples


@dataclass(frozen=True)
class BothMomentsKernel:
    """Votes -> their second moments, and the third ones of the chosen triples; a `ReduceKernel`."""

    lf_names: tuple[str, ...]
    cardinality: int
    chosen: Chosen
    grids: Grids = NO_GRIDS

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the votes table that are read."""
        return self._pairs.columns

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`."""
        return _DUMP_SCHEMA

    def of_batch(self, batch: pl.DataFrame) -> BothMoments:
        """The moments of one batch of votes; NULL counts as abstained.

        Raises
        ------
        MissingColumns
            If a function has no column.
        InvalidLabelMatrix
            If a column holds anything but -1..k-1, or the cells of its grid, and NULL.
        """
        check_columns("votes", self.columns, batch.columns)
        columns = columns_of(batch, self.lf_names, self.cardinality, self.grids)
        pairs = self._pairs.of_columns(columns)
        triples = self._triples.of_columns(columns, pairs) if self.chosen else self._triples.zero()
        return BothMoments(pairs, triples)

    def zero(self) -> BothMoments:
        """The moments of no items."""
        return BothMoments(self._pairs.zero(), self._triples.zero())

    def merge(self, a: BothMoments, b: BothMoments) -> BothMoments:
        """The moments of the items of both."""
        return BothMoments(self._pairs.merge(a.pairs, b.pairs), self._triples.merge(a.triples, b.triples))

    def dump(self, value: BothMoments) -> pl.DataFrame:
        """The rows of both, told apart by a column of their own."""
        parts = {"pairs": self._pairs.dump(value.pairs), "triples": self._triples.dump(value.triples)}
        return pl.concat([rows.select(pl.lit(name).alias(_PART), pl.all()) for name, rows in parts.items()])

    def load(self, rows: pl.DataFrame) -> BothMoments:
        """The moments that `dump` wrote; rows of several dumps add up."""
        check_columns("moments", self.dump_schema.names(), rows.columns)
        pairs, triples = (rows.filter(pl.col(_PART) == name).drop(_PART) for name in ("pairs", "triples"))
        return BothMoments(self._pairs.load(pairs), self._triples.load(triples))

    @property
    def _pairs(self) -> MomentsKernel:
        return MomentsKernel(self.lf_names, self.cardinality, self.grids)

    @property
    def _triples(self) -> TriplesKernel:
        return TriplesKernel(self.lf_names, self.cardinality, self.chosen, self.grids)


def of_patterns(patterns: Patterns, chosen: Chosen) -> BothMoments:
    """The moments of items whose pattern counts are in memory: the same as those of their votes.

    Parameters
    ----------
    patterns : Patterns
        Whole counts.
    chosen : tuple of (int, int, int)
        The triples of functions whose third moments are counted, as column numbers in ascending order: those that
        `choose_triples` draws, or () for second moments only. `labelmodels.moments_of` chooses them itself.

    Examples
    --------
    >>> import numpy as np
    >>> from sparkws.stats import choose_triples, patterns_of_matrix
    >>> L = np.array([[0, 0, 1], [1, 1, 1], [1, -1, 1]], np.int8)
    >>> votes = np.array([[1, 2], [1, 1], [0, 3]])  # how often each function cast each vote
    >>> both = of_patterns(patterns_of_matrix(L, ["a", "b", "c"], 2), choose_triples(votes, np.random.default_rng(0)))
    >>> both.pairs.n_items, both.triples.chosen
    (3, ((0, 1, 2),))
    """
    kernel = TriplesKernel(patterns.lf_names, patterns.cardinality, chosen, patterns.grids)
    return BothMoments(moments.of_patterns(patterns), kernel.of_patterns(patterns))


def select(value: BothMoments, lf_names: Sequence[str]) -> BothMoments:
    """The moments of the same items under these functions only, in the order in which they were counted."""
    return BothMoments(moments.select(value.pairs, lf_names), triples.select(value.triples, lf_names))


def to_json(value: BothMoments) -> str:
    """The moments as JSON; `from_json` gives them back."""
    pairs, chosen = value.pairs, value.triples.chosen
    kernel = BothMomentsKernel(pairs.lf_names, pairs.cardinality, chosen, pairs.grids)
    told: dict[str, object] = {"lf_names": pairs.lf_names, "cardinality": pairs.cardinality, "chosen": chosen}
    if pairs.grids:
        told["grids"] = pairs.grids.to_plain()
    return json.dumps({**told, **kernel.dump(value).to_dict(as_series=False)}, separators=(",", ":"))


def from_json(text: str) -> BothMoments:
    """The moments that `to_json` wrote.

    Raises
    ------
    DataError
        If the text is no JSON.
    IncompatibleStatistics
        If the text is not that of moments.
    """
    plain = parsed_json(text, "moments")
    names = {"lf_names", "cardinality", "chosen", *_DUMP_SCHEMA}
    if not isinstance(plain, dict) or set(plain) - {"grids"} != names:
        has = first_few(sorted(plain), 12) if isinstance(plain, dict) else type(plain).__name__
        raise IncompatibleStatistics(f"moments in JSON have {sorted(names)}, got {has}; count the votes again.")
    chosen = tuple((int(i), int(j), int(l)) for i, j, l in plain["chosen"])
    kernel = BothMomentsKernel(
        tuple(plain["lf_names"]), int(plain["cardinality"]), chosen, grids_from_plain(plain.get("grids", {}))
    )
    return kernel.load(pl.DataFrame({name: plain[name] for name in _DUMP_SCHEMA}, _DUMP_SCHEMA))
