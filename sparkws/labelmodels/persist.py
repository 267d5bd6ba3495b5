"""A fitted label model as flat rows of plain types, and as JSON; never pickle.

Both hold every number exactly: JSON writes the shortest text that reads back to the same float. Each kind of
model says in `stored` what it saves. The module is longer than 300 lines because rows and JSON are two forms of
the same attributes, and are read by the same checks.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns, first_few, parsed_json, shown
from sparkws.errors import DataError, IncompatibleStatistics, NothingToFit
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.differences import check_classes, check_functions, check_names_of_classes
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.publishedtriplet import PublishedTriplet
from sparkws.labelmodels.savedgrids import grid_rows, grids_from_rows, stored_grids, vote_names
from sparkws.labelmodels.storedchecks import check_keys, check_stored_names, stored_value
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.tables import Axis, Stored
from sparkws.labelmodels.triplet import Triplet
from sparkws.labelmodels.weighted import WeightedVote

FORMAT: Final = 1

# One row a number: `lf`, `vote` and `class` are names, NULL where they do not apply; the vote of an
# abstention is NULL in the rows of `cpt`, those of a function that votes with a probability are "cell 0", "cell 1",
# ..., and the rows `grid` tell what these declare. `text` is the fingerprint of a function, in the rows
# `fingerprint`, and what is no number: it knows classes by their indices, which the rows `class` tell.
SCHEMA: Final = pl.Schema(
    {
        "kind": pl.String(),
        "parameter": pl.String(),
        "lf": pl.String(),
        "vote": pl.String(),
        "class": pl.String(),
        "value": pl.Float64(),
        "text": pl.String(),
    }
)


class SavedModel(LabelModel, Protocol):
    """A label model that can be saved."""

    @property
    def stored(self) -> Mapping[str, Stored]:
        """The fitted attributes that are saved, by their names without the underscore at the end."""
        ...


KINDS: Final[Mapping[str, Callable[[int], SavedModel]]] = {
    MajorityVote.kind: MajorityVote,
    WeightedVote.kind: WeightedVote,
    PrecisionVote.kind: PrecisionVote,
    DawidSkene.kind: DawidSkene,
    # Never fitted again from here, so the option that more than two classes need makes no difference.
    Triplet.kind: partial(Triplet, one_vs_rest=True),
    PublishedTriplet.kind: PublishedTriplet,
    MatrixCompletion.kind: MatrixCompletion,
    SuperLF.kind: SuperLF,
}


def to_rows(model: SavedModel, classes: Sequence[str], fingerprints: Mapping[str, str] | None = None) -> pl.DataFrame:
    """The parameters of a fitted model, one number a row, with the names of functions and classes.

    Parameters
    ----------
    model : fitted label model
    classes : sequence of str
    fingerprints : mapping of str to str, optional
        The fingerprints of the functions whose votes it was fitted on.

    Raises
    ------
    NothingToFit
        If the model was not fitted.
    IncompatibleStatistics
        If there are not as many class names as the model has classes.
    """
    _check_saved(model, classes)
    parts = [_flat(name, model, how, classes) for name, how in model.stored.items()]
    parts.append(pl.DataFrame({"parameter": "lf", "lf": model.lf_names_, "value": range(len(model.lf_names_))}))
    if _tells_places(model):
        parts.append(pl.DataFrame({"parameter": "class", "class": list(classes), "value": range(len(classes))}))
    if model.grids_:
        parts.append(grid_rows(model.grids_, classes))
    of_lfs = {name: text for name, text in (fingerprints or {}).items() if name in model.lf_names_}
    parts.append(pl.DataFrame({"parameter": "fingerprint", "lf": list(of_lfs), "text": list(of_lfs.values())}))
    rows = [part.select(*(pl.col(name).cast(SCHEMA[name]) for name in part.columns)) for part in parts]
    # In one piece: the pieces of a table are written in any order.
    return pl.concat([SCHEMA.to_frame(), *rows], how="diagonal", rechunk=True).with_columns(kind=pl.lit(model.kind))


def from_rows(
    rows: pl.DataFrame,
    classes: Sequence[str],
    lf_names: Sequence[str] | None = None,
    fingerprints: Mapping[str, str] | None = None,
) -> SavedModel:
    """The model that `to_rows` wrote, from its rows in any order.

    Parameters
    ----------
    rows : DataFrame
        The rows of one model.
    classes : sequence of str
        The class names that the model must have, in the order of their indices.
    lf_names : sequence of str, optional
        The functions that it must have, in any order.
    fingerprints : mapping of str to str, optional
        The fingerprints that its functions must have where it has some stored.

    Raises
    ------
    DataError
        If these are not the rows of one model, or have numbers that no fitted model can, see `from_json`.
    IncompatibleStatistics
        If functions or classes differ; says which. Numbers are found by the names of their classes; a model with more
        than numbers, as that of groups, must have the classes in this order.
    """
    check_columns("label model", list(SCHEMA), rows.columns)
    kinds = rows["kind"].unique().to_list()
    if len(kinds) != 1:
        raise DataError(f"expected the rows of one label model, got {rows.height:,} rows of the kinds {sorted(kinds)}.")
    model = _new(kinds[0], len(classes))
    check_classes(classes, _rows(rows, "class_balance")["class"].to_list())
    names = list(check_stored_names(_rows(rows, "lf").sort("value")["lf"].to_list(), "the functions"))
    model.lf_names_, model.grids_ = tuple(names), grids_from_rows(_rows(rows, "grid"), classes)
    numbers = {name: how for name, how in model.stored.items() if how.number is not str}
    values = {name: _cells(_rows(rows, name), how, model, classes) for name, how in numbers.items()}
    for name, value in values.items():
        holes = np.argwhere(np.isnan(value))
        if len(holes) and not np.isnan(value).all():
            first = names[int(holes[0][0])]
            raise DataError(f"the label model lacks {len(holes):,} cells of {name}, first of {first!r}; fit it again.")
    found = {name: None if np.isnan(value).all() else value.tolist() for name, value in values.items()}
    found |= {name: _text(_rows(rows, name)) for name in model.stored.keys() - numbers.keys()}
    order = _rows(rows, "class").sort("value")["class"].to_list() if _tells_places(model) else list(classes)
    texts = _rows(rows, "fingerprint").select("lf", "text").iter_rows()
    plain = {**found, "lf_names": names, "classes": order, "fingerprints": dict(texts)}
    plain["grids"] = model.grids_.to_plain()
    return _fill(model, plain, classes, lf_names, fingerprints)


def to_json(model: SavedModel, classes: Sequence[str], fingerprints: Mapping[str, str] | None = None) -> str:
    """A fitted model as JSON.

    Raises
    ------
    NothingToFit
        If the model was not fitted.
    IncompatibleStatistics
        If there are not as many class names as the model has classes.
    """
    _check_saved(model, classes)
    values = {name: getattr(model, f"{name}_") for name in model.stored}
    plain = {
        "format": FORMAT,
        "kind": model.kind,
        "lf_names": list(model.lf_names_),
        "classes": list(classes),
        "fingerprints": dict(fingerprints or {}),
        **{name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()},
    }
    if model.grids_:
        plain["grids"] = model.grids_.to_plain()
    return json.dumps(plain, allow_nan=False)


def from_json(
    text: str,
    classes: Sequence[str],
    lf_names: Sequence[str] | None = None,
    fingerprints: Mapping[str, str] | None = None,
) -> SavedModel:
    """The model that `to_json` wrote.

    Parameters
    ----------
    text : str
    classes, lf_names, fingerprints
        See `from_rows`.

    Raises
    ------
    DataError
        If the text is not that of a label model, is of a later format, or says what no fitted model can: shares
        that do not add up to 1, a temperature that is not above 0, tables of another shape.
    IncompatibleStatistics
        If functions or classes differ; says which.
    """
    plain = parsed_json(text, "a label model")
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        raise DataError(
            f"expected a label model in format {FORMAT}, got {shown(found)}; fit it again with this version."
        )
    return _fill(_new(plain.get("kind"), len(classes)), plain, classes, lf_names, fingerprints)


def _check_saved(model: SavedModel, classes: Sequence[str]) -> None:
    if not model.lf_names_:
        raise NothingToFit("the label model has no parameters yet; call fit before saving it.")
    check_names_of_classes(model, classes)


def _new(kind: object, cardinality: int) -> SavedModel:
    if kind == Hierarchical.kind:
        raise DataError("this label model is of several tasks; read it with graph_from_rows or graph_from_json.")
    if not isinstance(kind, str) or kind not in KINDS:
        raise DataError(f"a label model of the kind {shown(kind)} is not known here; it was saved by a later version.")
    return KINDS[kind](cardinality)


def _tells_places(model: SavedModel) -> bool:
    """Whether a text of the model, as that of groups, speaks of classes by their places instead of their names."""
    return any(how.number is str and not how.one_of for how in model.stored.values())


def _flat(parameter: str, model: SavedModel, how: Stored, classes: Sequence[str]) -> pl.DataFrame:
    """One row for each number of an attribute."""
    value = getattr(model, f"{parameter}_")
    if value is None:
        return pl.DataFrame()
    if how.number is str:
        return pl.DataFrame({"parameter": [parameter], "text": [value]})
    names: Mapping[Axis, Sequence[str | None]] = {
        "lf": model.lf_names_,
        "vote": (None, *classes),
        "class": classes,
    }
    array = np.asarray(value, np.float64)
    # (axes, numbers): where each number stands along each axis
    places = np.indices(array.shape).reshape(array.ndim, array.size)
    has_cells = "vote" in how.axes and model.grids_
    if has_cells:
        lf, vote = places[:2]
        kept = vote <= np.array(model.grids_.sizes(model.lf_names_, len(classes)))[lf]
        places, array = places[:, kept], array.ravel()[kept]
        names = {**names, "vote": ()}
    columns: dict[str, Any] = {
        axis: pl.Series(names[axis], dtype=pl.String).gather(at)
        for axis, at in zip(how.axes, places, strict=True)
        if names[axis]
    }
    if has_cells:
        voted = vote_names(model.lf_names_, model.grids_, classes)
        told = [voted[j][at] for j, at in zip(*places[:2].tolist(), strict=True)]
        columns["vote"] = pl.Series(told, dtype=pl.String)
    return pl.DataFrame({**columns, "value": array.ravel()}).with_columns(parameter=pl.lit(parameter))


def _cells(rows: pl.DataFrame, how: Stored, model: SavedModel, classes: Sequence[str]) -> NDArray[np.float64]:
    """The array that `_flat` took apart, NaN where a number is missing."""
    lengths = _lengths(model, classes)
    array = np.full([lengths[axis] for axis in how.axes], np.nan)
    try:
        at = tuple(_places(rows, axis, model, classes) for axis in how.axes)
    except KeyError as error:
        raise DataError(
            f"the label model has numbers of {error.args[0]!r}, which it does not name; fit it again."
        ) from None
    n_distinct = len(np.unique(np.ravel_multi_index(at, array.shape))) if how.axes and rows.height else 1
    if rows.height > n_distinct:
        raise DataError(f"the label model has a number of {rows['parameter'][0]} more than once; fit it again.")
    if rows.height:
        array[at] = rows["value"].to_numpy() if how.axes else rows["value"][0]
    if "vote" in how.axes:  # votes that a function cannot cast have no rows
        for table, size in zip(array, model.grids_.sizes(model.lf_names_, len(classes)), strict=True):
            table[size + 1 :] = 0.0
    return array


def _places(rows: pl.DataFrame, axis: Axis, model: SavedModel, classes: Sequence[str]) -> list[int]:
    """Where along an axis each row stands."""
    if axis == "vote" and model.grids_:
        voted = vote_names(model.lf_names_, model.grids_, classes)
        of_lf = {
            lf: {name: at for at, name in enumerate(names)} for lf, names in zip(model.lf_names_, voted, strict=True)
        }
        return [of_lf[lf][name] for lf, name in rows.select("lf", "vote").iter_rows()]
    names: Sequence[str | None] = {"lf": model.lf_names_, "vote": (None, *classes), "class": classes}[axis]
    place = {name: at for at, name in enumerate(names)}
    return [place[name] for name in rows[axis]]


def _text(rows: pl.DataFrame) -> str | None:
    return rows["text"][0] if rows.height else None


def _fill(
    model: SavedModel,
    plain: Mapping[str, Any],
    classes: Sequence[str],
    lf_names: Sequence[str] | None,
    fingerprints: Mapping[str, str] | None,
) -> SavedModel:
    check_keys(plain, ("lf_names", "classes"), "the label model")
    of_classes = check_stored_names(plain["classes"], "the classes")
    check_classes(classes, of_classes)
    if tuple(classes) != of_classes:
        raise IncompatibleStatistics(
            f"the label model has the classes in the order {list(of_classes)}, expected {list(classes)}; fit it again."
        )
    names = check_stored_names(plain["lf_names"], "the functions")
    then = plain.get("fingerprints", {})
    if not isinstance(then, dict):
        raise DataError(
            f"'fingerprints' of the label model must be texts by function, got {shown(then)}; fit it again."
        )
    check_functions(names, then, lf_names, fingerprints or {})
    lacks = [name for name, how in model.stored.items() if plain.get(name) is None]
    if lacks:
        raise DataError(f"the label model lacks {first_few(lacks)}; fit it again.")
    model.lf_names_, model.grids_ = names, stored_grids(plain.get("grids", {}), names, len(classes))
    lengths = _lengths(model, classes)
    for name, how in model.stored.items():
        if plain.get(name) is not None:
            setattr(model, f"{name}_", stored_value(name, how, plain[name], lengths))
    return model


def _lengths(model: SavedModel, classes: Sequence[str]) -> dict[Axis, int]:
    n_votes = model.grids_.n_outcomes(len(classes))
    return {"lf": len(model.lf_names_), "vote": n_votes + 1, "class": len(classes)}


def _rows(rows: pl.DataFrame, parameter: str) -> pl.DataFrame:
    return rows.filter(pl.col("parameter") == parameter)
