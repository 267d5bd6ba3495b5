"""Gold: the known classes of some items, as class indices."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from sparkws.checks import check_columns, did_you_mean, first_few
from sparkws.errors import InvalidGold, InvalidKeys
from sparkws.vocab import ABSTAIN, CLASS, ITEM_ID, SPLIT


@dataclass(frozen=True)
class GoldKernel:
    """A table with known classes -> `item_id`, `class` (index) and `split`; a `MapKernel`.

    Of a multi-label task `class` holds the indices of all classes that an item has; it has no others.

    Parameters
    ----------
    key : str
        The column of the items' keys.
    column : str
        The column of the classes: names as text, or indices 0..k-1 (whole numbers, or booleans for two
        classes). Items without a class must have been left out before.
    split_column : str or None
        The column of the splits; without one, `split` is NULL.
    classes : tuple of str
        The k class names, in the order of their indices.
    key_dtype : polars data type
        The type of the keys.
    multi_label : bool
        An item has several classes: the column holds lists of them, or the only one. NULLs in a list stand for none.
    """

    key: str
    column: str
    split_column: str | None
    classes: tuple[str, ...]
    key_dtype: pl.DataType
    multi_label: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, without repetition."""
        asked = (self.key, self.column, self.split_column)
        return tuple(dict.fromkeys(name for name in asked if name is not None))

    @property
    def schema(self) -> pl.Schema:
        """The columns that come out."""
        known = pl.List(pl.Int8()) if self.multi_label else pl.Int8()
        return pl.Schema({ITEM_ID: self.key_dtype, CLASS: known, SPLIT: pl.String()})

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The class of every row of `batch`, in the same order.

        Raises
        ------
        MissingColumns
            If a column is not there.
        InvalidKeys
            If a key is NULL.
        InvalidGold
            If a class does not exist.
        """
        check_columns("gold", self.columns, batch.columns)
        n_null = batch[self.key].null_count()
        if n_null:
            raise InvalidKeys(f"{n_null:,} gold items have NULL in their key {self.key!r}; every item needs a key.")
        column = batch[self.column]
        dtype = (column.explode() if self.multi_label and isinstance(column.dtype, pl.List) else column).dtype
        if dtype.is_nested() or dtype.is_temporal() or dtype == pl.Binary:
            raise InvalidGold(f"the gold column {self.column!r} is {dtype}, expected class names or indices.")
        if self.multi_label:
            index = self._several(batch[self.key], batch[self.column])
        else:
            index = class_indices(batch[self.column], self.classes)
            _check_all_known(batch[self.key], batch[self.column], index, self.classes)
        split = pl.lit(None, pl.String) if self.split_column is None else pl.col(self.split_column).cast(pl.String)
        return batch.select(
            pl.col(self.key).cast(self.key_dtype).alias(ITEM_ID), index.alias(CLASS), split.alias(SPLIT)
        )

    def _several(self, keys: pl.Series, values: pl.Series) -> pl.Series:
        """The indices of the classes of each item, ascending."""
        lists = values.to_frame("class").with_row_index("row")
        if not isinstance(values.dtype, pl.List):
            lists = lists.with_columns(pl.concat_list("class"))
        flat = lists.explode("class").drop_nulls("class")
        index = class_indices(flat["class"].alias(values.name), self.classes)
        _check_all_known(keys.gather(flat["row"]), flat["class"].alias(values.name), index, self.classes)
        of_items = flat.select("row", index.alias("class")).group_by("row").agg(pl.col("class").unique().sort())
        listed = lists.select("row").join(of_items, on="row", how="left", maintain_order="left")["class"]
        return listed.fill_null([])


def check_splits(asked: Sequence[str], there: Sequence[str]) -> None:
    """Refuse splits that no item with gold is in.

    Raises
    ------
    InvalidGold
        With the splits that there are.
    """
    missing = [split for split in asked if split not in there]
    if missing:
        raise InvalidGold(
            f"no gold item is in the split {first_few(missing)}; there are {first_few(there, 12)}."
            f"{did_you_mean(missing[0], there)}"
        )


def class_indices(values: pl.Series, classes: Sequence[str]) -> pl.Series:
    """The class index of every name or number as Int8, NULL where there is no such class.

    >>> class_indices(pl.Series(["SPAM", "HAM", "SPAN"]), ["HAM", "SPAM"]).to_list()
    [1, 0, None]
    """
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        index = {name: position for position, name in enumerate(classes)}
        return values.cast(pl.String).replace_strict(index, default=None, return_dtype=pl.Int8)
    if values.dtype == pl.Boolean and len(classes) != 2:
        return pl.Series(values.name, [None] * len(values), pl.Int8)
    number = values.cast(pl.Float64)  # exact for every index; whole floats come from tables with NULLs
    fits = (number >= 0) & (number < len(classes)) & (number == number.floor())
    return number.to_frame().select(pl.when(fits).then(number).cast(pl.Int8)).to_series()


def _check_all_known(keys: pl.Series, values: pl.Series, index: pl.Series, classes: Sequence[str]) -> None:
    """Refuse values that are no class, with the most frequent of them."""
    unknown = index.is_null()
    if not unknown.any():
        return
    wrong = values.filter(unknown)
    worst = wrong.value_counts(sort=True)[values.name][0]
    items = first_few(keys.filter(unknown & values.eq_missing(pl.Series([worst], dtype=values.dtype))))
    if worst is None:
        hint = " Leave items without a class out of the gold."
    elif worst == ABSTAIN and not isinstance(worst, str):
        hint = " -1 means abstained, which is not a class: leave the class of such items NULL."
    elif isinstance(worst, str):
        hint = did_you_mean(worst, classes)
    else:
        hint = f" Indices are 0..{len(classes) - 1}."
    raise InvalidGold(
        f"{len(wrong):,} gold items have a class in {values.name!r} that does not exist, first {worst!r} on {items}; "
        f"the classes are {first_few(classes, 12)}.{hint}"
    )
