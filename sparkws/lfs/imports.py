"""Votes made elsewhere: by a crowd, by another tool, by people; checked and written as votes of one's own."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from sparkws.checks import check_columns, first_few
from sparkws.errors import ConfigError, InvalidKeys, InvalidVote
from sparkws.grids import Cells, Grids, bind_cells
from sparkws.lfs.declarative import class_index
from sparkws.lfs.lookup import lookup_votes
from sparkws.lfs.returns import INVALID, coded, explain_invalid
from sparkws.lfs.soft import cells_of_array
from sparkws.sections import IDENTIFIER
from sparkws.vocab import ABSTAIN, ITEM_ID, LABEL_CLASSES, N_ITEMS, RESERVED

_PREFIX = "lf_"
_DIGITS = 6


@dataclass(frozen=True)
class Imported:
    """How many items came in."""

    n_items: int = 0


@dataclass(frozen=True, eq=False)
class ImportKernel:
    """Batches of a wide votes table -> votes.

    Attributes
    ----------
    key : str
        The column that identifies an item.
    lf_columns : tuple of str
        The columns of votes; they are published under the names that `lf_column_names` gives them.
    classes : tuple of str
        The names of the k classes, in the order of their indices.
    source_schema : Schema
        The columns of the table.
    mapping : dict
        What a raw value stands for: a class, by name or index, or -1. A number that is not in it is
        then no vote, unless it is -1; without a mapping, numbers are class indices.
    soft : dict
        The cells of columns that hold probabilities, -1 or NULL where they abstain; their votes are cells.
    columns : tuple of str
        What is read.
    schema : Schema
        `item_id` of the key's type and an Int8 column for each LF.

    Raises
    ------
    MissingColumns
        If the table lacks a column.
    ConfigError
        If there is no column of votes, one is neither integers nor text nor has cells, or `mapping` names no class.
    """

    key: str
    lf_columns: tuple[str, ...]
    classes: tuple[str, ...]
    source_schema: pl.Schema
    mapping: Mapping[str | int, str | int] = field(default_factory=dict)
    soft: Mapping[str, Cells] = field(default_factory=dict)
    columns: tuple[str, ...] = field(init=False)
    schema: pl.Schema = field(init=False)
    _expressions: tuple[pl.Expr, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.lf_columns:
            raise ConfigError("the votes table has no column of votes beside its key; name them in 'votes.columns'.")
        columns = (self.key, *self.lf_columns)
        check_columns("votes", (*columns, *self.soft), list(self.source_schema))
        names = lf_column_names(self.lf_columns)
        votes = {raw: self._meant(label) for raw, label in self.mapping.items()}
        bound = {
            "columns": columns,
            "schema": pl.Schema({ITEM_ID: self.source_schema[self.key], **dict.fromkeys(names, pl.Int8())}),
            "_expressions": tuple(
                self._expression(column, votes).alias(name)
                for column, name in zip(self.lf_columns, names, strict=True)
                if column not in self.soft
            ),
        }
        for column, cells in self.soft.items():
            bind_cells(f"votes column {column!r}", cells, self.classes)
            self._check_soft(column)
        for attribute, value in bound.items():
            object.__setattr__(self, attribute, value)

    @property
    def lf_names(self) -> tuple[str, ...]:
        """The names under which the votes are published."""
        return tuple(self.schema.names()[1:])

    @property
    def grids(self) -> Grids:
        """The grids of the functions whose votes are cells."""
        soft = {name: self.soft[raw] for raw, name in self._named if raw in self.soft}
        bound = {name: bind_cells(repr(name), cells, self.classes) for name, cells in soft.items()}
        return Grids({name: cells for name, cells in bound.items() if cells is not None})

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, Imported]:
        """The votes of a batch, in its order.

        Raises
        ------
        InvalidKeys
            If an item has no key.
        InvalidVote
            If a value is neither a class, nor abstaining, nor in `mapping`.
        """
        keys = batch[self.key].alias(ITEM_ID)
        if keys.null_count():
            raise InvalidKeys(
                f"key column {self.key!r} of the votes has {keys.null_count():,} NULLs in a batch of {len(keys):,} "
                "rows; every row needs the id of its item."
            )
        votes = batch.select(self._expressions)
        made = {name: self._soft(column, name, batch, keys) for column, name in self._named if column in self.soft}
        for column, name in self._named:
            if name in made:
                continue
            vote = made[name] = votes[name]
            bad = (vote == INVALID).arg_true()
            if len(bad):
                self._refuse(column, batch[column].gather(bad), keys.gather(bad), len(batch))
        return pl.DataFrame([keys, *(made[name] for name in self.lf_names)]), Imported(len(batch))

    def zero(self) -> Imported:
        """Nothing came in."""
        return Imported()

    def merge(self, a: Imported, b: Imported) -> Imported:
        """What came in with both."""
        return Imported(a.n_items + b.n_items)

    def dump(self, value: Imported) -> pl.DataFrame:
        """One row with the number of items."""
        return pl.DataFrame({N_ITEMS: [value.n_items]}, {N_ITEMS: pl.Int64})

    def load(self, rows: pl.DataFrame) -> Imported:
        """What `dump` wrote."""
        return Imported(int(rows[N_ITEMS].sum()))

    def _meant(self, label: str | int) -> int:
        return ABSTAIN if label == ABSTAIN else class_index("votes.mapping", label, self.classes)

    def _expression(self, column: str, votes: Mapping[str | int, int]) -> pl.Expr:
        dtype = self.source_schema[column]
        value = pl.col(column)
        if dtype == pl.Boolean and self.classes == LABEL_CLASSES:  # whether an item has a label
            value, dtype = value.cast(pl.Int8), pl.Int8()
        if not (dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
            raise ConfigError(
                f"votes column {column!r} is {dtype}; votes are class indices (integers) or class names (text), "
                "so cast it in the query that makes the table, or give the grid of its probabilities in 'votes.grids'."
            )
        given = coded(value, dtype, self.classes)
        if not votes or dtype == pl.Null:
            return given
        if dtype.is_integer():
            numbers = {raw: vote for raw, vote in votes.items() if str(raw).removeprefix("-").isdecimal()}
            abstains = pl.when(value.is_null() | (value.cast(pl.Int64, strict=False) == ABSTAIN))
            given = abstains.then(pl.lit(ABSTAIN, pl.Int8)).otherwise(pl.lit(INVALID, pl.Int8)) if numbers else given
            votes = numbers
        if not votes:
            return given
        mapped = lookup_votes("votes.mapping", value, dtype, votes, INVALID)
        return pl.when(value.is_not_null() & (mapped != INVALID)).then(mapped).otherwise(given)

    @property
    def _named(self) -> list[tuple[str, str]]:
        return list(zip(self.lf_columns, self.lf_names, strict=True))

    def _check_soft(self, column: str) -> None:
        dtype = self.source_schema[column]
        if not (dtype.is_numeric() or dtype.is_nested() or dtype == pl.Null):
            raise ConfigError(
                f"votes column {column!r} has a grid, but is {dtype}; it must hold probabilities, or lists of them for "
                "more than two classes."
            )

    def _soft(self, column: str, name: str, batch: pl.DataFrame, keys: pl.Series) -> pl.Series:
        votes, refused = cells_of_array(name, batch[column], self.soft[column], self.classes, keys)
        for row, why in refused.items():
            raise InvalidVote(
                f"votes column {column!r} has {len(refused):,} values that are no probabilities in a batch of "
                f"{len(batch):,} items; on item_id {keys[row]!r} it {why}."
            )
        return votes

    def _refuse(self, column: str, values: pl.Series, keys: pl.Series, n: int) -> None:
        value = values[0]
        alike = keys.filter(values == value)
        raise InvalidVote(
            f"votes column {column!r} holds {value!r} for {len(alike):,} of {n:,} items of a batch, on item_id "
            f"{first_few(alike.to_list())}; say what it means in 'votes.mapping', or "
            f"{explain_invalid(value, self.classes)}"
        )


def lf_column_name(raw: str | int) -> str:
    """A legal name of a column for any id of a worker or LF.

    Examples
    --------
    >>> lf_column_name("lf_link"), lf_column_name(12), lf_column_name("a b")
    ('lf_link', 'lf_12', 'lf_a_b')
    """
    text = str(raw)
    if re.fullmatch(IDENTIFIER, text) and text.lower() not in RESERVED:
        return text
    return _PREFIX + re.sub(r"[^A-Za-z0-9_]", "_", text)


def lf_column_names(raws: Sequence[str | int]) -> list[str]:
    """Legal names of columns for ids, different for different ids even without regard to case.

    A name that several ids would get is told apart by digits of a hash of the id, so it does not depend
    on the order of the ids.

    Raises
    ------
    ConfigError
        If an id is there twice.

    Examples
    --------
    >>> lf_column_names(["a b", "a-b", "c"])
    ['lf_a_b_c8687a', 'lf_a_b_d44362', 'c']
    """
    twice = [raw for raw, times in Counter(str(raw) for raw in raws).items() if times > 1]
    if twice:
        raise ConfigError(f"ids of labeling functions must differ, got {first_few(twice)} more than once.")
    names = [lf_column_name(raw) for raw in raws]
    times = Counter(name.lower() for name in names)
    return [
        f"{name}_{hashlib.sha256(str(raw).encode()).hexdigest()[:_DIGITS]}" if times[name.lower()] > 1 else name
        for raw, name in zip(raws, names, strict=True)
    ]
