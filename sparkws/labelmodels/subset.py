"""Which labeling functions a label model is fitted on: all, or those that the configuration chooses."""

from collections.abc import Sequence

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
        If the configuration names one that does not vote, or leaves none.

    Examples
    --------
    >>> chosen_functions(LabelModelConfig(exclude=("b",)), ["a", "b", "c"])
    ('a', 'c')
    """
    for key, names in (("lfs", config.lfs or ()), ("exclude", config.exclude)):
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
    return chosen


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
