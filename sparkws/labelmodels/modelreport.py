"""What has to be said of the label model of a task, as one value; the ledger and the report hold its plain form."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from sparkws.labelmodels.findings import Finding
from sparkws.labelmodels.labelmodel import LabelModel

Plain = Mapping[str, Any]

# Left out of the plain form where there is nothing to say.
_WHERE_THERE_IS: Final = frozenset({"tasks", "label_intervals", "slices"})


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """How a label model was fitted, and what was found of it.

    Attributes
    ----------
    kind : str
        Of the model.
    tasks : sequence of str or None
        The tasks of the graph that it labels together.
    choice : mapping or None
        Why `auto` took it, see `choose.Choice`.
    class_balance : mapping of str to float
    balance_source : str
        Where it comes from.
    abstain : {"outcome", "missing", "published"} or None
        What abstaining is to the model.
    n_iter, converged, log_likelihood
        How the fit ended.
    n_items, n_patterns : int
        What it was fitted on.
    level : int
        From a 2^-level sample of the items.
    largest_standard_error : float or None
        That the sample brings, or has left.
    polish : mapping or None
        How a fit from a sample was polished by passes over all items.
    dependencies : mapping or None
        Functions that depend on each other, with the evidence.
    left_out, not_chosen : sequence of str
        Functions that faulted too often, and those that the configuration does not choose.
    lf_summary : sequence of mappings
        What is told of each function.
    soft_votes : mapping
        Of functions that vote with a probability.
    gold_use : {"evaluate", "dev", "clamp"}
    metrics : mapping of str to mapping
        Of the model and of majority vote, by kind; empty without known classes.
    calibration, bootstrap, leave_one_out, label_intervals
        How far it can be trusted, see `assess` and `refitted`; `label_intervals` says why labels do not tell.
    warnings : sequence of Finding
    slices : mapping or None
        Figures of each slice.
    """

    kind: str
    tasks: Sequence[str] | None = None
    choice: Plain | None = None
    class_balance: Mapping[str, float]
    balance_source: str
    abstain: str | None
    n_iter: int
    converged: bool
    log_likelihood: float | None
    n_items: int
    n_patterns: int
    level: int
    largest_standard_error: float | None = None
    polish: Plain | None = None
    dependencies: Plain | None = None
    left_out: Sequence[str]
    not_chosen: Sequence[str]
    lf_summary: Sequence[Plain]
    soft_votes: Plain = field(default_factory=dict)
    gold_use: str
    metrics: Mapping[str, Plain]
    calibration: Plain | None = None
    bootstrap: Plain
    leave_one_out: Plain
    label_intervals: str | None = None
    warnings: Sequence[Finding]
    slices: Plain | None = None

    def to_plain(self) -> dict[str, Any]:
        """Plain values, by the names of the attributes."""
        values = {entry.name: _plain(getattr(self, entry.name)) for entry in fields(self)}
        told = {name: value for name, value in values.items() if value is not None or name not in _WHERE_THERE_IS}
        return told | {"warnings": [asdict(finding) for finding in self.warnings]}


def how_fitted(model: LabelModel, classes: Sequence[str]) -> dict[str, Any]:
    """What the model itself tells of a report, by attribute."""
    return {
        "kind": model.kind,
        "class_balance": dict(zip(classes, model.class_balance_.tolist(), strict=True)),
        "balance_source": model.balance_source_,
        "abstain": model.abstain_,
        "n_iter": model.n_iter_,
        "converged": model.converged_,
        "log_likelihood": model.log_likelihood_,
    }


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, kw_only=True)
class MultiLabelReport:
    """What has to be said of the models of a multi-label task.

    Attributes
    ----------
    labels : mapping of str to ModelReport
        Of each label that has a model.
    metrics : mapping of str to mapping
        Figures over all labels, of the models and of majority vote.
    warnings : sequence of (str, Finding)
        The label of each.
    """

    labels: Mapping[str, ModelReport]
    metrics: Mapping[str, Plain]
    warnings: Sequence[tuple[str, Finding]]

    @property
    def n_items(self) -> int:
        """The items whose votes were counted."""
        return max(report.n_items for report in self.labels.values())

    def to_plain(self) -> dict[str, Any]:
        """Plain values."""
        reports = self.labels.values()
        return {
            "kind": "multi_label",
            "n_items": self.n_items,
            "n_patterns": sum(report.n_patterns for report in reports),
            "left_out": sorted({name for report in reports for name in report.left_out}),
            "labels": {label: report.to_plain() for label, report in self.labels.items()},
            "metrics": dict(self.metrics),
            "warnings": [
                {"code": finding.code, "message": finding.message, "label": label} for label, finding in self.warnings
            ],
        }
