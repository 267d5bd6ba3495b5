"""Which options of a label model each kind reads, and which functions: what is set and not read is refused.

The models are made from this table, see `labelmodels.factory`, so that it cannot say something else than what is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import ConfigError

if TYPE_CHECKING:
    from sparkws.config import LabelModelConfig

_EM: Final = ("class_balance", "abstain", "smoothing", "max_iter", "tol")

# Options that no kind has here are read by every kind: what is made of the labels, and how they are trusted.
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    # Of its candidates; it tries both one_coin and the full tables by itself.
    "auto": (*_EM, "groups", "max_group", "precision", "polish"),
    "majority": (),
    "weighted": ("class_balance", "weights"),
    "precision": ("class_balance", "precision"),
    "dawid_skene": (*_EM, "one_coin", "polish"),
    "super_lf": (*_EM, "groups", "max_group"),
    "triplet": ("class_balance", "abstain", "smoothing", "one_vs_rest"),
    "published_triplet": ("class_balance",),
    "matrix_completion": ("class_balance", "abstain", "smoothing", "l2", "max_iter"),
}
_OF_SOME: Final = frozenset(option for options in OPTIONS.values() for option in options)


def not_read(kind: str, options: Iterable[str]) -> tuple[str, ...]:
    """Those of some options that a kind of label model does not read.

    >>> not_read("majority", ["one_coin", "seed"])
    ('one_coin',)
    """
    return tuple(option for option in options if option in _OF_SOME and option not in OPTIONS[kind])


def readers(option: str) -> tuple[str, ...]:
    """The kinds that read an option.

    >>> readers("max_group")
    ('auto', 'super_lf')
    """
    return tuple(kind for kind, options in OPTIONS.items() if option in options)


def refusal(kind: str, options: Iterable[str]) -> str:
    """The sentence about options that a kind does not read.

    >>> refusal("majority", ["l2"])
    "kind: majority does not read 'l2' (of matrix_completion); leave it out, or take another kind"
    """
    listed = list(options)
    told = ", ".join(f"{option!r} (of {', '.join(readers(option))})" for option in listed[:3])
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return (
        f"kind: {kind} does not read {told}{more}; leave {'it' if len(listed) == 1 else 'them'} out, or take another "
        "kind"
    )


def chosen_functions(config: "LabelModelConfig", lf_names: Sequence[str]) -> tuple[str, ...]:
    """The functions that the label model reads, in the order of the votes.

    Raises
    ------
    ConfigError
        If the configuration names one that does not vote, leaves none, or lacks the weight of one.

    Examples
    --------
    >>> from sparkws.config import LabelModelConfig
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
