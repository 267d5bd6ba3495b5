"""Explanations of labels and of functions as plain text."""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from sparkws.explain import ExplainedItem, ExplainedTask
from sparkws.vocab import ABSTAINED, FAULTED, GOLD_LABEL

MOST_PAIRS: Final = 10
_SEEN: Final = 0.005  # what two digits show


def describe_item(found: ExplainedItem) -> str:
    """The account of a label: prior, votes, sum, probability."""
    account = found.account
    most = account.most_log_odds
    head = f"task {found.task}{_label(found.of_label)}, item {found.item_id}: {_outcome(found)}"
    versions = (
        f"labels version {found.labels_version}, from votes version {found.votes_version} and label model version "
    )
    lines = [head, f"{versions}{found.model_version} ({account.kind})"]
    if account.label is None:
        return "\n".join([*lines, *_aside(found)])
    if account.total is None or account.prior is None:
        cast = account.votes.drop_nulls("vote")
        rows = [(lf, vote, "") for lf, vote in cast.select("lf", "vote").iter_rows()]
        lines += [
            f"a {account.kind} model has no log-odds: each vote counts as one, and probabilities are shares of them"
        ]
        return "\n".join([*lines, *_columns(rows), _probabilities(account.probs), *_aside(found)])
    rows = [("prior", "", _amount(account.prior, most))]
    votes = account.votes.sort(pl.col("log_odds").abs(), descending=True, maintain_order=True)
    cast = votes.drop_nulls("vote")
    for lf, vote, log_odds, group in cast.filter(pl.col("task").is_null()).drop("task").iter_rows():
        with_others = f", one vote with {', '.join(group)}" if group else ""
        rows.append((lf, f"{vote}{with_others}", _amount(log_odds, most)))
    others = cast.drop_nulls("task")
    if account.beside is not None and others.height == 1:
        rows.append((others["lf"][0], others["vote"][0], _amount(account.beside, most)))
    elif account.beside is not None and others.height:
        on = ", ".join(sorted(set(others["task"])))
        rows.append((f"votes on {on}", f"{others.height} together", _amount(account.beside, most)))
    silent = account.votes.filter(pl.col("vote").is_null())["log_odds"]
    if abs(sum(silent)) >= _SEEN:
        rows.append((f"{len(silent)} that abstained", "", f"{sum(silent):+.2f}"))
    rows.append(("sum", "", _amount(account.total, most)))
    cooled = "" if account.temperature == 1 else f", divided by a temperature of {account.temperature:.3f}"
    lines += [f"log-odds of {account.label} against {account.against}{cooled}:", *_columns(rows)]
    if others.height > 1:
        lines += ["of these together, what leaving out one of them takes away; they overlap, so it is no sum:"]
        lines += _columns(
            [(lf, vote, _amount(away, most)) for lf, vote, away in others["lf", "vote", "log_odds"].iter_rows()]
        )
    return "\n".join([*lines, _probabilities(account.probs), *_aside(found)])


def describe_task(found: ExplainedTask, most_pairs: int = MOST_PAIRS) -> str:
    """What each function adds, and the pairs that the model explains worst."""
    lines = [f"task {found.task}{_label(found.of_label)}, {found.kind}"]
    if found.functions is None:
        lines.append(f"a {found.kind} model has no log-odds: each vote counts as one")
    else:
        sampled = f", in a 2^-{found.level} sample of the items" if found.level else ""
        if found.functions["lf"].str.contains(".", literal=True).any():
            sampled += ", by leaving out its votes; those called task.function vote on other tasks"
        lines += [f"what each function adds{sampled}:", _table(found.functions)]
    worst = found.worst_pairs(most_pairs)
    if not worst.height:
        return "\n".join([*lines, "there is a single function"])
    why = "that the model explains worst" if "excess" in found.pairs.columns else "that meet most often"
    return "\n".join([*lines, f"the {worst.height} of {found.pairs.height:,} pairs {why}:", _table(worst)])


def _label(label: str | None) -> str:
    return "" if label is None else f", label {label}"


def _outcome(found: ExplainedItem) -> str:
    if found.status == GOLD_LABEL:
        return f"{found.pred}, because its class is known and held"
    if found.status in (ABSTAINED, FAULTED):
        return "no label, because no function votes on it"
    account = found.account
    if found.pred is None:
        return f"no class, because {account.label} and {account.against} are equally probable"
    return f"{found.pred} with probability {account.probs[found.pred]:.3f}"


def _aside(found: ExplainedItem) -> list[str]:
    aside = [f"{', '.join(found.faulted)} faulted on it"] if found.faulted else []
    if found.newest_votes != found.votes_version:
        aside.append(
            f"the label is made from votes version {found.votes_version}, the table is at {found.newest_votes}. "
            f"Run: sparkws run --task {found.task}"
        )
    return aside


def _amount(log_odds: float, most: float | None) -> str:
    """Two digits; more than `most` is certain, whatever the votes are."""
    if most is not None and abs(log_odds) > most:
        return "certain" if log_odds > 0 else "excluded"
    return f"{log_odds:+.2f}"


def _probabilities(probs: Mapping[str, float]) -> str:
    most = sorted(probs.items(), key=lambda entry: -entry[1])[:MOST_PAIRS]
    return "probabilities: " + ", ".join(f"{name} {value:.3f}" for name, value in most)


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Aligned lines; the last column is of numbers."""
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(3)]
    return [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]


def _table(frame: pl.DataFrame) -> str:
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=140,
        fmt_str_lengths=40,
        float_precision=3,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
    ):
        return str(frame)
