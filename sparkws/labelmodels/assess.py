"""How far a fitted model can be trusted, as far as a configuration asks for it, as plain values.

Refits cost as much as the model's own fit. Where the configuration says `auto` there are as many as some ten
seconds of one core allow, by a count of what there is to do that is the same on every machine; and what was left
out is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from sparkws.config import LabelModelConfig
from sparkws.errors import NothingToFit
from sparkws.labelmodels.calibration import calibrate, calibrated
from sparkws.labelmodels.crossfit import known_by_folds, worth_of
from sparkws.labelmodels.factory import AnyModel
from sparkws.labelmodels.guard import estimated_accuracy
from sparkws.labelmodels.posterior import class_cpt
from sparkws.labelmodels.refits import Refit, refit_of, work_of
from sparkws.labelmodels.trust import draw_models, intervals
from sparkws.stats.patterns import Patterns

MOST_REPLICATES: Final = 50
FEWEST_REPLICATES: Final = 10  # of fewer, the ends of an interval are the two most extreme
_BUDGET: Final = 5e8  # see `work_of`


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
        Fitted to items drawn again.
    """

    model: AnyModel
    told: Mapping[str, Any]
    replicates: Sequence[AnyModel] = field(default=())


def assess(
    config: LabelModelConfig, model: AnyModel, patterns: Patterns, classes: Sequence[str], *, gold_use: str
) -> Assessed:
    """Calibrate a model and draw its replicates, as the configuration asks.

    Parameters
    ----------
    config : LabelModelConfig
    model : fitted label model
        Its temperature is 1.
    patterns : Patterns
        What it was fitted on, with the known classes that it may see.
    classes : sequence of str
    gold_use : {"evaluate", "dev", "clamp"}

    Raises
    ------
    NothingToFit
        If too few classes are known to calibrate.
    """
    refit = refit_of(config, model, clamp_gold=gold_use == "clamp")
    rng = np.random.default_rng(config.seed)
    corrected, calibration = _calibrate(model, patterns, rng, refit if gold_use == "clamp" else None, config)
    replicates, drawn = _bootstrap(config, model, patterns, classes, rng, refit)
    return Assessed(corrected, {"calibration": calibration, "bootstrap": drawn}, replicates)


def _calibrate(
    model: AnyModel, patterns: Patterns, rng: np.random.Generator, untold: Refit | None, config: LabelModelConfig
) -> tuple[AnyModel, dict[str, Any] | None]:
    if not config.calibrate:
        return model, None
    known = known_by_folds(model, patterns, rng, untold)
    found = calibrate(known.probs, known.gold, known.counts)
    return calibrated(model, found), {**asdict(found), **asdict(worth_of(known))}


def _bootstrap(
    config: LabelModelConfig,
    model: AnyModel,
    patterns: Patterns,
    classes: Sequence[str],
    rng: np.random.Generator,
    refit: Refit,
) -> tuple[Sequence[AnyModel], dict[str, Any]]:
    n, why_not = config.bootstrap, ""
    if n == "auto":
        n, why_not = _affordable(model, patterns, MOST_REPLICATES, FEWEST_REPLICATES)
    if not n:
        return (), {"n_replicates": 0, "why_not": why_not}
    try:
        replicates = draw_models(refit, patterns, rng, n)
    except NothingToFit as error:
        return (), {"n_replicates": 0, "why_not": str(error)}
    found = intervals(replicates, model, patterns)
    told: dict[str, Any] = {"n_replicates": found.n_replicates, "why_not": ""}
    told["class_balance"] = dict(zip(classes, found.class_balance.tolist(), strict=True))
    if model.cpt_ is not None:
        estimated = estimated_accuracy(class_cpt(model), model.class_balance_)[0]
        ends = np.column_stack([estimated, found.accuracy])
        rows = [None if np.isnan(row).any() else row.tolist() for row in ends]
        told["accuracy"] = dict(zip(model.lf_names_, rows, strict=True))
    return replicates, told


def _affordable(model: AnyModel, patterns: Patterns, most: int, fewest: int) -> tuple[int, str]:
    """How many refits a configuration that leaves it open gets, and why none."""
    n = int(_BUDGET / max(work_of(model, patterns), 1.0))
    if n >= fewest:
        return min(n, most), ""
    size = f"{patterns.rows.height:,} patterns of {len(patterns.lf_names):,} functions"
    return 0, f"{size} take too long to fit {fewest} times again unless a number is given"
