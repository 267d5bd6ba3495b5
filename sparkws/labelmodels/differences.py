"""Whether a stored label model is of the functions and classes that it is to be used with; what differs is told."""

from collections.abc import Mapping, Sequence
from typing import Final

from sparkws.checks import first_few
from sparkws.errors import IncompatibleStatistics

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
