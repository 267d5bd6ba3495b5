"""The end of a run as plain text in the log: functions, label model, warnings, labels."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from sparkws.checks import first_few
from sparkws.labelmodels.choose import AGAINST
from sparkws.labelmodels.edges import AVOIDING
from sparkws.lfs.examples import Checked
from sparkws.manage.results import RunResult
from sparkws.report.slices import describe_slices
from sparkws.report.soft import soft_lines
from sparkws.report.trust import estimated_accuracies, trust_lines
from sparkws.stats.analysis import render
from sparkws.vocab import GOLD_LABEL, LABELED

logger = logging.getLogger(__name__)

_MOST_CLASSES = _MOST_NAMES = 20


def describe_run(result: RunResult) -> str:
    """What each task's steps found, and where the tables are, as text."""
    parts = [task_report(task, result) for task in result.tasks]
    if result.is_unchanged:
        parts.append("nothing has changed since the last run; all tables stand as they are.")
    parts.append(f"tables are in {result.workspace}")
    return "\n\n".join(parts)


def log_report(result: RunResult) -> None:
    """Log the text of `describe_run`."""
    logger.info("\n%s", describe_run(result))


def log_functions(task: str, described: pl.DataFrame) -> None:
    """Log the table of a task's labeling functions, without what is said of none of them."""
    is_usual = {column.name: column.is_null().all() for column in described}
    if "deterministic" in described:
        is_usual["deterministic"] = described["deterministic"].all()
    described = described.select(name for name, usual in is_usual.items() if not usual)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=120, fmt_str_lengths=80, tbl_hide_dataframe_shape=True):
        logger.info("task %s\n%s", task, described)


def log_examples(task: str, checked: Checked) -> None:
    """Log which examples of a task's functions are missed, and how many are kept."""
    for miss in checked.missed:
        logger.info("%s", miss)
    without = f"; none for {first_few(checked.without, _MOST_NAMES)}" if checked.without else ""
    logger.info("task %s: %s examples kept, %s missed%s", task, checked.n_kept, len(checked.missed), without)


def task_report(task: str, result: RunResult) -> str:
    """The report of one task: a table of its functions, then a paragraph for the model and one for the labels."""
    model = result.step(f"{task}.label_model").details["result"]
    labels = result.step(f"{task}.labels").details["result"]
    votes = result.step(f"{task}.votes").details["result"]
    if "labels" in model:
        return "\n".join(
            [f"task {task}, multi-label", *_of_labels(model), *_costs(votes), *_warnings(model), _labels(labels)]
        )
    lookups = [_lookup(name, found) for name, found in votes.get("lookups", {}).items()]
    soft = soft_lines(model.get("soft_votes", {}), tuple(model["class_balance"]))
    functions = [_functions(model), *soft, *lookups, *_costs(votes)]
    slices = describe_slices(model.get("slices", {}), votes.get("slice_faults", {}))
    told = [_model(model), *_dependencies(model), *trust_lines(model), *slices, *_warnings(model)]
    parts = [f"task {task}", *functions, *told, _labels(labels, _tied(labels))]
    return "\n".join(parts)


def _of_labels(model: Mapping[str, Any]) -> list[str]:
    """For each label a table of its functions and a paragraph for its model; then the figures over all labels."""
    parts = [
        text
        for label, of_label in model["labels"].items()
        for text in (
            f"label {label}",
            _functions(of_label),
            _model(of_label),
            *_dependencies(of_label),
            *trust_lines(of_label),
        )
    ]
    for kind, figures in model["metrics"].items():
        shown = ("micro_f1", "macro_f1", "micro_f1_overall", "macro_f1_overall", "accuracy")
        micro, macro, micro_overall, macro_overall, accuracy = (_figure(figures[name]) for name in shown)
        parts.append(
            f"over {figures['n_labels']} labels, {kind:<12} micro F1 {micro}  macro F1 {macro}  accuracy {accuracy}  "
            f"{figures['n_decided']:,} decided of {figures['n_known']:,}; undecided as absent: micro F1 "
            f"{micro_overall}  macro F1 {macro_overall}"
        )
    return parts


def _functions(model: Mapping[str, Any]) -> str:
    rows = model["lf_summary"]
    if not rows:
        return "no labeling functions"
    table = pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col("Polarity").cast(pl.List(pl.Int64)))
    faults = table["Faults"].to_numpy().astype(np.int64)
    shown = faults if faults.any() else None
    estimated = estimated_accuracies(model, table["lf"])
    table = table if estimated is None else table.with_columns(pl.Series("Est. Acc.", estimated))
    rendered = render(table.drop("Faults"), faults=shown, takes_no_part=model["left_out"])
    others = model.get("not_chosen")
    return f"{rendered}\nas configured, without {first_few(others, _MOST_NAMES)}" if others else rendered


def _lookup(name: str, found: Mapping[str, Any]) -> str:
    said = f"{name} matched {found['n_matched']:,} items with {found['n_keys']:,} keys of {found['table']}"
    if found["n_ambiguous"]:
        said += f", of which {found['n_ambiguous']:,} are ambiguous"
    return said + (
        f"; {found['n_undecided']:,} of the items matched a key of no class or of several"
        if found["n_undecided"]
        else ""
    )


def _costs(votes: Mapping[str, Any]) -> list[str]:
    """The slowest functions; nothing where votes were made elsewhere."""
    slowest = votes.get("slowest")
    if not slowest:
        return []
    width = max(map(len, slowest))
    lines = [
        f"  {name:<{width}}  {cost['rows_per_s']:>12,.0f} rows/s  {cost['share']:>6.1%}"
        for name, cost in slowest.items()
    ]
    return [f"all functions vote on {votes['rows_per_s_per_core']:,.0f} rows/s a core; the slowest of them:", *lines]


