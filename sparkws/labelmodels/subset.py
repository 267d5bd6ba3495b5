"""A label model of some of the labeling functions: its options, and counters as if there were no others."""

from collections.abc import Collection
from typing import Any

from sparkws.config import LabelModelConfig
from sparkws.labelmodels.polish import Carry
from sparkws.stats import counters as counting
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.patterns import Patterns, select


def options_of(config: LabelModelConfig, taking_part: Collection[str]) -> LabelModelConfig:
    """The options without what they say of functions that take no part.

    >>> config = LabelModelConfig(kind="super_lf", groups=(("a", "b", "c"), ("d", "e")))
    >>> options_of(config, ["a", "b", "d"]).groups
    (('a', 'b'),)
    """
    changed: dict[str, Any] = {}
    if config.weights:
        changed["weights"] = {name: weight for name, weight in config.weights.items() if name in taking_part}
    if config.groups != "auto":
        groups = (tuple(name for name in group if name in taking_part) for group in config.groups)
        changed["groups"] = tuple(group for group in groups if len(group) > 1)
    return config.model_copy(update=changed)


def counters_of(
    chosen: tuple[str, ...], counters: Counters, patterns: Patterns, level: int, carry: Carry | None
) -> Counters:
    """The counters of some functions, as if there were no others: overlaps and conflicts are counted anew.

    Parameters
    ----------
    counters : Counters
        Of all functions and items.
    patterns : Patterns
        Of all functions, and of a 2^-level sample of the items.
    carry : callable, optional
        Gives a kernel's statistic of the patterns of all items: where those in memory are a sample.
    """
    if chosen == counters.lf_names:
        return counters
    if level and carry is not None:
        counted = carry(CountersKernel(counters.lf_names, counters.cardinality, chosen, counters.grids))
    else:
        counted = counting.of_patterns(select(patterns, chosen))
    return with_faults_of(counted, counters)


def with_faults_of(counted: Counters, counters: Counters) -> Counters:
    """The counters of some functions with the faults that `counters` of all knows."""
    faults = dict(zip(counters.lf_names, counters.faults.tolist(), strict=True))
    return counting.with_faults(counted, {name: faults[name] for name in counted.lf_names})
