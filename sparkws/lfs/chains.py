"""Chains of preprocessors: their order, and what they read and set together; what may be asked of one of them."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sparkws.checks import first_few
from sparkws.errors import InvalidFunction
from sparkws.sections import IDENTIFIER

if TYPE_CHECKING:
    from sparkws.lfs.preprocess import Preprocessor


def chain_of(pre: Iterable["Preprocessor"]) -> tuple["Preprocessor", ...]:
    """The preprocessors in the order in which they run, each once, after those that they ask for."""
    ordered: dict[Preprocessor, None] = {}
    for preprocessor in pre:
        ordered.update(dict.fromkeys(chain_of(preprocessor.pre)))
        ordered[preprocessor] = None
    return tuple(ordered)


def source_columns(chain: Iterable["Preprocessor"]) -> frozenset[str] | None:
    """What the preprocessors read of the source, in the order in which they run; None where that is not known."""
    columns: set[str] = set()
    made: set[str] = set()
    for preprocessor in chain:
        if preprocessor.reads is None:
            return None
        # A function of batches sees what its own `pre` make, and of the others nothing.
        before = made if preprocessor.vectorized is None else made_by(chain_of(preprocessor.pre))
        columns |= preprocessor.reads.columns - before
        made |= preprocessor.reads.sets
    return frozenset(columns)


def made_by(chain: Iterable["Preprocessor"]) -> frozenset[str]:
    """What the preprocessors set, as far as it is known."""
    return frozenset(name for preprocessor in chain if preprocessor.reads for name in preprocessor.reads.sets)


def check_options(preprocessor: "Preprocessor") -> None:
    """Refuse options that do not go together.

    Raises
    ------
    InvalidFunction
        With the option.
    """
    memoize = preprocessor.memoize
    if not isinstance(memoize, int) or memoize < 0:
        raise InvalidFunction(
            f"'memoize' of {preprocessor} must be True, False or the most results to keep, got {memoize!r}."
        )
    if preprocessor.vectorized is None:
        return
    if preprocessor.makes is None:
        raise InvalidFunction(
            f"{preprocessor} is vectorized, so 'makes' has to name the columns that it returns, such as "
            "makes={'score': pl.Float64}."
        )
    if memoize:
        raise InvalidFunction(f"{preprocessor} is vectorized; 'memoize' is for functions of single items.")


def check_materialized(preprocessor: "Preprocessor") -> None:
    """Refuse what cannot be kept in a table.

    Raises
    ------
    InvalidFunction
        With what is missing.
    """
    if re.fullmatch(IDENTIFIER, preprocessor.name) is None:
        raise InvalidFunction(
            f"{preprocessor} is to be materialized in a table of its name: use letters, digits and underscores only."
        )
    if preprocessor.pre:
        names = [entry.name for entry in preprocessor.pre]
        raise InvalidFunction(
            f"{preprocessor} is to be materialized, so it reads the source and cannot have "
            f"{first_few(names)} before it."
        )
    if preprocessor.reads is None:
        raise InvalidFunction(
            f"{preprocessor} is to be materialized, but its source does not tell what it reads; name its 'columns'."
        )
    untyped = [name for name in preprocessor.reads.sets if preprocessor.made.get(name) in (None, object)]
    if untyped or not preprocessor.made:
        raise InvalidFunction(
            f"{preprocessor} is to be materialized, so 'makes' has to name the types of the columns that it "
            f"sets, such as makes={{'score': pl.Float64}}; without one are {first_few(sorted(untyped))}."
        )
