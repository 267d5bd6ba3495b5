"""An LF set that votes on one data frame after the other, and goes on where a function must not be compiled."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from sparkws.errors import CompiledVotesDiffer
from sparkws.lfs.kernel import VotesKernel

if TYPE_CHECKING:
    from sparkws.lfs.lfset import LFSet

logger = logging.getLogger(__name__)
T = TypeVar("T")


def until_equal(run: Callable[[frozenset[str]], T]) -> T:
    """What `run` gives with the functions interpreted whose votes differ when they are compiled.

    Parameters
    ----------
    run : function of a set of names
        Raises `CompiledVotesDiffer` for a function that is not in the set.
    """
    interpreted: frozenset[str] = frozenset()
    while True:
        try:
            return run(interpreted)
        except CompiledVotesDiffer as error:
            if not error.lf or error.lf in interpreted:
                raise
            logger.warning("%s It is interpreted from now on.", error)
            interpreted |= {error.lf}


@dataclass
class Voter:
    """Votes of a set; a kernel is made once for each schema.

    Attributes
    ----------
    lfset, classes, on_fault, time_limit_s, multi_label
        As those of a `VotesKernel`.
    """

    lfset: "LFSet"
    classes: tuple[str, ...]
    on_fault: str
    time_limit_s: float | None
    multi_label: bool = False
    _kernels: dict[object, VotesKernel] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, frame: pl.DataFrame, key: str) -> pl.DataFrame:
        """The votes on the rows of a frame."""
        return until_equal(lambda interpreted: self._kernel(frame.schema, key, interpreted).run(frame)[0])

    def _kernel(self, schema: pl.Schema, key: str, interpreted: frozenset[str]) -> VotesKernel:
        bound = (tuple(schema.items()), key, interpreted)
        if bound not in self._kernels:
            bound_to = (self.lfset, self.classes, key, schema, self.on_fault, self.time_limit_s)
            self._kernels[bound] = VotesKernel(*bound_to, interpreted=interpreted, multi_label=self.multi_label)
        return self._kernels[bound]
