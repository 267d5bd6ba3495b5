"""The label model that a configuration asks for, and its fit from whichever statistic it reads."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.edges import Dependencies
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.publishedtriplet import PublishedTriplet
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.thirds import moments_of, tensor_balance
from sparkws.labelmodels.triplet import Triplet
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.joint import BothMoments
from sparkws.stats.patterns import Patterns
from sparkws.vocab import ABSTAIN

PatternModel = MajorityVote | WeightedVote | PrecisionVote | DawidSkene | SuperLF
MomentModel = Triplet | PublishedTriplet | MatrixCompletion
AnyModel = PatternModel | MomentModel


Reads = Mapping[str, Collection[str]]


def make_label_model(
    config: LabelModelConfig,
    cardinality: int,
    *,
    clamp_gold: bool = False,
    reads: Reads | None = None,
    groups: Dependencies | None = None,
) -> AnyModel:
    """The unfitted model that `config` describes.

    Parameters
    ----------
    config : LabelModelConfig
    cardinality : int
        The number of classes k.
    clamp_gold : bool
        Hold items with a known class at that class while fitting (`gold.use: clamp`).
    reads : mapping of str to collections of str, optional
        The columns and resources that each function reads.
    groups : Dependencies, optional
        Groups that were learned already.
    """
    balance: dict[str, Any] = {"class_balance": config.class_balance}
    if config.kind == "majority":
        return MajorityVote(cardinality)
    if config.kind == "weighted":
        given = None if isinstance(config.class_balance, str) else config.class_balance
        return WeightedVote(cardinality, config.weights, class_balance=given)
    if config.kind == "precision":
        return PrecisionVote(cardinality, precision=config.precision, **balance)
    if config.kind == "published_triplet":
        return PublishedTriplet(cardinality, **balance)
    if config.kind == "dawid_skene":
        return DawidSkene(
            cardinality,
            abstain=config.abstain,
            smoothing=config.smoothing,
            one_coin=config.one_coin,
            max_iter=config.max_iter,
            tol=config.tol,
            clamp_gold=clamp_gold,
            **balance,
        )
    if config.kind == "super_lf":
        return SuperLF(
            cardinality,
            groups=config.groups if groups is None else groups,
            max_group=config.max_group,
            reads=reads,
            abstain=config.abstain,
            smoothing=config.smoothing,
            max_iter=config.max_iter,
            tol=config.tol,
            clamp_gold=clamp_gold,
            **balance,
        )
    if config.abstain != "auto":
        balance["abstain"] = config.abstain
    if config.kind == "triplet":
        return Triplet(cardinality, smoothing=config.smoothing, one_vs_rest=config.one_vs_rest, **balance)
    if config.kind == "matrix_completion":
        return MatrixCompletion(
            cardinality, smoothing=config.smoothing, l2=config.l2, max_iter=config.max_iter, seed=config.seed, **balance
        )
    raise ConfigError(f"there is no label model of the kind {config.kind!r} here.")


def fit_model(model: AnyModel, patterns: Patterns, counted: BothMoments | None = None) -> AnyModel:
    """Fit a model from pattern counts, or from the moments that follow from them if that is what it reads.

    Parameters
    ----------
    model : unfitted label model
    patterns : Patterns
        Whole counts.
    counted : BothMoments, optional
        Moments of all items, where the patterns are those of a sample.
    """
    if not isinstance(model, MomentModel):
        return model.fit(patterns)
    both = moments_of(patterns) if counted is None else counted
    known = patterns.gold != ABSTAIN
    # Sums of whole numbers in floating point: exact.
    gold = np.bincount(patterns.gold[known], weights=patterns.counts[known], minlength=patterns.cardinality)
    return model.fit(both.pairs, triples=both.triples, gold_items=gold.astype(np.int64))


def with_balance(config: LabelModelConfig, patterns: Patterns, counted: BothMoments | None = None) -> LabelModelConfig:
    """The configuration with the balance that `class_balance: tensor` finds, for models that take a given one.

    Raises
    ------
    NothingToFit
        If the votes do not tell it.
    """
    if config.class_balance != "tensor":
        return config
    balance = tensor_balance(patterns if counted is None else counted)
    return config.model_copy(update={"class_balance": tuple(balance.tolist())})
