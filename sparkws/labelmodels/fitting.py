"""From counts to a fitted label model and to what has to be said of it, beside majority vote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkws.checks import first_few
from sparkws.config import LabelModelConfig
from sparkws.errors import NothingToFit
from sparkws.labelmodels.assess import Assessed, assess
from sparkws.labelmodels.choose import Choice
from sparkws.labelmodels.chosen import choose_and_fit
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.edges import Dependencies
from sparkws.labelmodels.factory import AnyModel, MomentModel, Reads, fit_model, make_label_model, with_balance
from sparkws.labelmodels.guard import check_model
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import compare
from sparkws.labelmodels.modelreport import ModelReport, how_fitted
from sparkws.labelmodels.polish import Carry, polish
from sparkws.labelmodels.sampling import standard_error, standard_errors
from sparkws.labelmodels.subset import counters_of, options_of
from sparkws.labelmodels.superlf import SuperLF
from sparkws.modeloptions import chosen_functions
from sparkws.stats import joint
from sparkws.stats.analysis import lf_summary
from sparkws.stats.counters import Counters
from sparkws.stats.joint import BothMoments
from sparkws.stats.patterns import Patterns, collapse, select, unpack
from sparkws.stats.softness import soft_votes


@dataclass(frozen=True)
class Fitted:
    """A label model, and what has to be said of it."""

    model: AnyModel
    report: ModelReport
    assessed: Assessed


def fit_label_model(
    config: LabelModelConfig,
    patterns: Patterns,
    counters: Counters,
    classes: Sequence[str],
    *,
    gold_use: str = "evaluate",
    max_fault_rate: float = 1.0,
    level: int = 0,
    carry: Carry | None = None,
    moments: BothMoments | None = None,
    reads: Reads | None = None,
    share: float = 1.0,
) -> Fitted:
    """Fit the configured model from pattern counts, and compare it with majority vote.

    Parameters
    ----------
    patterns : Patterns
        Of all items, or of the sample of those of `level` or more.
    counters : Counters
        Of all items.
    gold_use : {"evaluate", "dev", "clamp"}
        Whether the fit may see known classes: not at all, for the class balance, or held fixed.
    max_fault_rate : float
        A function that faulted on a larger share of the items takes no part.
    level : int
        The patterns are those of a 2^-level sample of the items.
    carry : callable, optional
        Gives a kernel's statistic of the patterns of all items; a fit from a sample is polished by it.
    moments : BothMoments, optional
        Of all items, for models that are fitted from moments; else they follow from the patterns.
    reads : mapping of str to collections of str, optional
        The columns and resources that each function reads.
    share : float
        Of what refits may cost, see `assess`.

    Raises
    ------
    NothingToFit
        If every function faulted too often, or none voted.
    """
    if not counters.n_items:
        raise NothingToFit("the votes table has no items, so there is nothing to label; does the source have rows?")
    chosen, out = _taking_part(config, counters, max_fault_rate)
    with_levels = select(patterns, [name for name in chosen if name not in out])
    counted = collapse(with_levels)
    seen = collapse(counted, keep_gold=False) if gold_use == "evaluate" else counted
    both = None if moments is None else joint.select(moments, counted.lf_names)
    balanced = with_balance(options_of(config, counted.lf_names), seen, both)
    model, choice = _fit(balanced, with_levels, seen, both, classes, gold_use=gold_use, reads=reads)
    model, sample = _beyond_sample(balanced, model, seen, counters, level, carry, of_all=both is not None)
    assessed = assess(balanced, model, seen, classes, gold_use=gold_use, share=share)
    own = counters_of(chosen, counters, patterns, level, carry)
    report = ModelReport(
        **_of_fit(config, model, choice, sample, classes),
        n_items=counters.n_items,
        n_patterns=counted.rows.height,
        left_out=out,
        not_chosen=[name for name in counters.lf_names if name not in chosen],
        lf_summary=summary(own),
        soft_votes=soft_votes(own),
        gold_use=gold_use,
        # Before any correction, which is measured by itself: `metrics` must not be of labels that it was fitted on.
        metrics=_compare(model, counted),
        **assessed.told,
        warnings=[*check_model(model, counted, classes, out, own), *assessed.findings],
    )
    return Fitted(assessed.model, report, assessed)


def _fit(
    config: LabelModelConfig,
    patterns: Patterns,
    seen: Patterns,
    both: BothMoments | None,
    classes: Sequence[str],
    *,
    gold_use: str,
    reads: Reads | None,
) -> tuple[AnyModel, Choice[AnyModel] | None]:
    """The configured model, and where `auto` took it why; `patterns` have levels, `seen` what a fit may see."""
    if config.kind == "auto":
        return choose_and_fit(config, patterns, classes, gold_use=gold_use, reads=reads)
    unfitted = make_label_model(config, len(classes), clamp_gold=gold_use == "clamp", reads=reads)
    return fit_model(unfitted, seen, both), None


def _taking_part(
    config: LabelModelConfig, counters: Counters, max_fault_rate: float
) -> tuple[tuple[str, ...], list[str]]:
    """The functions that the configuration chooses, and those of them that faulted too often to take part."""
    chosen = chosen_functions(config, counters.lf_names)
    out = [name for name in faulty(counters, max_fault_rate) if name in chosen]
    if len(out) == len(chosen):
        raise NothingToFit(
            f"all {len(out)} labeling functions faulted on more than {max_fault_rate:.1%} of the items: "
            f"{first_few(out)}. Look at the faults table, mend them, or raise max_fault_rate."
        )
    return chosen, out


@dataclass(frozen=True)
class _Sample:
    """What a report tells of the sample behind a fit."""

    level: int
    largest_error: float | None
    polish: Mapping[str, Any] | None


def _beyond_sample(
    config: LabelModelConfig,
    model: AnyModel,
    seen: Patterns,
    counters: Counters,
    level: int,
    carry: Carry | None,
    *,
    of_all: bool,
) -> tuple[AnyModel, _Sample]:
    """The model of a sample, polished if that is asked for, with the error that the sample brings or has left.

    `of_all`: there are moments of all items, so that a model of moments is of no sample.
    """
    if of_all and isinstance(model, MomentModel):
        return model, _Sample(0, None, None)
    if not level or not isinstance(model, DawidSkene):
        return model, _Sample(level, None, None)
    rng = np.random.default_rng(config.seed)
    if not config.polish or carry is None:
        return model, _Sample(level, standard_error(model, seen, level, rng).largest, None)
    polished = polish(model, counters, carry, config.polish)
    before, after = (errors.largest for errors in standard_errors(model, seen, level, rng, polished.n_polish_))
    told = {
        "n_steps": polished.n_polish_,
        "converged": polished.converged_,
        "sample_level": level,
        "largest_standard_error_before": before,
    }
    return polished, _Sample(0 if polished.converged_ else level, after, told)


def _of_fit(
    config: LabelModelConfig,
    model: AnyModel,
    choice: Choice[AnyModel] | None,
    sample: _Sample,
    classes: Sequence[str],
) -> dict[str, Any]:
    """What a report tells of how the model came about."""
    by_tensor = {"balance_source": "tensor"} if config.class_balance == "tensor" else {}
    return {
        **how_fitted(model, classes),
        **by_tensor,
        "choice": None if choice is None else choice.to_plain(),
        "level": sample.level,
        "largest_standard_error": sample.largest_error,
        "polish": sample.polish,
        "dependencies": _dependencies(model, None if choice is None else choice.dependencies),
    }


def _dependencies(model: AnyModel, found: Dependencies | None) -> dict[str, Any] | None:
    """The functions that depend on each other, with the evidence, and whether the model counts them once."""
    if isinstance(model, SuperLF):
        learned = {} if model.dependencies_ is None else model.dependencies_.to_plain()
        return {**learned, "groups": [list(group) for group in model.groups_], "counted_once": True}
    return None if found is None else {**found.to_plain(), "counted_once": False}


def faulty(counters: Counters, max_fault_rate: float) -> list[str]:
    """The functions that faulted on more than this share of the items."""
    rates = counters.faults / max(counters.n_items, 1)
    return [name for name, rate in zip(counters.lf_names, rates, strict=True) if rate > max_fault_rate]


def _compare(model: AnyModel, patterns: Patterns) -> dict[str, dict[str, Any]]:
    """Measures of the model and of majority vote, by kind; empty without known classes."""
    L = unpack(patterns)
    candidates = {one.kind: one.posterior(L) for one in (model, MajorityVote(model.cardinality).fit(patterns))}
    return compare(candidates, patterns.gold, patterns.counts)


def summary(counters: Counters) -> list[dict[str, Any]]:
    """What is told of each function."""
    # Often only a sample of the items has gold: accuracy is over the votes on those.
    rows = lf_summary(counters, accuracy_over="gold").to_dicts()
    return [{**row, "Faults": int(n)} for row, n in zip(rows, counters.faults, strict=True)]