def _model(model: Mapping[str, Any]) -> str:
    balance = _by_class(model["class_balance"], ".3f")
    ended = "converged" if model["converged"] else "did not converge"
    fit = f"{ended} after {model['n_iter']} iterations; " if model["n_iter"] else ""
    lines = [
        f"{model['kind']} from {model['n_patterns']:,} patterns of {model['n_items']:,} items: "
        f"{fit}class balance {balance} ({model['balance_source']})"
    ]
    if "tasks" in model:
        lines.append(f"labeled together with the other tasks of {model['tasks']}, from the votes on all of them")
    choice = model.get("choice")
    if choice is not None:
        lines.append(f"chosen by auto, because {choice['reason']}{_tried(choice['trials'])}")
    error, polish = model["largest_standard_error"], model.get("polish")
    if polish is not None:
        ended = "which converged" if polish["converged"] else "which had not converged"
        lines.append(
            f"fitted from a 2^-{polish['sample_level']} sample of the items, polished by {polish['n_steps']} steps "
            f"of EM over all of them, {ended}; of the sample's largest standard error of "
            f"{polish['largest_standard_error_before']:.2g} they leave {error:.2g}"
        )
    elif model["level"]:
        brings = "" if error is None else f"; the largest standard error that this brings is {error:.4f}"
        lines.append(f"fitted from a 2^-{model['level']} sample of the items{brings}")
    for kind, figures in model["metrics"].items():
        shown = ("accuracy_ties_shared", "macro_f1_ties_shared", "ece", "brier")
        # Of a run of before it was measured there is no macro F1.
        accuracy, macro_f1, ece, brier = (_figure(figures.get(name)) for name in shown)
        lines.append(
            f"  {kind:<12} accuracy {accuracy}  macro F1 {macro_f1} (ties shared)  calibration error {ece}  "
            f"Brier {brier}  {figures['n_labeled']:,} decided of {figures['n_gold']:,} gold items"
        )
    return "\n".join(lines)


def _dependencies(model: Mapping[str, Any]) -> list[str]:
    """What was found of functions that depend on each other, with the evidence for each pair."""
    found = model.get("dependencies")
    if found is None or "message" not in found:
        return []
    width = max((len(edge[side]) for edge in found["edges"] for side in "ab"), default=0)
    lines = []
    for edge in found["edges"][:_MOST_NAMES]:
        ratio = edge["likelihood_ratio"]
        evidence = "" if ratio is None else f"  likelihood ratio {ratio:,.0f}"
        shared = f"  both read {first_few(edge['shared'])}" if edge["shared"] else ""
        meeting = edge["meeting"]
        avoids = meeting is not None and meeting < AVOIDING
        met = f"  both vote {meeting:.2f} times as often as the class explains" if avoids else ""
        pair = f"{edge['a']:<{width}}  {edge['b']:<{width}}"
        lines.append(f"  {pair}  correlation beyond the class {edge['excess']:+.2f}{met}{evidence}{shared}")
    n_more = len(found["edges"]) - len(lines)
    told = found["message"]
    if found["edges"]:
        told += (
            f" {model['kind']} counts each group once."
            if found["counted_once"]
            else f" {model['kind']} counts each of their votes."
        )
    if model.get("soft_votes"):
        told += " Functions that vote with a probability were not looked at."
    return [told, *lines, *([f"  and {n_more} more pairs"] if n_more else [])]


def _tried(trials: Sequence[Mapping[str, Any]]) -> str:
    """What was found of each candidate, as the end of a sentence."""
    told = []
    for trial in trials:
        gain = trial["heldout_gain"]
        gained = "" if gain is None else f" gains {gain['per_item']:.3g} nats an unseen item"
        against = f" but {', '.join(AGAINST[code] for code in trial['against'])}" if trial["against"] else ""
        if gained or against:
            told.append(f"{trial['name']}{gained}{against}")
    return f" ({'; '.join(told)})" if told else ""


def _by_class(figures: Mapping[str, float], form: str) -> str:
    """A figure for each class; of very many classes, the greatest figures."""
    shown = sorted(figures.items(), key=lambda entry: -entry[1]) if len(figures) > _MOST_CLASSES else figures.items()
    listed = [f"{name} {figure:{form}}" for name, figure in shown]
    more = f" and {len(listed) - _MOST_CLASSES} more classes" if len(listed) > _MOST_CLASSES else ""
    return ", ".join(listed[:_MOST_CLASSES]) + more


def _figure(value: float | None) -> str:
    """Four digits; a dash where no item determines the measure."""
    return "-" if value is None else f"{value:.4f}"


def _warnings(model: Mapping[str, Any]) -> list[str]:
    return [f"warning ({warning['code']}): {warning['message']}" for warning in model["warnings"]]


def _tied(labels: Mapping[str, Any]) -> int:
    """Items with probabilities that predict no class, where an item has one class."""
    n_labeled: int = sum(labels["statuses"].get(status, 0) for status in (LABELED, GOLD_LABEL))
    n_predicted: int = sum(labels["preds"].values())
    return n_labeled - n_predicted


def _labels(labels: Mapping[str, Any], n_tied: int = 0) -> str:
    statuses = ", ".join(f"{n:,} {status}" for status, n in labels["statuses"].items() if n)
    preds = _by_class(labels["preds"], ",")
    tied = f"{n_tied:,} of them tied, so without a class; " if n_tied > 0 else ""
    return f"labels: {statuses}; {tied}predicted {preds}"
