"""Tables of pairs of functions: how they meet, agree and conflict, and what the model does not explain of it."""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from sparkws.labelmodels.covariances import check_counted_pairs
from sparkws.labelmodels.differences import check_same_functions
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.posterior import class_cpt
from sparkws.labelmodels.tables import TableModel
from sparkws.stats.moments import Moments
from sparkws.vocab import ABSTAIN

_MIN_VARIANCE: Final = 1e-12


def pair_table(moments: Moments, model: LabelModel | None = None) -> pl.DataFrame:
    """A row for each two functions.

    Parameters
    ----------
    moments : Moments
    model : LabelModel, optional
        Fitted on these functions, with tables.

    Returns
    -------
    DataFrame
        `a`, `b`; `both`, items on which both voted, and of them `agree` and `conflict`; `agreement`, the
        share that agrees, NULL where they never meet; `lift`, how many times as often they meet as
        functions that vote without regard to each other. With a model that has tables also
        `expected_agreement` where both voted, and `excess`: by how many standard errors the items that
        agree are more than that. Where abstaining is an outcome of the model, `correlation` of voting at all
        within a class, which functions of one class are told apart by: they agree by construction. Far from
        zero, the pair shares more than the class; NULL where one of the two votes on all items.

    Raises
    ------
    IncompatibleStatistics
        If these are no moments, or the model is of other functions.
    """
    check_counted_pairs(moments, "pairs are told")
    names = moments.lf_names
    both = _by_lf(moments, moments.gram)
    same_label = (moments.label_of[:, None] == moments.label_of) & (moments.label_of != ABSTAIN)
    agree = _by_lf(moments, np.where(same_label, moments.gram, 0))
    voted = moments.votes.sum(axis=1)
    by_chance = np.outer(voted, voted) / max(moments.n_items, 1)
    a, b = np.triu_indices(len(names), 1)
    met = both[a, b]
    columns: dict[str, object] = {
        "a": [names[j] for j in a],
        "b": [names[j] for j in b],
        "both": met,
        "agree": agree[a, b],
        "conflict": met - agree[a, b],
        "agreement": _share(agree[a, b], met),
        "lift": _share(met, by_chance[a, b]),
    }
    if model is not None and model.cpt_ is not None:
        check_same_functions("moments", names, model)
        cast = model.cpt_[:, 1:].sum(axis=1)
        expected = _expected_agreement(class_cpt(model), cast, model.class_balance_)[a, b]
        error = np.sqrt(np.maximum(met * expected * (1 - expected), _MIN_VARIANCE))
        columns["expected_agreement"] = np.where(met > 0, expected, np.nan)
        columns["excess"] = np.where(met > 0, (agree[a, b] - met * expected) / error, np.nan)
        if isinstance(model, TableModel) and model.abstain_is_outcome_:
            share = met / max(moments.n_items, 1)
            correlation = _correlation(share, model.cpt_, model.class_balance_, a, b)
            varies = (voted > 0) & (voted < moments.n_items)
            columns["correlation"] = np.where(varies[a] & varies[b], np.clip(correlation, -1, 1), np.nan)
    return pl.DataFrame(columns, strict=False).with_columns(
        pl.col(pl.Float64).fill_nan(None), pl.col("a", "b").cast(pl.String)
    )


def worst_pairs(pairs: pl.DataFrame, n_items: int, most: int) -> pl.DataFrame:
    """The rows of a `pair_table` that the model explains worst; without tables, those that meet most often."""
    if "excess" not in pairs.columns:
        return pairs.sort("both", descending=True, maintain_order=True).head(most)
    # As many errors as a correlation within a class is above its own of 1 / √n.
    met = pl.lit(0.0)
    if "correlation" in pairs.columns:
        met = pl.col("correlation").abs().fill_null(0) * n_items**0.5
    by = pl.max_horizontal(pl.col("excess").abs().fill_null(0), met)
    return pairs.sort(by, descending=True, maintain_order=True).head(most)


def _by_lf(moments: Moments, gram: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sums of a symmetric matrix of columns `(c, c)` over those of each two functions, `(m, m)`."""
    # (m, c) with a one for each column at its function
    shape = len(moments.lf_names), len(moments.lf_of)
    of_lf = sparse.csr_array((np.ones(shape[1], np.int64), (moments.lf_of, np.arange(shape[1]))), shape)
    return np.asarray(of_lf @ np.asarray(of_lf @ gram).T, np.int64)


def _expected_agreement(
    cpt: NDArray[np.float64], cast: NDArray[np.float64], class_balance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(same class | both voted) of each pair, `(m, m)`, if they are independent given the class.

    `cast` is P(voted | class), `(m, k)`: a vote with a probability may be for none.
    """
    votes = cpt[:, 1:]
    # (m, k votes, k classes) twice -> (m, m): over votes that are the same, and over classes
    same = np.einsum("ily,jly,y->ij", votes, votes, class_balance, optimize=True)
    both = (cast * class_balance) @ cast.T
    return np.asarray(np.clip(same / np.maximum(both, np.finfo(float).tiny), 0, 1), np.float64)


def _correlation(
    both: NDArray[np.float64],
    cpt: NDArray[np.float64],
    class_balance: NDArray[np.float64],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
) -> NDArray[np.float64]:
    """How the pairs (a, b) that vote together on the share `both` of the items correlate within a class, (pairs,)."""
    votes = 1 - cpt[:, 0]  # (m, k): P(votes | class)
    expected = ((votes * class_balance) @ votes.T)[a, b]
    spread = np.sqrt((votes * (1 - votes)) @ class_balance)
    scale = spread[a] * spread[b]
    return np.where(scale > _MIN_VARIANCE, (both - expected) / np.where(scale > _MIN_VARIANCE, scale, 1), np.nan)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
