"""Which statistics can be added and subtracted: those of the same functions and classes, parts of what was counted."""

from typing import Protocol

from sparkws.checks import first_few
from sparkws.errors import IncompatibleStatistics
from sparkws.grids import Grids


class OfFunctions(Protocol):
    """A statistic of the votes of some functions."""

    @property
    def lf_names(self) -> tuple[str, ...]:
        """The functions."""
        ...

    @property
    def cardinality(self) -> int:
        """The number of classes."""
        ...

    @property
    def grids(self) -> Grids:
        """Those of the functions that vote with a probability."""
        ...


def check_same_lfs(what: str, a: OfFunctions, b: OfFunctions) -> None:
    """Refuse statistics of different functions or classes; `what` they are, as "patterns".

    Raises
    ------
    IncompatibleStatistics
        With the functions that only one of them counts.
    """
    if (a.lf_names, a.cardinality) != (b.lf_names, b.cardinality):
        only_one = sorted(set(a.lf_names) ^ set(b.lf_names))
        raise IncompatibleStatistics(
            f"{what} of different labeling functions or classes: {first_few(only_one)} in one of them only, "
            f"{a.cardinality} and {b.cardinality} classes; recount one of them."
        )
    if a.grids != b.grids:
        differ = sorted(name for name in {*a.grids.of, *b.grids.of} if a.grids.of.get(name) != b.grids.of.get(name))
        raise IncompatibleStatistics(
            f"{what} of soft votes in different grids: those of {first_few(differ)} differ; recount one of them."
        )


def not_a_part(n_part: int, n_total: int) -> IncompatibleStatistics:
    """The error of taking away items, `n_part` in number, that are not all among the `n_total` counted ones."""
    return IncompatibleStatistics(
        f"the part has {n_part:,} items that are not all among the {n_total:,} of the total; "
        "were both counted on the same table? Count again from the votes."
    )
