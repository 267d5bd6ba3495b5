"""Faults of labeling functions: exact counts, and a small sample that does not depend on the order of batches."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappush, heapreplace
from traceback import clear_frames
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.errors import FunctionFailed
from sparkws.hashing import hash_keys
from sparkws.vocab import ITEM_ID, N_ITEMS

SAMPLE_PER_LF: Final = 10
MESSAGE_LENGTH: Final = 500
_TEXTS: Final = (ITEM_ID, "lf", "error_class", "message", "lf_fingerprint")
TABLE_SCHEMA: Final = pl.Schema([(name, pl.String()) for name in _TEXTS])
_DUMP_SCHEMA: Final = pl.Schema([*TABLE_SCHEMA.items(), (N_ITEMS, pl.Int64())])


@dataclass(frozen=True, order=True)
class Fault:
    """One fault of the sample; `rank` is the hash of the item's id, and the smallest ranks are kept."""

    lf: str
    rank: int
    item_id: str
    error_class: str
    message: str
    lf_fingerprint: str


@dataclass(frozen=True)
class Faults:
    """What went wrong among `n_items` items.

    Attributes
    ----------
    n_items : int
        Items seen, with faults or without.
    counts : dict
        The number of items for each (LF, class of the exception).
    kept : tuple of Fault
        At most `SAMPLE_PER_LF` for each LF: those whose items have the smallest hashes.
    """

    n_items: int = 0
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    kept: tuple[Fault, ...] = ()

    def counts_by_lf(self) -> dict[str, int]:
        """The number of items on which each LF failed; LFs without faults are not in it."""
        by_lf: Counter[str] = Counter()
        for (lf, _), count in self.counts.items():
            by_lf[lf] += count
        return dict(by_lf)

    @property
    def sample(self) -> pl.DataFrame:
        """The faults that are kept as the rows of a faults table."""
        rows = [
            (fault.item_id, fault.lf, fault.error_class, fault.message, fault.lf_fingerprint) for fault in self.kept
        ]
        return pl.DataFrame(rows, TABLE_SCHEMA, orient="row")


def zero() -> Faults:
    """The faults of no items."""
    return Faults()


def merge(a: Faults, b: Faults) -> Faults:
    """The faults of the items of both."""
    counts = Counter(dict(a.counts)) + Counter(dict(b.counts))
    return Faults(a.n_items + b.n_items, dict(sorted(counts.items())), _smallest((*a.kept, *b.kept)))


def dump(faults: Faults) -> pl.DataFrame:
    """Rows with an item are the sample, rows without one are counts; the row without LF counts all items."""
    counts = [(None, lf, error_class, None, None, count) for (lf, error_class), count in faults.counts.items()]
    total = (None, None, None, None, None, faults.n_items)
    sample = faults.sample.with_columns(pl.lit(None, pl.Int64).alias(N_ITEMS))
    return pl.concat([pl.DataFrame([total, *counts], _DUMP_SCHEMA, orient="row"), sample])


def load(rows: pl.DataFrame) -> Faults:
    """The faults that `dump` wrote."""
    sample = rows.filter(pl.col(ITEM_ID).is_not_null())
    ranks = hash_keys(sample[ITEM_ID])
    named = sample.select("lf", ITEM_ID, "error_class", "message", "lf_fingerprint").rows()
    kept = [Fault(lf, int(rank), *rest) for rank, (lf, *rest) in zip(ranks, named, strict=True)]
    counts = rows.filter(pl.col(ITEM_ID).is_null() & pl.col("lf").is_not_null())
    by_error = {(lf, error): count for lf, error, count in counts.select("lf", "error_class", N_ITEMS).iter_rows()}
    total = rows.filter(pl.col(ITEM_ID).is_null() & pl.col("lf").is_null())[N_ITEMS]
    return Faults(int(total.sum()), by_error, _smallest(kept))


