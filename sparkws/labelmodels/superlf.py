"""Dependent functions as one: EM on pattern counts in which the votes of a group are a single vote.

Functions that repeat each other are counted as often as they vote by a model that takes them to be
independent. Here the votes of each group together are one outcome of one categorical variable (see
`recoding`), the variables are independent given the class, and EM is that of Dawid and Skene's model. The
posterior is exact under this model: a product over groups.

What abstaining means is chosen as there. As an outcome, the abstentions of a group are part of its vote. As
missing, P(votes | who voted, class) is estimated for each set of voters; members that vote a single class
have a fixed precision, and however many of a group vote for a class, that counts once.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_label_matrix, check_switches
from sparkws.errors import ConfigError, DataError, NothingToFit
from sparkws.grids import refuse_soft
from sparkws.labelmodels.balance import ClassBalance, choose_balance, volume
from sparkws.labelmodels.edges import MAX_GROUP, Dependencies
from sparkws.labelmodels.em import check_fittable, clamp, count_votes, make_problem, make_rows
from sparkws.labelmodels.estimate import Abstain, Estimate, check_options, choose_abstain, climb, majority_shares
from sparkws.labelmodels.groupscores import group_scores, index_groups
from sparkws.labelmodels.posterior import log_scores, normalize
from sparkws.labelmodels.recoding import Recoding, make_recoding, marginals, recode_problem
from sparkws.labelmodels.savedgroups import groups_from_json, groups_to_json
from sparkws.labelmodels.structure import learn_dependencies
from sparkws.labelmodels.tables import TABLES, Soft, Stored, TableModel, soft_cells
from sparkws.stats.patterns import Patterns, collapse, unpack, unpack_classes
from sparkws.vocab import ABSTAIN

Groups = Sequence[Sequence[str]] | Dependencies | Literal["auto"]


class SuperLF(TableModel):
    """The class-conditional votes of groups of functions, by EM from majority vote.

    Parameters
    ----------
    cardinality : int
        The number of classes k.
    groups : "auto", sequence of sequences of str, or Dependencies
        Functions that depend on each other; those in no group are by themselves. "auto" learns them from
        the patterns.
    max_group : int
        The most members of a group that is learned.
    reads : mapping of str to collections of str, optional
        The columns and resources that each function reads: where groups are learned, a hint where to look.
    class_balance, abstain, smoothing, max_iter, tol, clamp_gold
        As of `DawidSkene`. The pseudo-votes of a group are distributed as if its members were independent.

    Attributes
    ----------
    groups_ : tuple of tuples of str
        The groups of two or more.
    dependencies_ : Dependencies or None
        The evidence for them, where they were learned.
    cpt_ : (m, k + 1, k) float64 array
        P(vote | class) of each function by itself, abstain row first; scaled as in `DawidSkene` where
        abstaining is missing.
    recoding_ : Recoding
    tables_ : (n_variables, s + 1, k) float64 array
        P(outcome | class) of each variable of the recoding, none first: what the posterior is made of.
    class_balance_, abstain_, balance_source_, log_likelihood_, objective_, n_iter_, converged_
        As of `DawidSkene`.
    """

    kind: Final = "super_lf"
    fits: Final = "patterns"
    # `grouped` is of functions that `cpt` has the tables of, so it is read after it.
    stored: ClassVar[Mapping[str, Stored]] = {**TABLES, "log_likelihood": Stored(), "grouped": Stored(number=str)}

    def __init__(
        self,
        cardinality: int,
        *,
        groups: Groups = "auto",
        max_group: int = MAX_GROUP,
        reads: Mapping[str, Collection[str]] | None = None,
        class_balance: ClassBalance = "estimate",
        abstain: Abstain = "auto",
        smoothing: float = 10.0,
        max_iter: int = 1000,
        tol: float = 1e-7,
        clamp_gold: bool = False,
    ) -> None:
        check_options(abstain, smoothing, max_iter, tol)
        check_switches({"clamp_gold": clamp_gold})
        if isinstance(groups, str) and groups != "auto":
            raise ConfigError(f"groups must be 'auto' or lists of labeling functions, got {groups!r}.")
        super().__init__(cardinality)
        self.groups = groups
        self.max_group = max_group
        self.reads = reads
        self.class_balance = class_balance
        self.abstain = abstain
        self.smoothing = smoothing
        self.max_iter = max_iter
        self.tol = tol
        self.clamp_gold = clamp_gold
        self.groups_: tuple[tuple[str, ...], ...] = ()
        self.dependencies_: Dependencies | None = None
        self.recoding_: Recoding | None = None
        self.tables_: NDArray[np.float64] | None = None
        self.objective_: tuple[float, ...] = ()

    def fit(self, patterns: Patterns) -> Self:
        """Estimate the tables from pattern counts.

        Raises
        ------
        NothingToFit
            If no item has a vote.
        IncompatibleStatistics
            If classes differ, or counts are negative.
        ConfigError
            If a group names a function that is not there, or one that is in another group.
        """
        check_fittable(patterns, self.cardinality)
        if isinstance(self.groups, Dependencies):
            self.dependencies_, named = self.groups, self.groups.groups
        elif isinstance(self.groups, str):
            self.dependencies_ = learn_dependencies(
                patterns, abstain=self.abstain, max_group=self.max_group, reads=self.reads
            )
            named = self.dependencies_.groups
        else:
            named = tuple(tuple(group) for group in self.groups)
        groups = index_groups(named, patterns.lf_names)
        grouped = [name for group in named for name in group]
        refuse_soft(patterns.grids.select(grouped), "a group of super_lf")
        flat = collapse(patterns)
        L, counts, k = unpack(flat), flat.counts, self.cardinality
        votes = count_votes(L, counts, flat.n_outcomes)
        soft = soft_cells(flat.lf_names, flat.grids)
        recodings = {known: make_recoding(L, groups, votes, use_abstain=known) for known in (True, False)}

        def run(use_abstain: bool) -> Estimate:
            return self._estimate(flat, L, votes, recodings[use_abstain], soft, use_abstain=use_abstain)

        if self.abstain == "auto":
            found = choose_abstain(
                L,
                counts,
                k,
                run,
                lambda estimate: _posterior(L, recodings[estimate.use_abstain], estimate),
                groups,
                flat.grids,
                flat.lf_names,
            )
        else:
            found = run(self.abstain == "outcome")
        self.lf_names_, self.grids_, self.temperature_ = patterns.lf_names, patterns.grids, 1.0
        self.groups_ = tuple(tuple(patterns.lf_names[j] for j in group) for group in groups)
        self.recoding_, self.tables_ = recodings[found.use_abstain], found.cpt
        alone = make_problem(
            votes, flat.n_items, None, found.class_balance, use_abstain=found.use_abstain, smoothing=0, soft=soft
        ).fixed
        self.cpt_ = marginals(self.recoding_, found.cpt, alone)
        self.class_balance_, self.balance_source_ = found.class_balance, found.balance_source
        self.abstain_ = "outcome" if found.use_abstain else "missing"
        self.log_likelihood_, self.objective_ = found.log_likelihood, found.objective
        self.n_iter_, self.converged_ = len(found.objective), found.converged
        return self

    @property
    def grouped_(self) -> str | None:
        """The groups with their tables, as JSON."""
        if self.recoding_ is None or self.tables_ is None:
            return None
        return groups_to_json(self.recoding_, self.tables_, self.lf_names_, self.groups_)

    @grouped_.setter
    def grouped_(self, text: str) -> None:
        if self.cpt_ is None:
            raise DataError("the label model has groups and no cpt; fit it again.")
        self.recoding_, self.tables_, self.groups_ = groups_from_json(text, self.cpt_, self.lf_names_)

    def posterior(self, L: NDArray[np.int8]) -> NDArray[np.float64]:
        """P(class | votes), `(n, k)`; NaN in the rows without a vote.

        Votes of a group that were not seen together have no table; they count as those of independent
        functions, by `cpt_`.
        """
        if self.tables_ is None or self.recoding_ is None or self.cpt_ is None:
            raise NothingToFit("this SuperLF has no tables yet; call fit first.")
        check_label_matrix(L, self.lf_names_, self.cardinality, self.grids_)
        scores = group_scores(
            L, self.recoding_, self.tables_, self.cpt_, self.class_balance_, use_abstain=self.abstain_is_outcome_
        )
        probs = normalize(scores / self.temperature_)[0]
        probs[(L == ABSTAIN).all(axis=1)] = np.nan
        return probs

    def _estimate(
        self,
        flat: Patterns,
        L: NDArray[np.int8],
        votes: NDArray[np.int64],
        recoding: Recoding,
        soft: Soft,
        *,
        use_abstain: bool,
    ) -> Estimate:
        k, counts, gold = self.cardinality, flat.counts, flat.gold
        spoken = volume(L, counts, k, flat.says)
        votes_for = count_votes(unpack_classes(flat), counts, k) if flat.grids else votes
        balance, source = choose_balance(self.class_balance, votes_for, spoken, gold, counts, use_abstain=use_abstain)
        V, _ = recoding.apply(L)
        problem = recode_problem(
            recoding, V, counts, votes, balance, spoken, use_abstain=use_abstain, smoothing=self.smoothing, soft=soft
        )
        rows = make_rows(V, counts, gold if self.clamp_gold else None, recoding.n_outcomes)
        q = clamp(majority_shares(L, k, flat.says), rows.gold)
        return climb(rows, problem, q, source, max_iter=self.max_iter, least_gain=self.tol * problem.n_votes)


def _posterior(L: NDArray[np.int8], recoding: Recoding, found: Estimate) -> NDArray[np.float64]:
    """The posterior of rows that all have a code, `(n, k)`."""
    V, _ = recoding.apply(L)
    probs = normalize(log_scores(V, found.cpt, found.class_balance, use_abstain=found.use_abstain))[0]
    probs[(L == ABSTAIN).all(axis=1)] = np.nan
    return probs
