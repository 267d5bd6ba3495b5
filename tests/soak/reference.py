"""What the tables of a project must hold, worked out row by row in plain Python."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.soak import models
from tests.soak.functions import ABSTAIN, Label
from tests.soak.hashes import Key, choose_tied, hash_key, level_of
from tests.soak.items import Row
from tests.soak.models import Fit
from tests.soak.projects import Crowd, Gold, Project, Task

FAULTS_KEPT = 10
TIE = 1e-9

Votes = list[tuple[Key, list[int | None]]]


@dataclass
class Expected:
    """The tables that a run writes, in its order, up to the error that it ends with, if any.

    A table is a list of rows. That of a label model stands for all its iterations: `fits` of a task holds them.
    """

    tables: dict[str, list[Row]] = field(default_factory=dict)
    fits: dict[str, list[Fit]] = field(default_factory=dict)
    error: str | None = None


def expect(project: Project, n_iters: Mapping[str, int]) -> Expected:
    """The tables after a run.

    Parameters
    ----------
    n_iters : mapping of str to int
        Where EM of a task stopped: two sums that differ by rounding may stop it at different iterations.
        Whether it may stop there is for the caller to see, in `fits`.
    """
    found = Expected()
    for task in project.tasks:
        found.error = _add_task(found, project, task, n_iters.get(task.name))
        if found.error is not None:
            break
    return found


def _add_task(found: Expected, project: Project, task: Task, n_iter: int | None) -> str | None:
    """Add the tables of a task; gives the error at which it ends."""
    tables, name = found.tables, task.name
    faults: list[tuple[Key, str, str]] = []
    if task.functions is not None:
        keys = [row["id"] for row in project.source_rows]
        if None in keys or (len(set(keys)) < len(keys) and project.engine["key_check"] != "trust"):
            return "InvalidKeys"
        lf_names = [f.name for f in task.lfs]
        votes, faults, n_invalid = _run_functions(task, project.source_rows)
        if n_invalid:
            return "InvalidVote"
        if faults and task.on_fault == "fail":
            return "FunctionFailed"
        tables[f"{name}_faults"] = _sample(faults)
    else:
        assert task.crowd is not None
        lf_names, votes = _import(task.crowd, task.classes)
    tables[f"{name}_votes"] = [{"item_id": key, **dict(zip(lf_names, row, strict=True))} for key, row in votes]
    gold: dict[Key, int] = {}
    if task.gold is not None:
        known = _gold_rows(project, task, task.gold)
        there = {row["split"] for row in known} - {None}
        if task.gold.splits is not None:
            if set(task.gold.splits) - there:
                return "InvalidGold"
            known = [row for row in known if row["split"] in task.gold.splits]
        tables[f"{name}_gold"] = known
        gold = {row["item_id"]: row["class"] for row in known}
    k = len(task.classes)
    n_faults = Counter(lf for _, lf, _ in faults)
    tables[f"{name}_patterns"] = _patterns(votes, gold, len(lf_names), k)
    counters = _counters(votes, gold, lf_names, k, n_faults)
    counters["n_rows"] = len(tables[f"{name}_patterns"])
    tables[f"{name}_stats"] = [{"kind": "counters", "payload": counters}]

    most = 1.0 if task.functions is None else task.max_fault_rate
    taking_part = [j for j, lf in enumerate(lf_names) if votes and n_faults[lf] / len(votes) <= most]
    L = [[ABSTAIN if row[j] is None else int(row[j] or 0) for j in taking_part] for _, row in votes]
    known_classes = [gold.get(key, ABSTAIN) for key, _ in votes]
    if not any(vote != ABSTAIN for row in L for vote in row):
        return "NothingToFit"
    use = task.gold.use if task.gold is not None else ""
    seen = known_classes if use in ("dev", "clamp") else [ABSTAIN] * len(L)
    options = task.model
    if options["kind"] == "dawid_skene" and options["class_balance"] == "dev" and set(seen) == {ABSTAIN}:
        return "NothingToFit"
    fits = _fit(L, seen, task, holds=use == "clamp")
    found.fits[name] = fits
    at = 0 if options["kind"] == "majority" else min(n_iter or len(fits), len(fits)) - 1
    fit, names = fits[at], [lf_names[j] for j in taking_part]
    tables[f"{name}_label_model"] = _model_rows(fit, task, names, at + 1)
    clamped = gold if use == "clamp" else {}
    has_fault = {key for key, row in votes if any(row[j] is None for j in taking_part)}
    tables[f"{name}_labels"] = [
        _label(key, row, fit, options, clamped.get(key), has_fault=key in has_fault)
        for (key, _), row in zip(votes, L, strict=True)
    ]
    return None


def resolve(label: Label, classes: Sequence[str]) -> int:
    """The index of a class by name or index; -1 abstains."""
    return label if isinstance(label, int) else list(classes).index(label)


def _run_functions(task: Task, rows: Sequence[Row]) -> tuple[Votes, list[tuple[Key, str, str]], int]:
    """The votes, the faults, and how often something was returned that is no vote."""
    votes: Votes = []
    faults = []
    n_invalid = 0
    for row in rows:
        own: list[int | None] = []
        for function in task.lfs:
            try:
                label = function.vote(row)
                n_invalid += label is None
                own.append(None if label is None else resolve(label, task.classes))
            except Exception as error:
                own.append(None)
                faults.append((row["id"], function.name, type(error).__name__))
        votes.append((row["id"], own))
    return votes, faults, n_invalid


def _sample(faults: Sequence[tuple[Key, str, str]]) -> list[Row]:
    """For each function the faults of the items whose text has the smallest hashes."""
    kept: list[Row] = []
    for lf in sorted({lf for _, lf, _ in faults}):
        own = sorted((hash_key(str(key)), str(key), error) for key, name, error in faults if name == lf)
        kept += [{"item_id": key, "lf": lf, "error_class": error} for _, key, error in own[:FAULTS_KEPT]]
    return kept


def _import(crowd: Crowd, classes: Sequence[str]) -> tuple[list[str], Votes]:
    def vote(raw: Any) -> int:
        if raw is None or (crowd.is_numeric and raw == ABSTAIN):
            return ABSTAIN
        return resolve(crowd.mapping.get(raw, raw), classes)

    if crowd.format == "wide":
        return column_names(crowd.workers), [
            (row["item"], [vote(row[worker]) for worker in crowd.workers]) for row in crowd.rows
        ]
    workers = sorted({row["worker"] for row in crowd.rows})
    answers = {(row["item"], row["worker"]): row["answer"] for row in crowd.rows}
    items = dict.fromkeys(row["item"] for row in crowd.rows)
    return column_names(workers), [(item, [vote(answers.get((item, worker))) for worker in workers]) for item in items]


def column_names(raws: Sequence[str]) -> list[str]:
    """The names of columns that ids get: legal ones, told apart by a hash where they are equal."""

    def legal(raw: str) -> str:
        is_legal = re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", raw) and raw.lower() not in ("item_id", "gold")
        return raw if is_legal else "lf_" + re.sub("[^A-Za-z0-9_]", "_", raw)

    times = Counter(legal(raw).lower() for raw in raws)
    return [
        legal(raw) + (f"_{hashlib.sha256(raw.encode()).hexdigest()[:6]}" if times[legal(raw).lower()] > 1 else "")
        for raw in raws
    ]


def _gold_rows(project: Project, task: Task, gold: Gold) -> list[Row]:
    if gold.way == "table":
        raw = [(row["thing"], row["label"], row["fold"]) for row in gold.rows]
    elif gold.way == "column":
        raw = [(row["id"], row[task.truth], row["split"]) for row in project.source_rows]
    else:
        raw = [(row["id"], _by_place(row["pos"]), row["split"]) for row in project.source_rows]
    return [
        {"item_id": key, "class": resolve(label, task.classes), "split": split}
        for key, label, split in raw
        if label is not None
    ]


def _by_place(pos: int) -> int | None:
    return 1 if pos % 4 == 3 else 0 if pos % 4 < 2 else None


def _patterns(votes: Votes, gold: Mapping[Key, int], m: int, k: int) -> list[Row]:
    """How many items have each combination of votes, known class and level; votes are digits in base k + 1."""
    per_key = 0
    while (k + 1) ** (per_key + 1) <= 2**63:
        per_key += 1
    counts: Counter[tuple[int, ...]] = Counter()
    for key, row in votes:
        digits = [0 if vote is None else vote + 1 for vote in row]
        packed = [
            sum(digit * (k + 1) ** place for place, digit in enumerate(digits[start : start + per_key]))
            for start in range(0, m, per_key)
        ]
        counts[(*packed, gold.get(key, ABSTAIN), level_of(key))] += 1
    n_keys = -(-m // per_key)
    names = [*(f"pattern_{at}" for at in range(n_keys)), "gold", "level"]
    return [{**dict(zip(names, group, strict=True)), "n_items": n} for group, n in counts.items()]


def _counters(
    votes: Votes, gold: Mapping[Key, int], lf_names: Sequence[str], k: int, n_faults: Mapping[str, int]
) -> dict[str, Any]:
    m = len(lf_names)
    count: dict[str, Any] = {
        "lf_names": list(lf_names),
        "n_items": len(votes),
        "n_voted": 0,
        "votes": [[0] * k for _ in range(m)],
        "overlaps": [0] * m,
        "conflicts": [0] * m,
        "confusion": [[[0] * (k + 1) for _ in range(k)] for _ in range(m)],
        "gold_items": [0] * k,
        "faults": [n_faults.get(lf, 0) for lf in lf_names],
    }
    for key, row in votes:
        cast = [vote for vote in row if vote not in (None, ABSTAIN)]
        count["n_voted"] += bool(cast)
        if key in gold:
            count["gold_items"][gold[key]] += 1
        for j, vote in enumerate(row):
            digit = 0 if vote is None else vote + 1
            if key in gold:
                count["confusion"][j][gold[key]][digit] += 1
            if digit:
                count["votes"][j][digit - 1] += 1
                count["overlaps"][j] += len(cast) > 1
                count["conflicts"][j] += any(other != vote for other in cast)
    return count


def _fit(L: list[list[int]], seen: Sequence[int], task: Task, *, holds: bool) -> list[Fit]:
    k, options = len(task.classes), task.model
    if options["kind"] == "majority":
        return [models.fit_majority(L, k)]
    return models.fit_dawid_skene(
        L,
        seen if holds else [ABSTAIN] * len(L),
        k,
        balance=models.known_balance(options["class_balance"], seen, k),
        use_abstain=options["abstain"] == "outcome",
        smoothing=options["smoothing"],
        n_iter=options["max_iter"],
    )


def _model_rows(fit: Fit, task: Task, lf_names: Sequence[str], n_iter: int) -> list[Row]:
    kind = task.model["kind"]

    def row(
        parameter: str,
        value: float | None = None,
        lf: str | None = None,
        vote: str | None = None,
        of: str | None = None,
        text: str | None = None,
    ) -> Row:
        number = None if value is None else float(value)
        names = {"kind": kind, "parameter": parameter, "lf": lf, "vote": vote, "class": of}
        return {**names, "value": number, "text": text}

    rows = [row("class_balance", p, of=name) for p, name in zip(fit.balance, task.classes, strict=True)]
    rows += [row("lf", j, lf=name) for j, name in enumerate(lf_names)]
    rows.append(row("temperature", 1))
    if fit.cpt is None:
        return [*rows, row("n_iter", 0), row("converged", 1)]
    assert fit.log_likelihood is not None
    # No soak project has so many vote vectors that its fit is from a sample, so none is polished.
    rows += [row("n_iter", n_iter), row("n_polish", 0), row("log_likelihood", fit.log_likelihood)]
    rows.append(row("abstain", text="outcome" if fit.use_abstain else "missing"))
    for name, table in zip(lf_names, fit.cpt, strict=True):
        for vote, cells in zip((None, *task.classes), table, strict=True):
            rows += [row("cpt", p, name, vote, of) for p, of in zip(cells, task.classes, strict=True)]
    return rows


def _label(
    key: Key, votes: Sequence[int], fit: Fit, options: Mapping[str, Any], held: int | None, *, has_fault: bool
) -> Row:
    n_votes = sum(vote != ABSTAIN for vote in votes)
    probs = models.posterior(votes, fit)
    if held is not None:
        probs, status, pred = [float(y == held) for y in range(len(fit.balance))], "gold", held
    elif probs is None:
        status, pred = "fault" if has_fault else "abstain", None
    else:
        tied = [y for y, p in enumerate(probs) if p >= max(probs) - TIE]
        is_decided = len(tied) == 1
        random = None if options["tie_break_policy"] == "abstain" else choose_tied(key, tied, options["seed"])
        status, pred = "labeled", tied[0] if is_decided else random
    confidence = None if probs is None else max(probs)
    return {
        "item_id": key,
        "probs": probs,
        "pred": pred,
        "confidence": confidence,
        "n_votes": n_votes,
        "label_status": status,
    }
