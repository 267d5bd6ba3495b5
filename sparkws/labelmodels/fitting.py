"""From counts to a fitted label model and to what has to be said of it, beside majority vote."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sparkws.checks import first_few
from sparkws.config import LabelModelConfig
from sparkws.errors import NothingToFit
from sparkws.labelmodels import auto
from sparkws.labelmodels.assess import Assessed, assess
from sparkws.labelmodels.chosen import choose_and_fit
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.edges import Dependencies
from sparkws.labelmodels.factory import AnyModel, MomentModel, Reads, fit_model, make_label_model, with_balance
from sparkws.labelmodels.guard import check_model
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import compare
from sparkws.labelmodels.polish import Carry, polish
from sparkws.labelmodels.sampling import standard_error, standard_errors
from sparkws.labelmodels.subset import chosen_functions, counters_of, options_of
from sparkws.labelmodels.superlf import SuperLF
from sparkws.stats import joint
from sparkws.stats.analysis import lf_summary
from sparkws.stats.counters import Counters
from sparkws.stats.joint import BothMoments
from sparkws.stats.patterns import Patterns, collapse, select, unpack
from sparkws.stats.softness import soft_votes


@dataclass(frozen=True)
class Fitted:
    """A label model, and what has to be said of it as plain values."""

    model: AnyModel
    report: Mapping[str, Any]
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
    taking_part = [name for name in chosen if name not in out]
    counted = collapse(select(patterns, taking_part))
    seen = collapse(counted, keep_gold=False) if gold_use == "evaluate" else counted
    both = None if moments is None else joint.select(moments, taking_part)
    source = "tensor" if config.class_balance == "tensor" else None
    config = with_balance(options_of(config, taking_part), seen, both)
    choice = None
    if config.kind == "auto":
        model, choice = choose_and_fit(config, select(patterns, taking_part), classes, gold_use=gold_use, reads=reads)
    else:
        unfitted = make_label_model(config, len(classes), clamp_gold=gold_use == "clamp", reads=reads)
        model = fit_model(unfitted, seen, both)
    of_all = both is not None and isinstance(model, MomentModel)
    sample = _Sample(0 if of_all else level, None, None)
    if level and isinstance(model, DawidSkene):
        model, sample = _beyond_sample(config, model, seen, counters, level, carry)
    own = counters_of(chosen, counters, patterns, level, carry)
    assessed = assess(config, model, seen, classes, gold_use=gold_use, share=share)
    findings = [*check_model(model, counted, classes, out, own), *assessed.findings]
    report = {
        "kind": model.kind,
        "choice": None if choice is None else auto.told(choice),
        "class_balance": dict(zip(classes, model.class_balance_.tolist(), strict=True)),
        "balance_source": source or getattr(model, "balance_source_", "votes"),
        "abstain": getattr(model, "abstain_", None),
        "n_iter": model.n_iter_,
        "converged": model.converged_,
        "log_likelihood": model.log_likelihood_,
        "n_items": counters.n_items,
        "n_patterns": counted.rows.height,
        "level": sample.level,
        "largest_standard_error": sample.largest_error,
        "polish": sample.polish,
        "dependencies": _dependencies(model, None if choice is None else choice.dependencies),
        "left_out": out,
        "not_chosen": [name for name in counters.lf_names if name not in chosen],
        "lf_summary": summary(own),
        "soft_votes": soft_votes(own),
        "gold_use": gold_use,
        # Before any correction, which is measured by itself: `metrics` must not be of labels that it was fitted on.
        "metrics": _compare(model, counted),
        **assessed.told,
        "warnings": [asdict(finding) for finding in findings],
    }
    return Fitted(assessed.model, report, assessed)


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
    model: DawidSkene,
    seen: Patterns,
    counters: Counters,
    level: int,
    carry: Carry | None,
) -> tuple[DawidSkene, _Sample]:
    """The model of a sample, polished if that is asked for, with the error that the sample brings or has left."""
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
