"""A fitted label model as flat rows of plain types, and as JSON; never pickle.

Both hold every number exactly: JSON writes the shortest text that reads back to the same float.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns, first_few
from sparkws.errors import DataError, IncompatibleStatistics, NothingToFit
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.posterior import LabelModel

FORMAT: Final = 1

# One row a number: `lf`, `vote` and `class` are names, NULL where they do not apply; the vote of an
# abstention is NULL in the rows of `cpt`.
SCHEMA: Final = pl.Schema(
    {
        "kind": pl.String(),
        "parameter": pl.String(),
        "lf": pl.String(),
        "vote": pl.String(),
        "class": pl.String(),
        "value": pl.Float64(),
    }
)
_SCALARS: Final = ("log_likelihood", "n_iter", "converged", "abstain_is_outcome", "n_polish")


def to_rows(model: LabelModel, classes: Sequence[str]) -> pl.DataFrame:
    """The parameters of a fitted model, one number a row, with the names of functions and classes.

    Raises
    ------
    NothingToFit
        If the model was not fitted.
    IncompatibleStatistics
        If there are not as many class names as the model has classes.
    """
    plain = _plain(model, classes)
    kind, names = plain["kind"], plain["lf_names"]
    rows: list[tuple[str, str, str | None, str | None, str | None, float]] = []
    for name in _SCALARS:
        if plain[name] is not None:
            rows.append((kind, name, None, None, None, float(plain[name])))
    rows += [
        (kind, "class_balance", None, None, label, p) for label, p in zip(classes, plain["class_balance"], strict=True)
    ]
    rows += [(kind, "lf", name, None, None, float(j)) for j, name in enumerate(names)]
    votes = (None, *classes)
    for name, table in zip(names, plain["cpt"] or [], strict=False):
        for vote, row in zip(votes, table, strict=True):
            rows += [(kind, "cpt", name, vote, label, p) for label, p in zip(classes, row, strict=True)]
    return pl.DataFrame(rows, SCHEMA, orient="row")


def from_rows(
    rows: pl.DataFrame, classes: Sequence[str], lf_names: Sequence[str] | None = None
) -> MajorityVote | DawidSkene:
    """The model that `to_rows` wrote, from its rows in any order.

    Parameters
    ----------
    rows : DataFrame
        The rows of one model.
    classes : sequence of str
        The class names that the model must have, in the order of their indices.
    lf_names : sequence of str, optional
        The functions that it must have, in any order.

    Raises
    ------
    DataError
        If these are not the rows of one model.
    IncompatibleStatistics
        If functions or classes differ; says which.
    """
    check_columns("label model", SCHEMA.names(), rows.columns)
    kinds = rows["kind"].unique().to_list()
    if len(kinds) != 1:
        raise DataError(f"expected the rows of one label model, got {rows.height:,} rows of the kinds {sorted(kinds)}.")
    balance = {row[0]: row[1] for row in _rows(rows, "class_balance").select("class", "value").iter_rows()}
    _check_same("classes", classes, list(balance))
    names = _rows(rows, "lf").sort("value")["lf"].to_list()
    where_lf = {name: j for j, name in enumerate(names)}
    where_class: dict[str | None, int] = {name: y for y, name in enumerate(classes)}
    cpt = np.full((len(names), len(classes) + 1, len(classes)), np.nan)
    for lf, vote, label, value in _rows(rows, "cpt").select("lf", "vote", "class", "value").iter_rows():
        cpt[where_lf[lf], 0 if vote is None else where_class[vote] + 1, where_class[label]] = value
    scalars = dict.fromkeys(_SCALARS) | {
        row[0]: row[1]
        for row in rows.filter(pl.col("parameter").is_in(_SCALARS)).select("parameter", "value").iter_rows()
    }
    if kinds[0] == DawidSkene.kind:
        _check_complete(cpt, names, scalars)
    plain = {
        "kind": kinds[0],
        "lf_names": names,
        "classes": list(classes),
        "class_balance": [balance[name] for name in classes],
        "cpt": None if np.isnan(cpt).all() else cpt.tolist(),
        **scalars,
    }
    return _build(plain, classes, lf_names)


def _check_complete(cpt: NDArray[np.float64], names: Sequence[str], scalars: Mapping[str, Any]) -> None:
    missing = np.isnan(cpt)
    if missing.any():
        first = names[int(np.argwhere(missing)[0][0])]
        raise DataError(f"the label model lacks {int(missing.sum()):,} cells of cpt, first of {first!r}; fit it again.")
    absent = [name for name, value in scalars.items() if value is None and name != "n_polish"]
    if absent:
        raise DataError(f"the label model lacks {first_few(absent)}; fit it again.")


def to_json(model: LabelModel, classes: Sequence[str]) -> str:
    """A fitted model as JSON.

    Raises
    ------
    NothingToFit
        If the model was not fitted.
    IncompatibleStatistics
        If there are not as many class names as the model has classes.
    """
    return json.dumps({"format": FORMAT, **_plain(model, classes)}, allow_nan=False)


def from_json(text: str, classes: Sequence[str], lf_names: Sequence[str] | None = None) -> MajorityVote | DawidSkene:
    """The model that `to_json` wrote.

    Parameters
    ----------
    text : str
    classes : sequence of str
        The class names that the model must have, in the order of their indices.
    lf_names : sequence of str, optional
        The functions that it must have, in any order.

    Raises
    ------
    DataError
        If the text is not that of a label model, or of a later format.
    IncompatibleStatistics
        If functions or classes differ; says which.
    """
    try:
        plain = json.loads(text)
    except ValueError as error:
        raise DataError(f"this is not the JSON of a label model: {error}.") from None
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        raise DataError(f"expected a label model in format {FORMAT}, got {found!r}; fit it again with this version.")
    return _build(plain, classes, lf_names)


def _plain(model: LabelModel, classes: Sequence[str]) -> dict[str, Any]:
    if not model.lf_names_:
        raise NothingToFit("the label model has no parameters yet; call fit before saving it.")
    if len(classes) != model.cardinality:
        raise IncompatibleStatistics(f"the label model has {model.cardinality} classes, got names for {len(classes)}.")
    return {
        "kind": model.kind,
        "lf_names": list(model.lf_names_),
        "classes": list(classes),
        "class_balance": model.class_balance_.tolist(),
        "cpt": None if model.cpt_ is None else model.cpt_.tolist(),
        "abstain_is_outcome": getattr(model, "abstain_", None) == "outcome" if model.cpt_ is not None else None,
        "log_likelihood": model.log_likelihood_,
        "n_iter": model.n_iter_,
        "converged": model.converged_,
        "n_polish": getattr(model, "n_polish_", None),
    }


def _build(
    plain: Mapping[str, Any], classes: Sequence[str], lf_names: Sequence[str] | None
) -> MajorityVote | DawidSkene:
    _check_same("classes", classes, plain["classes"])
    if list(classes) != plain["classes"]:
        raise IncompatibleStatistics(
            f"the label model has the classes in the order {plain['classes']}, expected {list(classes)}; fit it again."
        )
    if lf_names is not None:
        _check_same("labeling functions", lf_names, plain["lf_names"])
    model: MajorityVote | DawidSkene
    if plain["kind"] == MajorityVote.kind:
        model = MajorityVote(len(classes))
    elif plain["kind"] == DawidSkene.kind:
        model = DawidSkene(len(classes))
        model.abstain_ = "outcome" if plain["abstain_is_outcome"] else "missing"
        model.cpt_ = np.array(plain["cpt"], np.float64)
        model.log_likelihood_ = float(plain["log_likelihood"])
        model.n_polish_ = int(plain.get("n_polish") or 0)  # not there in models of before it was
    else:
        raise DataError(
            f"a label model of the kind {plain['kind']!r} is not known here; it was saved by a later version."
        )
    model.lf_names_ = tuple(plain["lf_names"])
    model.class_balance_ = np.array(plain["class_balance"], np.float64)
    model.n_iter_, model.converged_ = int(plain["n_iter"]), bool(plain["converged"])
    return model


def _check_same(what: str, expected: Sequence[str], found: Sequence[str]) -> None:
    lacks, strange = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if lacks or strange:
        raise IncompatibleStatistics(
            f"the label model is of other {what}: it lacks {first_few(lacks)} and has {first_few(strange)} instead; "
            "fit it again."
        )


def _rows(rows: pl.DataFrame, parameter: str) -> pl.DataFrame:
    return rows.filter(pl.col("parameter") == parameter)
