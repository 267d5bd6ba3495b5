"""How far a fitted model can be trusted, as far as a configuration asks for it, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sparkws.config import LabelModelConfig
from sparkws.labelmodels.calibration import Calibration, calibrate, calibrated
from sparkws.labelmodels.crossfit import N_FOLDS, Worth, known_by_folds, worth_of
from sparkws.labelmodels.factory import AnyModel
from sparkws.labelmodels.findings import Finding
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.refits import refit_of, work_of
from sparkws.labelmodels.refitted import refit_all, told_of_bootstrap, told_of_leaving_out, too_large
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.patterns import Patterns


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
        Fitted to bootstrap samples; empty unless labels are to tell how sure they are and the model estimates anything.
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
    """Calibrate a model and fit it again to bootstrap samples and without functions, as the configuration asks.

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
        Of what refits may cost where the configuration says `auto`, and of what may be kept of them: several models
        of one task share it.

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
    refitted = refit_all(
        refit,
        patterns,
        rng,
        bootstrap=config.bootstrap,
        leave_one_out=config.leave_one_out,
        work=work_of(model, patterns),
        share=share,
    )
    told: dict[str, Any] = {
        "calibration": told_calibration,
        "bootstrap": told_of_bootstrap(refitted, model, patterns, classes),
        "leave_one_out": told_of_leaving_out(refitted, model, patterns),
    }
    corrected = calibrated(model, calibration)
    if not config.label_intervals:
        return Assessed(corrected, told, findings=findings)
    too_many = too_large(refitted, _size(model), share)
    if too_many:
        return Assessed(corrected, {**told, "label_intervals": too_many}, findings=findings)
    kept = refitted.map(lambda again: calibrated(again, calibration))
    if kept.replicates and isinstance(model, MajorityVote | WeightedVote):
        told["label_intervals"] = _nothing_estimated(model)
        kept = replace(kept, replicates=())
    return Assessed(corrected, told, kept.replicates, kept.without or {}, findings)


def _nothing_estimated(model: MajorityVote | WeightedVote) -> str:
    """Why labels have no interval: whatever the items are, the ends would be the probability itself."""
    return (
        f"{model.kind} estimates nothing that other items would change, so confidence_low and confidence_high are NULL"
    )


def _no_gain(fitted: Calibration, worth: Worth) -> Finding:
    before, after = worth.brier
    return Finding(
        "not_calibrated",
        f"A temperature of {fitted.temperature:.3f} from {fitted.n_known:,} items with known classes brings no gain on "
        f"those that it was not fitted on (Brier {before:.4f} -> {after:.4f}, by {N_FOLDS} folds), so probabilities "
        "are left as they are; set label_model.calibrate: false.",
    )


def _size(model: AnyModel) -> int:
    """The numbers of a model's tables."""
    return len(model.lf_names_) * (model.cardinality + 1) * model.cardinality
