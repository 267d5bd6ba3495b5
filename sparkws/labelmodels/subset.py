"""Which labeling functions a label model is fitted on: all, or those that the configuration chooses."""

from collections.abc import Collection, Sequence
from typing import Any

from sparkws.checks import did_you_mean, first_few
from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError
from sparkws.labelmodels.polish import Carry
from sparkws.stats import counters as counting
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.patterns import Patterns, select


def chosen_functions(config: LabelModelConfig, lf_names: Sequence[str]) -> tuple[str, ...]:
    """The functions that the label model reads, in the order of the votes.

    Raises
    ------
    ConfigError
        If the configuration names one that does not vote, leaves none, or lacks the weight of one.

    Examples
    --------
    >>> chosen_functions(LabelModelConfig(exclude=("b",)), ["a", "b", "c"])
    ('a', 'c')
    """
    groups = () if config.groups == "auto" else config.groups
    named = {
        "lfs": config.lfs or (),
        "exclude": config.exclude,
        "weights": tuple(config.weights),
        "groups": tuple(name for group in groups for name in group),
    }
    for key, names in named.items():
        unknown = [name for name in names if name not in lf_names]
        if unknown:
            raise ConfigError(
                f"'label_model.{key}' names {first_few(unknown)}, which do not vote on the task; it has "
                f"{first_few(lf_names, 12)}.{did_you_mean(unknown[0], lf_names)}"
            )
    wanted = lf_names if config.lfs is None else config.lfs
    chosen = tuple(name for name in lf_names if name in wanted and name not in config.exclude)
    if not chosen:
        raise ConfigError(
            f"'label_model.lfs' and 'label_model.exclude' leave none of {first_few(lf_names)}; at least one labeling "
            "function must take part."
        )
    lacks = [] if config.kind != "weighted" else [name for name in chosen if name not in config.weights]
    if lacks:
        raise ConfigError(
            f"'label_model.weights' lacks {first_few(lacks)}; give each labeling function a weight, 0 to ignore it, or "
            "leave it out by 'label_model.exclude'."
        )
    return chosen


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
