"""What is known of the reliability of a label model, as rows beside those of its parameters.

`accuracy` and its ends `accuracy_low` and `accuracy_high`, those of `class_balance`, `changed_without` each
function; where labels are to tell how sure they are, the models behind it too, each as JSON in one row: a
`replicate` with its number, or a model `without` one function. Readers of models pass over all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from sparkws.config import LabelModelConfig, TaskGraphConfig
from sparkws.labelmodels.assess import Assessed
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.hierarchy import Column, Hierarchical
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.modelreport import ModelReport
from sparkws.labelmodels.persist import SCHEMA, to_json, to_rows
from sparkws.labelmodels.refitted import Refitted
from sparkws.labelmodels.savedgraph import graph_to_json, task_rows

REPLICATE: Final = "replicate"
WITHOUT: Final = "without"


def rows_with_trust(
    assessed: Assessed, classes: Sequence[str], fingerprints: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """The rows of a model, see `persist.to_rows`, and those of what was found about its reliability."""
    beside = trust_rows(
        assessed.model.kind,
        assessed.told["bootstrap"],
        assessed.told["leave_one_out"],
        [to_json(again, classes) for again in assessed.replicates],
        {name: to_json(other, classes) for name, other in assessed.without.items()},
    )
    return pl.concat([to_rows(assessed.model, classes, fingerprints), beside], rechunk=True)


def task_rows_with_trust(
    model: Hierarchical,
    task: str,
    report: ModelReport,
    kept: Refitted[Hierarchical] | None = None,
    fingerprints: Mapping[Column, str] | None = None,
) -> pl.DataFrame:
    """The rows of a model of several tasks as that of one, see `savedgraph.task_rows`, and of what was found about it.

    Parameters
    ----------
    model : Hierarchical
    task : str
    report : ModelReport
        Of the task.
    kept : Refitted, optional
        The models fitted again, where labels are to tell how sure they are.
    fingerprints : mapping of (str, str) to str, optional
    """
    texts = Refitted[str]() if kept is None else kept.map(graph_to_json)
    beside = trust_rows(model.kind, report.bootstrap, report.leave_one_out, texts.replicates, texts.without)
    return pl.concat([task_rows(model, task, fingerprints), beside], rechunk=True)


def trust_rows(
    kind: str,
    bootstrap: Mapping[str, Any],
    leave_one_out: Mapping[str, Any],
    replicates: Sequence[str] = (),
    without: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """The rows of what was found about the reliability of a model.

    Parameters
    ----------
    kind : str
        Of the model.
    bootstrap, leave_one_out : mapping
        As of `refitted.told_of_bootstrap` and `refitted.told_of_leaving_out`.
    replicates : sequence of str
        Models of bootstrap samples, as JSON.
    without : mapping of str to str, optional
        Models by the function that was left out, as JSON.
    """
    rows: list[dict[str, Any]] = []
    for name, ends in bootstrap.get("class_balance", {}).items():
        rows += [
            {"parameter": parameter, "class": name, "value": value}
            for parameter, value in zip(("class_balance_low", "class_balance_high"), ends, strict=True)
        ]
    for name, figures in bootstrap.get("accuracy", {}).items():
        rows += [
            {"parameter": parameter, "lf": name, "value": value}
            for parameter, value in zip(("accuracy", "accuracy_low", "accuracy_high"), figures or (), strict=False)
        ]
    changed = leave_one_out["changed"]
    rows += [{"parameter": "changed_without", "lf": name, "value": share} for name, share in changed.items()]
    rows += [{"parameter": REPLICATE, "value": float(number), "text": text} for number, text in enumerate(replicates)]
    rows += [{"parameter": WITHOUT, "lf": name, "text": text} for name, text in (without or {}).items()]
    return pl.DataFrame([{"kind": kind, **row} for row in rows], SCHEMA)


def asked_of(config: LabelModelConfig | TaskGraphConfig) -> Doubt:
    """Which columns labels have that tell how sure they are, without the models that fill them."""
    if not config.label_intervals:
        return Doubt()
    return Doubt(() if config.bootstrap != 0 else None, () if config.leave_one_out != 0 else None)


def doubt_of_rows(rows: pl.DataFrame, load: Callable[[str], LabelModel], asked: Doubt) -> Doubt:
    """What makes the columns of labels that tell how sure they are, from the rows of a label model in any order.

    Parameters
    ----------
    rows : DataFrame
    load : function of str
        Reads a model from its JSON.
    asked : Doubt
        Which of the columns there are, filled or not.
    """
    if not asked.schema:
        return asked
    ordered = rows.filter(pl.col("parameter").is_in([REPLICATE, WITHOUT])).sort("parameter", "value", "lf")
    replicates, without = (
        [load(text) for text in ordered.filter(parameter=parameter)["text"]] if wanted is not None else None
        for parameter, wanted in ((REPLICATE, asked.replicates), (WITHOUT, asked.without))
    )
    return Doubt(replicates, without)
