"""What is found of a fitted model, and what its fit itself says of how it ended."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import first_few
from sparkws.labelmodels.edges import Dependencies
from sparkws.labelmodels.posterior import LabelModel


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes
    ----------
    code : str
        One of `no_votes_for_class`, `few_overlaps`, `out_for_faults`, `class_never_predicted`,
        `repeated`, `contradicts_votes`, `collapsed`, `worse_than_majority`, `below_chance`,
        `not_converged`, `not_identified`, `not_calibrated`.
    message : str
        What was found, in plain words.
    """

    code: str
    message: str


def not_converged(model: LabelModel) -> list[Finding]:
    """That the fit stopped at its largest number of iterations, if it did."""
    if model.converged_:
        return []
    return [
        Finding("not_converged", f"{model.kind} had not converged after {model.n_iter_:,} iterations; raise max_iter.")
    ]


def not_identified(model: LabelModel) -> list[Finding]:
    """What the votes do not tell about a model, so that it has guessed: dependence, the class balance, functions."""
    return [*_dependent(model), *_balance(model), *_functions(model)]


def _dependent(model: LabelModel) -> list[Finding]:
    dependencies: Dependencies | None = getattr(model, "dependencies_", None)
    if dependencies is None or not dependencies.cut:
        return []
    pairs = [(edge.a, edge.b) for edge in dependencies.cut]
    return [
        Finding(
            "not_identified",
            f"So many labeling functions depend on each other that {first_few(pairs)} had to be taken for "
            f"independent: {model.kind} may have found what they share instead of the class. Add functions that "
            "look at something else, or use majority vote.",
        )
    ]


def _balance(model: LabelModel) -> list[Finding]:
    if model.fits != "moments" or getattr(model, "balance_source_", None) != "volume":
        return []
    return [
        Finding(
            "not_identified",
            f"The votes of three functions at a time do not tell the class balance, so {model.kind} took the share of "
            "each class among the votes for it. Give class_balance, or count it on known classes: class_balance: dev.",
        )
    ]


def _functions(model: LabelModel) -> list[Finding]:
    identified: NDArray[np.bool_] = getattr(model, "identified_", np.ones(0, np.bool_))
    names = [name for name, is_identified in zip(model.lf_names_, identified, strict=False) if not is_identified]
    if not names:
        return []
    return [
        Finding(
            "not_identified",
            f"How {first_few(names)} {'meets' if len(names) == 1 else 'meet'} the other functions does not tell how "
            f"good {'it is' if len(names) == 1 else 'they are'}, so {model.kind} has guessed. Add functions that vote "
            "on the same items, or fit a model from patterns, like dawid_skene.",
        )
    ]
