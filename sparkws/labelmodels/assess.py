"""How far a fitted model can be trusted, as far as a configuration asks for it, as plain values.

Refits cost as much as the model's own fit. Where the configuration says `auto` there are as many as some ten
seconds of one core allow, by a count of what there is to do that is the same on every machine; and what was left
out is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparkws.config import LabelModelConfig
from sparkws.errors import NothingToFit
from sparkws.labelmodels.calibration import Calibration, calibrate, calibrated
from sparkws.labelmodels.crossfit import N_FOLDS, Worth, known_by_folds, worth_of
from sparkws.labelmodels.factory import AnyModel
from sparkws.labelmodels.findings import Finding, estimated_accuracy
from sparkws.labelmodels.posterior import class_cpt
from sparkws.labelmodels.refits import Refit, refit_of, work_of
from sparkws.labelmodels.trust import COVERED, MOST_LEFT_OUT, draw_models, intervals, left_out, models_without
from sparkws.stats.patterns import Patterns

MOST_REPLICATES: Final = 50
FEWEST_REPLICATES: Final = 10  # of fewer, the ends of an interval are the two most extreme
FAR_APART: Final = 0.1
_BUDGET: Final = 5e8  # see `work_of`
_SELECTING: Final = 3  # of some of the functions, for each vote of a pattern
_MOST_NUMBERS: Final = 1_000_000  # of models that travel to the workers


@dataclass(frozen=True)
class Assessed:
    """A fitted model and what is known of its reliability.

    Attributes
    ----------
    model : label model
        With its probabilities corrected if that was asked for.
    told : mapping
        Plain values for the report.
    replicates : sequence of label models
        Fitted to items drawn again; empty unless labels are to tell how sure they are.
    without : mapping of str to label model
        By the function that was left out, likewise.
    findings : sequence of Finding
        What was asked for and not done.
    """

    model: AnyModel
    told: Mapping[str, Any]
    replicates: Sequence[AnyModel] = ()
    without: Mapping[str, AnyModel] = field(default_factory=dict)
    findings: Sequence[Finding] = ()


def assess(
    config: LabelModelConfig,
    model: AnyModel,
    patterns: Patterns,
    classes: Sequence[str],
    *,
    gold_use: str,
    share: float = 1.0,
) -> Assessed:
    """Calibrate a model and fit it again to items drawn again and without functions, as the configuration asks.

    Parameters
    ----------
    config : LabelModelConfig
    model : fitted label model
        Its temperature is 1.
    patterns : Patterns
        What it was fitted on, with the known classes that it may see.
    classes : sequence of str
    gold_use : {"evaluate", "dev", "clamp"}
    share : float
        Of what refits may cost where the configuration says `auto`: several models of one task share it.

    Raises
    ------
    NothingToFit
        If too few classes are known to calibrate.
    """
    refit = refit_of(config, model, clamp_gold=gold_use == "clamp")
    rng = np.random.default_rng(config.seed)
    calibration, told_calibration = Calibration(), None
    findings: list[Finding] = []
    if config.calibrate:
        known = known_by_folds(model, patterns, rng, refit if gold_use == "clamp" else None)
        fitted, worth = calibrate(known.probs, known.gold, known.counts), worth_of(known)
        if worth.is_gain:
            calibration = fitted
        else:
            findings.append(_no_gain(fitted, worth))
        told_calibration = {
            "temperature": calibration.temperature,
            "fitted_temperature": fitted.temperature,
            "n_known": fitted.n_known,
            "brier": worth.brier,
            "calibration_error": worth.calibration_error,
        }
    work = work_of(model, patterns) / share
    replicates, drawn = _draw(config, model, patterns, classes, rng, refit, work)
    selecting = _SELECTING * patterns.rows.height * len(patterns.lf_names) / share
    without, left = _leave_out(config, model, patterns, refit, work + selecting)
    told: dict[str, Any] = {"calibration": told_calibration, "bootstrap": drawn, "leave_one_out": left}
    corrected = calibrated(model, calibration)
    if not config.label_intervals:
        return Assessed(corrected, told, findings=findings)
    n_numbers = _size(model) * (len(replicates) + len(without))
    if n_numbers > _MOST_NUMBERS:
        told["label_intervals"] = (
            f"{n_numbers:,} numbers of the models behind them, of which at most {_MOST_NUMBERS:,} are kept"
        )
        return Assessed(corrected, told, findings=findings)
    return Assessed(
        corrected,
        told,
        [calibrated(again, calibration) for again in replicates],
        {name: calibrated(other, calibration) for name, other in without.items()},
        findings,
    )


def _no_gain(fitted: Calibration, worth: Worth) -> Finding:
    before, after = worth.brier
    return Finding(
        "not_calibrated",
        f"A temperature of {fitted.temperature:.3f} from {fitted.n_known:,} items with known classes brings no gain on "
        f"those that it was not fitted on (Brier {before:.4f} -> {after:.4f}, by {N_FOLDS} folds), so probabilities "
        "are left as they are; set label_model.calibrate: false.",
    )


def _draw(
    config: LabelModelConfig,
    model: AnyModel,
    patterns: Patterns,
    classes: Sequence[str],
    rng: np.random.Generator,
    refit: Refit,
    work: float,
) -> tuple[Sequence[AnyModel], dict[str, Any]]:
    n, why_not = _number(config.bootstrap, work, MOST_REPLICATES, FEWEST_REPLICATES, patterns)
    if not n:
        return (), {"n_replicates": 0, "why_not": why_not}
    try:
        replicates = draw_models(refit, patterns, rng, n)
    except NothingToFit as error:
        return (), {"n_replicates": 0, "why_not": str(error)}
    found = intervals(replicates, model, patterns)
    labeled = ~np.isnan(found.confidence[:, 0])
    told: dict[str, Any] = {"n_replicates": found.n_replicates, "why_not": ""}
    told["class_balance"] = dict(zip(classes, found.class_balance.tolist(), strict=True))
    told["steady"] = _share(patterns.counts, labeled & (found.steady >= COVERED), labeled)
    if model.cpt_ is not None:
        estimated = estimated_accuracy(class_cpt(model), model.class_balance_)[0]
        ends = np.column_stack([estimated, found.accuracy])
        rows = [None if np.isnan(row).any() else row.tolist() for row in ends]
        told["accuracy"] = dict(zip(model.lf_names_, rows, strict=True))
    return replicates, told


def _leave_out(
    config: LabelModelConfig, model: AnyModel, patterns: Patterns, refit: Refit, work: float
) -> tuple[Mapping[str, AnyModel], dict[str, Any]]:
    n, why_not = _number(config.leave_one_out, work, MOST_LEFT_OUT, 1, patterns)
    if not n:
        return {}, {"changed": {}, "n_functions": len(patterns.lf_names), "why_not": why_not}
    without = models_without(refit, patterns, n)
    found = left_out(without, model, patterns)
    labeled = ~np.isnan(found.spread)
    told: dict[str, Any] = {"changed": dict(zip(found.names, found.changed.tolist(), strict=True))}
    told["n_functions"] = len(patterns.lf_names)
    told["far_apart"] = _share(patterns.counts, labeled & (found.spread > FAR_APART), labeled)
    return without, {**told, "why_not": ""}


def _number(asked: int | str, work: float, most: int, fewest: int, patterns: Patterns) -> tuple[int, str]:
    """How many refits there are; where none although a number is left open, why."""
    if isinstance(asked, int):
        return asked, ""
    n = int(_BUDGET / max(work, 1.0))
    if n >= fewest:
        return min(n, most), ""
    size = f"{patterns.rows.height:,} patterns of {len(patterns.lf_names):,} functions"
    times = "again" if fewest == 1 else f"{fewest} times again"
    return 0, f"{size} take too long to fit {times} unless a number is given"


def _share(counts: NDArray[np.int64], part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float | None:
    n = int(counts[whole].sum())
    return int(counts[part].sum()) / n if n else None


def _size(model: AnyModel) -> int:
    """The numbers of a model's tables."""
    return len(model.lf_names_) * (model.cardinality + 1) * model.cardinality
