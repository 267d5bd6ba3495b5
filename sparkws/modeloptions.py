"""Which options of a label model each kind reads: what is set and not read is refused, never passed over.

The models are made from this table, see `labelmodels.factory`, so that it cannot say something else than what is read.
"""

from collections.abc import Iterable, Mapping
from typing import Final

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
