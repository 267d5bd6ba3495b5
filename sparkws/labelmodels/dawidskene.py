"""Dawid and Skene's model on pattern counts, fitted by EM (Applied Statistics 28, 1979).

Each item has a hidden class y, drawn with probability p_y; function j votes l with probability
cpt[j, l + 1, y], independently of the others once y is known. Equal items are grouped into patterns
with counts, which gives exactly what EM over items would.

What abstaining means is a choice. As an *outcome* it is evidence: right when functions meet often and
abstain independently of each other. As *missing* it says nothing about the class: right for crowds, who
answer what they are shown, and the only safe choice for many sparse functions of one class each, where
abstentions count as thousands of pieces of evidence that are not independent.

A function that votes a single class says nothing once its abstentions are set aside: given that it
voted, the vote was certain, and what it is worth cannot be learned. Its votes then have a fixed
precision: P(y = l | vote l) = `SINGLE_CLASS_PRECISION`, and weigh more for a class that is voted rarely. Where
such functions cast less than a quarter of the votes they are people of a crowd who answer always the same, and
their votes are left to say nothing.

A function that votes with a probability has one outcome for each cell of its grid, and P(cell | class) is
learned like that of any vote. What it declares is where EM starts, and what its pseudo-votes say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_switches, first_few
from sparkws.errors import ConfigError, IncompatibleStatistics
from sparkws.grids import Grids, classes_voted, refuse_soft
from sparkws.labelmodels.balance import ClassBalance, choose_balance, volume
from sparkws.labelmodels.em import Rows, check_fittable, clamp, count_votes, e_step, make_problem, make_rows
from sparkws.labelmodels.estimate import Abstain, Estimate, check_options, choose_abstain, climb, majority_shares
from sparkws.labelmodels.posterior import posterior
from sparkws.labelmodels.tables import PRIOR_ACCURACY, TABLES, Stored, TableModel, soft_cells
from sparkws.stats.patterns import Patterns, collapse, unpack


class DawidSkene(TableModel):
    """The class-conditional votes of each function, by EM from majority vote.

    Parameters
    ----------
    cardinality : int
        The number of classes k.
    class_balance : sequence of k floats, "estimate", "uniform" or "dev"
        "dev" counts the known classes of the patterns. "estimate" is part of EM, but for sets where
        functions of a single class cast most votes and abstaining is missing: there balance and
        precision cannot be told apart, and the volume of voting is taken (`balance_source_` says so).
    abstain : {"auto", "outcome", "missing"}
        "auto" is "missing" where functions of a single class cast less than a tenth of the votes. Else it
        is "outcome", unless that fit contradicts the votes: more than 1 % of the items on which two or
        more functions all agree, or 10 % of those that majority vote decides. `abstain_` says which.
    smoothing : float
        Pseudo-votes added to each function and class, distributed like those of a voter whose accuracy
        is .7. Small crowds need them: at 1 they are overfitted, at 0 the fit is the plain likelihood.
    prior_accuracy : float
        Of the pseudo-votes.
    one_coin : bool
        Each function is right equally often in all classes, and wrong in any way alike: fewer parameters,
        for voters of few votes. Abstaining then is missing, for it cannot depend on the class.
    max_iter, tol : int, float
        EM stops when the objective gains less than `tol` a vote.
    clamp_gold : bool
        Hold items with a known class at that class.

    Attributes
    ----------
    cpt_ : (m, k + 1, k) float64 array
        P(vote | class), abstain row first. With abstaining as missing, a function's rows are scaled by
        its coverage, equal in all classes; only their ratios between classes matter.
    class_balance_ : (k,) float64 array
    abstain_ : {"outcome", "missing"}
    balance_source_ : {"given", "uniform", "dev", "estimate", "volume"}
    log_likelihood_ : float
        Of the patterns, without the pseudo-votes.
    objective_ : tuple of float
        Log-likelihood with the pseudo-votes' part after each iteration; it never falls.
    n_iter_, converged_ : int, bool
    n_polish_ : int
        The steps of EM over all items that followed a fit from a sample of them, 0 where none did.
    """

    kind: Final = "dawid_skene"
    fits: Final = "patterns"
    stored: ClassVar[Mapping[str, Stored]] = {
        **TABLES,
        "log_likelihood": Stored(),
        "n_polish": Stored(number=int),
    }

    def __init__(
        self,
        cardinality: int,
        *,
        class_balance: ClassBalance = "estimate",
        abstain: Abstain = "auto",
        smoothing: float = 10.0,
        prior_accuracy: float = PRIOR_ACCURACY,
        one_coin: bool = False,
        max_iter: int = 1000,
        tol: float = 1e-7,
        clamp_gold: bool = False,
    ) -> None:
        check_options(abstain, smoothing, max_iter, tol)
        check_switches({"one_coin": one_coin, "clamp_gold": clamp_gold})
        if not 0 < prior_accuracy < 1:
            raise ConfigError(f"prior_accuracy must be between 0 and 1, got {prior_accuracy!r}.")
        if one_coin and abstain == "outcome":
            raise ConfigError("abstain='outcome' tells nothing to functions of one coin; set abstain='missing'.")
        super().__init__(cardinality)
        self.class_balance = class_balance
        self.abstain = abstain
        self.smoothing = smoothing
        self.prior_accuracy = prior_accuracy
        self.one_coin = one_coin
        self.max_iter = max_iter
        self.tol = tol
        self.clamp_gold = clamp_gold
        self.objective_: tuple[float, ...] = ()
        self.n_polish_ = 0

    def fit(self, patterns: Patterns, *, start: "DawidSkene | None" = None) -> Self:
        """Estimate the tables from pattern counts.

        Parameters
        ----------
        patterns : Patterns
            Whole counts; levels are summed.
        start : DawidSkene, optional
            A model of the same functions to start from, instead of majority vote; what it resolved
            "auto" to is kept.

        Raises
        ------
        NothingToFit
            If no item has a vote.
        IncompatibleStatistics
            If classes differ, counts are negative, or `start` is of other functions.
        """
        check_fittable(patterns, self.cardinality)
        if start is not None and start.lf_names_ != patterns.lf_names:
            raise IncompatibleStatistics(
                f"the model to start from is of {first_few(start.lf_names_)}, the patterns are of "
                f"{first_few(patterns.lf_names)}; start from a model of the same labeling functions."
            )
        if self.one_coin:
            refuse_soft(patterns.grids, "dawid_skene with one_coin")
        found = self._choose(see(patterns, clamp_gold=self.clamp_gold), start)
        self.lf_names_, self.grids_ = patterns.lf_names, patterns.grids
        self.temperature_ = 1.0
        self.cpt_, self.class_balance_, self.balance_source_ = found.cpt, found.class_balance, found.balance_source
        self.abstain_ = "outcome" if found.use_abstain else "missing"
        self.log_likelihood_, self.objective_ = found.log_likelihood, found.objective
        self.n_iter_, self.converged_, self.n_polish_ = len(found.objective), found.converged, 0
        return self

    def estimate(
        self,
        seen: "Seen",
        start: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
        *,
        use_abstain: bool,
        max_iter: int,
        least_gain: float | None = None,
    ) -> Estimate:
        """One run of EM with the model's options; the model stays as it is.

        Parameters
        ----------
        seen : Seen
        start : tables `(m, k + 1, k)` and class balance `(k,)`, or None
            None starts from majority vote.
        use_abstain : bool
            Whether abstaining is an outcome.
        max_iter : int
        least_gain : float, optional
            Stop when the objective gains no more in an iteration; by default `tol` for each vote.
        """
        k, rows = self.cardinality, seen.rows
        # Sums of whole numbers in floating point: exact.
        votes = (rows.votes.T @ rows.counts).astype(np.int64).reshape(len(seen.lf_names), -1)
        says = seen.grids.says(seen.lf_names, k)
        spoken = volume(seen.L, seen.counts, k, says)
        votes_for = votes
        if seen.grids:
            votes_for = count_votes(classes_voted(seen.L, seen.grids.classes(seen.lf_names, k)), seen.counts, k)
        balance, source = choose_balance(
            self.class_balance, votes_for, spoken, seen.gold, seen.counts, use_abstain=use_abstain
        )
        n_items = int(seen.counts.sum())
        problem = make_problem(
            votes,
            n_items,
            balance,
            spoken,
            use_abstain=use_abstain,
            smoothing=self.smoothing,
            prior_accuracy=self.prior_accuracy,
            one_coin=self.one_coin,
            soft=soft_cells(seen.lf_names, seen.grids),
        )
        enough = self.tol * problem.n_votes if least_gain is None else least_gain
        if start is None:
            q = clamp(majority_shares(seen.L, k, says), rows.gold)
        else:
            q, _ = e_step(rows, *start, use_abstain=use_abstain)
        return climb(rows, problem, q, source, max_iter=max_iter, least_gain=enough)

    def _choose(self, seen: "Seen", start: "DawidSkene | None") -> "Estimate":
        def run(*, use_abstain: bool) -> Estimate:
            tables = None if start is None or start.cpt_ is None else (start.cpt_, start.class_balance_)
            return self.estimate(seen, tables, use_abstain=use_abstain, max_iter=self.max_iter)

        if self.one_coin:
            return run(use_abstain=False)
        if self.abstain != "auto":
            return run(use_abstain=self.abstain == "outcome")
        if start is not None and start.cpt_ is not None:
            return run(use_abstain=start.abstain_ == "outcome")
        return choose_abstain(
            seen.L,
            seen.counts,
            self.cardinality,
            lambda use_abstain: run(use_abstain=use_abstain),
            lambda found: posterior(seen.L, found.cpt, found.class_balance, use_abstain=found.use_abstain),
            grids=seen.grids,
            lf_names=seen.lf_names,
        )


@dataclass(frozen=True, eq=False)
class Seen:
    """Patterns unpacked once for any number of fits.

    Attributes
    ----------
    L : (u, m) int8 array in {-1, 0..s-1}
        Votes: classes, or cells of a grid.
    counts : (u,) int64 array
        Items of each pattern.
    gold : (u,) int8 array
        Known classes, -1 where unknown.
    rows : Rows
        The same as EM reads it.
    lf_names : tuple of str
    grids : Grids
    """

    L: NDArray[np.int8]
    counts: NDArray[np.int64]
    gold: NDArray[np.int8]
    rows: Rows
    lf_names: tuple[str, ...]
    grids: Grids

    def counting(self, counts: NDArray[np.int64]) -> "Seen":
        """The same patterns with other counts."""
        return replace(self, counts=counts, rows=replace(self.rows, counts=counts.astype(np.float64)))


def see(patterns: Patterns, *, clamp_gold: bool) -> Seen:
    """Patterns unpacked, levels summed."""
    flat = collapse(patterns)
    L = unpack(flat)
    rows = make_rows(L, flat.counts, flat.gold if clamp_gold else None, flat.n_outcomes)
    return Seen(L, flat.counts, flat.gold, rows, flat.lf_names, flat.grids)
