"""The candidates of `label_model.kind: auto`, made from one configuration, and the choice as plain values."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sparkws.config import LabelModelConfig
from sparkws.labelmodels.choose import Choice, Fit, Trial, choose_model
from sparkws.labelmodels.factory import AnyModel, fit_model, make_label_model
from sparkws.labelmodels.heldout import Gain
from sparkws.stats.patterns import Patterns

ABSTAIN_MEANS: Final = ("missing", "outcome")


def choose_for(
    config: LabelModelConfig, patterns: Patterns, classes: Sequence[str], *, gold_use: str
) -> Choice[AnyModel]:
    """The model that `auto` takes for some pattern counts.

    Parameters
    ----------
    config : LabelModelConfig
        Its options are those of the candidates.
    patterns : Patterns
        Whole counts, with levels, which tell the halves of the items apart.
    classes : sequence of str
    gold_use : {"evaluate", "dev", "clamp"}
        Whether fits and the choice may see known classes.
    """

    def fit(**changed: Any) -> Fit[AnyModel]:
        options = config.model_copy(update=changed)
        return lambda counted: fit_model(
            make_label_model(options, len(classes), clamp_gold=gold_use == "clamp"), counted
        )

    meanings = ABSTAIN_MEANS if config.abstain == "auto" else (config.abstain,)
    return choose_model(
        ("precision", fit(kind="precision")),
        fit(kind="majority"),
        {f"dawid_skene, abstain {meaning}": fit(kind="dawid_skene", abstain=meaning) for meaning in meanings},
        patterns,
        classes,
        np.random.default_rng(config.seed),
        with_gold=gold_use != "evaluate",
    )


def told(choice: Choice[AnyModel]) -> dict[str, Any]:
    """A choice as plain values."""
    trials = [_told(trial) for trial in choice.trials]
    return {"name": choice.name, "reason": choice.reason, "trials": trials}


def _told(trial: Trial) -> dict[str, Any]:
    def plain(gain: Gain | None) -> dict[str, float] | None:
        return None if gain is None else {"per_item": gain.per_item, "error": gain.error}

    return {
        "name": trial.name,
        "heldout_gain": plain(trial.gain),
        "accuracy_gain": plain(trial.known),
        "against": list(trial.against),
    }
