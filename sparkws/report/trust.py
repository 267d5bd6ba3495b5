"""How far a label model can be trusted, as lines of a report."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sparkws.labelmodels.crossfit import N_FOLDS
from sparkws.labelmodels.refitted import FAR_APART
from sparkws.labelmodels.trust import COVERED

_MOST_CLASSES: Final = 10
_MOST_FUNCTIONS: Final = 5
_NOTHING: Final = 1e-9
_SEEN: Final = 0.001  # by one digit of a percentage


def estimated_accuracies(model: Mapping[str, Any], lf_names: Iterable[str]) -> list[str] | None:
    """The estimated accuracy of each function with its interval; None where a model has no tables."""
    accuracy = (model.get("bootstrap") or {}).get("accuracy")
    if accuracy is None:
        return None
    found = [accuracy.get(name) for name in lf_names]
    return ["-" if ends is None else _accuracy(*ends) for ends in found]


def _accuracy(estimate: float, low: float, high: float) -> str:
    # What no drawing of items changes is no estimate: the precision of functions of one class, for example.
    return f"{estimate:.2f} ({low:.2f}-{high:.2f})" if high - low > _NOTHING else f"{estimate:.2f} fixed"


def trust_lines(model: Mapping[str, Any]) -> list[str]:
    """What calibration and refits found; nothing of those that were not asked for."""
    return [
        *_calibration(model.get("calibration")),
        *_bootstrap(
            model.get("bootstrap"),
            model["class_balance"],
            model["balance_source"],
            is_sample=bool(model.get("polish") or model["level"]),
        ),
        *_leave_one_out(model.get("leave_one_out")),
        *([f"labels do not tell how sure they are: {model['label_intervals']}"] if "label_intervals" in model else []),
    ]


def _calibration(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    (brier, brier_after), (error, error_after) = found["brier"], found["calibration_error"]
    fitted = found["fitted_temperature"]
    done = "calibrated" if found["temperature"] == fitted else "not calibrated, because that is no gain,"
    return [
        f"{done} by a temperature of {fitted:.3f} from {found['n_known']:,} items with known "
        f"classes; on items that it was not fitted on, by {N_FOLDS} folds: Brier {brier:.4f} -> {brier_after:.4f}, "
        f"calibration error {error:.4f} -> {error_after:.4f}"
    ]


def _bootstrap(
    found: Mapping[str, Any] | None, class_balance: Mapping[str, float], source: str, *, is_sample: bool
) -> list[str]:
    if found is None or not (found["n_replicates"] or found["why_not"]):
        return []
    if not found["n_replicates"]:
        return [f"no intervals: {found['why_not']}"]
    if "accuracy" not in found:
        return []  # a vote by given weights estimates nothing that other items would change
    greatest = sorted(class_balance, key=lambda name: -class_balance[name])[:_MOST_CLASSES]
    spans = {name: found["class_balance"][name] for name in class_balance if name in greatest}
    shown = [f"{name} {_span(ends)}" for name, ends in spans.items()]
    # A balance that is given or uniform is the same whatever the items are.
    balance = any(high - low > _NOTHING for low, high in spans.values())
    # What the votes did not tell is no estimate: it is told by name.
    of = "class balance"
    if source.startswith("volume"):
        of = source.replace("volume", "volume of voting")
    elif source == "one_coin":
        of = "class balance as if functions erred equally often in all classes (one_coin)"
    told = f"the {of} and accuracies (Est. Acc.)" if balance else "accuracies (Est. Acc.)"
    steady = []
    if found["steady"] is not None:
        steady = [f"{_percent(found['steady'])} of the labels are the same in {COVERED:.0%} of them"]
    # Of all items they would be narrower: the fit from the sample is repeated, not what polished it.
    items = "sampled items" if is_sample else "items"
    held = ["the class balance by tensor is held in them"] if source == "tensor" else []
    figures = "; ".join([*([", ".join(shown)] if balance else []), *held, *steady])
    fits = f"{found['n_replicates']} fits to bootstrap samples of the {items}"
    return [f"{COVERED:.0%} intervals, if the model holds, of {told}, from {fits}{': ' if figures else ''}{figures}"]


def _leave_one_out(found: Mapping[str, Any] | None) -> list[str]:
    if found is None or not (found["changed"] or found["why_not"]):
        return []
    if not found["changed"]:
        return [f"no function was left out: {found['why_not']}"]
    changed = sorted(found["changed"].items(), key=lambda entry: -entry[1])
    most = ", ".join(f"{name} {_percent(share)}" for name, share in changed[:_MOST_FUNCTIONS] if share)
    tried = len(changed)
    n = found["n_functions"]
    of = "the only function" if n == 1 else f"one of {tried} of {n} functions" if tried < n else f"one of {n} functions"
    far = ""
    if found["far_apart"] is not None:
        far = f"; the probabilities of {_percent(found['far_apart'])} of the labels differ by more than {FAR_APART}"
    return [f"labels that change when {of} is left out: {most or 'none'}{far}"]


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= _SEEN or not share else f"less than {_SEEN:.1%}"


def _span(ends: Sequence[float]) -> str:
    return "{:.3f} to {:.3f}".format(*ends)
