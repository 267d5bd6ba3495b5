"""Where P(class) comes from: given, uniform, estimated, or counted on items with known classes."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_class_balance
from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.posterior import vote_shares
from sparkws.vocab import ABSTAIN

# From this share of the votes on, functions of a single class leave balance and precision undetermined.
MOSTLY_SINGLE_CLASS: Final = 0.5
# Below this share they are people of a crowd who answer always the same, not functions made for one class.
FEW_SINGLE_CLASS: Final = 0.25

ClassBalance = Sequence[float] | Literal["estimate", "tensor", "uniform", "dev"]


def known_balance(
    option: ClassBalance, cardinality: int, gold: NDArray[np.int8], counts: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """The class balance `(k,)` that an option gives without a fit; None for "estimate".

    Parameters
    ----------
    option : sequence of k floats, "estimate", "uniform" or "dev"
        "dev" counts the known classes among the items.
    cardinality : int
        The number of classes k.
    gold, counts : (u,) arrays
        The known class of each pattern row (-1 where unknown) and its items.

    Raises
    ------
    ConfigError
        If a given balance is not one, or the option does not exist.
    NothingToFit
        If "dev" finds no known class.
    """
    if not isinstance(option, str):
        return check_class_balance(option, cardinality)
    if option == "estimate":
        return None
    if option == "tensor":
        raise ConfigError(
            "class_balance='tensor' is for models that are fitted from moments; to others give what "
            "tensor_balance(patterns) finds."
        )
    if option == "uniform":
        return np.full(cardinality, 1 / cardinality)
    if option == "dev":
        return dev_balance(gold, counts, cardinality)
    raise ConfigError(f"class_balance must be {cardinality} shares, 'estimate', 'uniform' or 'dev', got {option!r}.")


def dev_balance(gold: NDArray[np.int8], counts: NDArray[np.int64], cardinality: int) -> NDArray[np.float64]:
    """The balance of the known classes, `(k,)`, each counted one time more than seen, so that none is impossible."""
    known = gold != ABSTAIN
    if not known.any():
        raise NothingToFit(
            "class_balance='dev' counts the items with a known class, and there are none: give gold, or 'estimate'."
        )
    seen = np.bincount(gold[known], weights=counts[known], minlength=cardinality) + 1
    return np.asarray(seen / seen.sum(), np.float64)


def choose_balance(
    option: ClassBalance,
    votes: NDArray[np.int64],
    spoken: NDArray[np.float64],
    gold: NDArray[np.int8],
    counts: NDArray[np.int64],
    *,
    use_abstain: bool,
) -> tuple[NDArray[np.float64] | None, str]:
    """The balance `(k,)` that EM holds, None if it estimates one, and what `balance_source_` says of it.

    Parameters
    ----------
    option : sequence of k floats, "estimate", "uniform" or "dev"
    votes : (m, k) int64 array
        Votes of each function for each class.
    spoken : (k,) float64 array
        The volume of voting.
    gold, counts : arrays of one length
        Known classes, -1 where unknown, and the items that have them.
    use_abstain : bool
    """
    balance = known_balance(option, votes.shape[1], gold, counts)
    if balance is not None:
        return balance, option if isinstance(option, str) else "given"
    if not use_abstain and single_class_share(votes) >= MOSTLY_SINGLE_CLASS:
        return spoken, "volume"
    return None, "estimate"


def single_class_share(votes: NDArray[np.int64]) -> float:
    """The share of all votes `(m, k)` that comes from functions which vote one class only."""
    return float(votes[(votes > 0).sum(axis=1) == 1].sum() / max(votes.sum(), 1))


def volume(
    L: NDArray[np.int8], counts: NDArray[np.int64], cardinality: int, says: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The volume of voting for each class, `(k,)`: majority vote's soft counts over the items with votes.

    It is not the class balance: functions for a rare class may be many. One item is added, spread over
    the classes, so that none has no volume. `says` as of `vote_shares`.
    """
    shares = vote_shares(L, cardinality, says)
    voted = ~np.isnan(shares[:, 0])
    soft = counts[voted] @ shares[voted] + 1 / cardinality
    return np.asarray(soft / soft.sum(), np.float64)
