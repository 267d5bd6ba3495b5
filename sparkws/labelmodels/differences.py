"""Whether a label model is of the functions and classes that it is to be used with; what differs is told."""

from collections.abc import Mapping, Sequence
from typing import Final

from sparkws.checks import first_few
from sparkws.errors import IncompatibleStatistics
from sparkws.labelmodels.labelmodel import LabelModel

_MOST_TOLD: Final = 12


def check_functions(
    had: Sequence[str], then: Mapping[str, str], lf_names: Sequence[str] | None, now: Mapping[str, str]
) -> None:
    """Refuse votes of other functions than a model was fitted on.

    Parameters
    ----------
    had : sequence of str
        The functions of the model.
    then : mapping of str to str
        Their fingerprints, as far as they were stored.
    lf_names : sequence of str, optional
        The functions of the votes, where they must be the same.
    now : mapping of str to str
        Their fingerprints, as far as they are known.

    Raises
    ------
    IncompatibleStatistics
        With all that were added, removed or changed.
    """
    there = had if lf_names is None else lf_names
    differs = {
        "added": sorted(set(there) - set(had)),
        "removed": sorted(set(had) - set(there)),
        "changed": [name for name in had if name in now and then.get(name, now[name]) != now[name]],
    }
    told = ", ".join(f"{how} {first_few(names, _MOST_TOLD)}" for how, names in differs.items() if names)
    if told:
        raise IncompatibleStatistics(f"the labeling functions are not those of the label model: {told}; fit it again.")


def check_same_functions(what: str, lf_names: Sequence[str], model: LabelModel) -> None:
    """Refuse a statistic of other functions than a model's, or in another order; `what` it is, as "patterns".

    Raises
    ------
    IncompatibleStatistics
        With the functions of both.
    """
    if tuple(lf_names) != model.lf_names_:
        raise IncompatibleStatistics(
            f"the {what} are of {first_few(lf_names, _MOST_TOLD)}, the label model of "
            f"{first_few(model.lf_names_, _MOST_TOLD)}; select the same labeling functions in the same order."
        )


def check_names_of_classes(model: LabelModel, classes: Sequence[str]) -> None:
    """Refuse more or fewer names than a model has classes.

    Raises
    ------
    IncompatibleStatistics
        With both numbers.
    """
    if len(classes) != model.cardinality:
        raise IncompatibleStatistics(f"the label model has {model.cardinality} classes, got names for {len(classes)}.")


def check_classes(expected: Sequence[str], found: Sequence[str]) -> None:
    """Refuse a model of other classes, whatever their order.

    Raises
    ------
    IncompatibleStatistics
        With those that differ.
    """
    lacks, strange = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if lacks or strange:
        raise IncompatibleStatistics(
            f"the label model is of other classes: it lacks {first_few(lacks)} and has {first_few(strange)} instead; "
            "fit it again."
        )
