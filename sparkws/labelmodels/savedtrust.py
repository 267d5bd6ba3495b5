"""What is known of the reliability of a label model, as rows beside those of its parameters.

`accuracy` and its ends `accuracy_low` and `accuracy_high`, those of `class_balance`, `changed_without` each
function; where labels are to tell how sure they are, the models behind it too, each as JSON in one row: a
`replicate` with its number, or a model `without` one function. Readers of models pass over all of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from sparkws.labelmodels.assess import Assessed
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.persist import SCHEMA, from_json, to_json, to_rows

REPLICATE: Final = "replicate"
WITHOUT: Final = "without"


def rows_with_trust(
    assessed: Assessed, classes: Sequence[str], fingerprints: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """The rows of a model, see `persist.to_rows`, and those of what was found about its reliability."""
    model, drawn = assessed.model, assessed.told["bootstrap"]
    rows: list[dict[str, Any]] = []
    for name, ends in drawn.get("class_balance", {}).items():
        rows += [
            {"parameter": parameter, "class": name, "value": value}
            for parameter, value in zip(("class_balance_low", "class_balance_high"), ends, strict=True)
        ]
    for name, figures in drawn.get("accuracy", {}).items():
        rows += [
            {"parameter": parameter, "lf": name, "value": value}
            for parameter, value in zip(("accuracy", "accuracy_low", "accuracy_high"), figures or (), strict=False)
        ]
    changed = assessed.told["leave_one_out"]["changed"]
    rows += [{"parameter": "changed_without", "lf": name, "value": share} for name, share in changed.items()]
    rows += [
        {"parameter": REPLICATE, "value": float(number), "text": to_json(again, classes)}
        for number, again in enumerate(assessed.replicates)
    ]
    rows += [
        {"parameter": WITHOUT, "lf": name, "text": to_json(other, classes)} for name, other in assessed.without.items()
    ]
    beside = pl.DataFrame([{"kind": model.kind, **row} for row in rows], SCHEMA)
    return pl.concat([to_rows(model, classes, fingerprints), beside], rechunk=True)


def doubt_of_rows(rows: pl.DataFrame, classes: Sequence[str], *, bootstrap: bool, leave_one_out: bool) -> Doubt:
    """What makes the columns of labels that tell how sure they are, from the rows of a label model in any order.

    Parameters
    ----------
    rows : DataFrame
    classes : sequence of str
    bootstrap, leave_one_out : bool
        Which of the columns there are, filled or not.
    """
    if "text" not in rows.columns:  # a model of before there was any
        return Doubt(() if bootstrap else None, () if leave_one_out else None)
    ordered = rows.filter(pl.col("parameter").is_in([REPLICATE, WITHOUT])).sort("parameter", "value", "lf")
    models = {
        parameter: [from_json(text, classes) for text in ordered.filter(parameter=parameter)["text"]]
        for parameter in (REPLICATE, WITHOUT)
    }
    return Doubt(models[REPLICATE] if bootstrap else None, models[WITHOUT] if leave_one_out else None)