class FaultLog:
    """Collects the faults of one batch; costs nothing while there are none.

    Whatever a function raises is a fault, also what is no `Exception`: a call of sys.exit, a panic inside
    polars. Only `lets_pass` is not: Ctrl-C, where there may be somebody at the keyboard.
    """

    def __init__(
        self,
        keys: pl.Series,
        fingerprints: Mapping[str, str],
        *,
        may_fail: bool = True,
        lets_pass: tuple[type[BaseException], ...] = (KeyboardInterrupt,),
    ) -> None:
        self.keys, self.fingerprints, self.may_fail, self.lets_pass = keys, fingerprints, may_fail, lets_pass
        self._counts: Counter[tuple[str, str]] = Counter()
        self._first: dict[str, tuple[int, BaseException]] = {}
        # For each LF a heap of its smallest ranks, negated: the greatest of them is on top.
        self._kept: dict[str, list[tuple[int, int, str, str]]] = {}

    @cached_property
    def ranks(self) -> NDArray[np.uint64]:
        """The hash of each item's id."""
        return hash_keys(texts_of(self.keys))

    @property
    def counted(self) -> Mapping[tuple[str, str], int]:
        """The number of items so far for each (LF, class of the exception)."""
        return self._counts

    @property
    def n_items(self) -> int:
        """How many items the batch has."""
        return len(self.keys)

    @property
    def whole(self) -> str:
        """The batch, as the end of a sentence."""
        return f"on a batch of {len(self.keys):,} items" + (
            f" from item_id {self.keys[0]!r} on" if len(self.keys) else ""
        )

    def on(self, row: int) -> str:
        """An item, as the end of a sentence."""
        return f"on item_id {self.keys[row]!r}"

    def record(self, lf: str, row: int, error: BaseException) -> None:
        """Note that `lf` raised on an item of the batch."""
        error_class = type(error).__name__
        self._counts[lf, error_class] += 1
        self._keep_first(lf, row, error)
        kept = self._kept.setdefault(lf, [])
        rank = int(self.ranks[row])
        if len(kept) < SAMPLE_PER_LF:
            heappush(kept, (-rank, row, error_class, _message(error)))
        elif -rank > kept[0][0]:
            heapreplace(kept, (-rank, row, error_class, _message(error)))

    def record_all(self, lf: str, error: BaseException) -> None:
        """Note that `lf`, which votes for a whole batch at once, raised on it."""
        if len(self.keys) == 0:
            return
        error_class, message = type(error).__name__, _message(error)
        self._counts[lf, error_class] += len(self.keys)
        self._keep_first(lf, 0, error)
        rows = np.argsort(self.ranks, kind="stable")[:SAMPLE_PER_LF]
        self._kept[lf] = [(-int(self.ranks[row]), int(row), error_class, message) for row in rows]

    def _keep_first(self, lf: str, row: int, error: BaseException) -> None:
        if self.may_fail:  # an exception holds on to all that its function saw, so none is kept without need
            if isinstance(error, MemoryError):
                clear_frames(error.__traceback__)  # what took the memory has to go
            self._first.setdefault(lf, (row, error))

    def faults(self) -> Faults:
        """The faults of the batch."""
        sample = [
            Fault(lf, -negated, _text(self.keys, row), error_class, message, self.fingerprints[lf])
            for lf, kept in self._kept.items()
            for negated, row, error_class, message in kept
        ]
        return Faults(len(self.keys), dict(sorted(self._counts.items())), _smallest(sample))

    def fail(self) -> None:
        """Raise for the first labeling function that failed, if any.

        Raises
        ------
        FunctionFailed
            With the number of items, the first of them and the exception there, from which it is raised.
        """
        for lf, (row, error) in self._first.items():
            n_failed = sum(count for (name, _), count in self._counts.items() if name == lf)
            raise FunctionFailed(
                f"{lf!r} raised on {n_failed:,} of {len(self.keys):,} items of a batch; first on item_id "
                f"{self.keys[row]!r}: {shown(error)}. Mend it, or set on_fault: quarantine."
            ) from error


class PartOfLog(FaultLog):
    """A log of some rows of a batch, which notes everything in the log of the batch.

    Parameters
    ----------
    log : FaultLog
        Of the batch.
    rows : (r,) array of int64
        The rows that are numbered 0 to r - 1 here.
    """

    def __init__(self, log: FaultLog, rows: NDArray[np.int64]) -> None:
        keys = log.keys.gather(rows)
        super().__init__(keys, log.fingerprints, may_fail=log.may_fail, lets_pass=log.lets_pass)
        self._log, self._rows = log, rows

    @property
    def n_items(self) -> int:
        """How many items the whole batch has."""
        return self._log.n_items

    def record(self, lf: str, row: int, error: BaseException) -> None:
        """Note that `lf` raised on an item of these rows."""
        self._log.record(lf, int(self._rows[row]), error)


def texts_of(keys: pl.Series) -> pl.Series:
    """The items' ids as text."""
    return keys.bin.encode("hex") if keys.dtype == pl.Binary else keys.cast(pl.String)


def _text(keys: pl.Series, row: int) -> str:
    return str(texts_of(keys.slice(row, 1))[0])


def _message(error: BaseException) -> str:
    try:
        message = str(error)
        if isinstance(error, MemoryError) and not message:
            message = "the memory of the process is used up; see 'engine.worker_memory_mib'"
        # Half of a surrogate pair is no text: it could not be written.
        return message[:MESSAGE_LENGTH].encode("utf-8", "backslashreplace").decode()
    except Exception:  # an exception of the user's that cannot be shown must not end the job
        return ""


def shown(error: BaseException) -> str:
    """An exception as a line of text."""
    name, message = type(error).__name__, _message(error)
    return f"{name}({message if isinstance(error, KeyError) else repr(message)})"


def _smallest(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The faults in order, without those beyond the sample of each LF."""
    seen: Counter[str] = Counter()
    kept = []
    for fault in sorted(faults):
        seen[fault.lf] += 1
        if seen[fault.lf] <= SAMPLE_PER_LF:
            kept.append(fault)
    return tuple(kept)
