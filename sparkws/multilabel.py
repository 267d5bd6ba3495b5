"""A multi-label task: the steps that count its votes and fit a label model for each of its labels.

They are called, and their tables too, as those of a task where an item has one class.
"""

from collections.abc import Mapping
from typing import Any

from sparkws.config import TaskConfig
from sparkws.engine.history import Transition
from sparkws.engine.session import SparkSession
from sparkws.labelmodels import multisteps
from sparkws.labelmodels.sampling import MAX_PATTERNS
from sparkws.manage.results import StepResult
from sparkws.runner import Done, Job, output_of, run_step
from sparkws.stats import multisteps as stats_multisteps
from sparkws.stats import steps as stats_steps


def count_step(spark: SparkSession, job: Job, name: str, votes: StepResult, gold: StepResult | None) -> StepResult:
    """Count the votes on each label."""
    labels: Mapping[str, Mapping[str, str]] = votes.details["labels"]

    def act(transition: Transition) -> Done:
        counted = stats_multisteps.count_labels(
            spark,
            output_of(spark, job, votes, f"{name}_votes"),
            None if gold is None else output_of(spark, job, gold, f"{name}_gold"),
            {label: tuple(columns) for label, columns in labels.items()},
            votes.details["faults"],
            job.workspace.table(f"{name}_patterns"),
            job.workspace.table(f"{name}_stats"),
            transition,
            job.options,
            most_patterns=MAX_PATTERNS,
            direct=job.direct,
        )
        outputs = {f"{name}_patterns": counted.patterns_version, f"{name}_stats": counted.stats_version}
        return Done(outputs=outputs, n_rows=counted.n_rows, details={})

    inputs = {f"{name}_votes": votes.outputs[f"{name}_votes"], **({} if gold is None else gold.outputs)}
    writes = [f"{name}_patterns", f"{name}_stats"]
    return run_step(spark, job, f"{name}.stats", inputs, {"labels": labels}, act, writes)


def model_step(
    spark: SparkSession, job: Job, name: str, task: TaskConfig, votes: StepResult, stats: StepResult
) -> StepResult:
    """Fit a label model for each label."""
    made_of: dict[str, Any] = {
        "label_model": task.label_model.model_dump(mode="json"),
        "labels": votes.details["labels"],
        "gold_use": "evaluate" if task.gold is None else task.gold.use,
        "max_fault_rate": 1.0 if task.lfs is None else task.lfs.max_fault_rate,
    }

    def act(transition: Transition) -> Done:
        counted = output_of(spark, job, stats, f"{name}_stats")
        report, version = multisteps.fit_labels(
            spark,
            task.label_model,
            output_of(spark, job, stats, f"{name}_patterns"),
            stats_multisteps.read_label_counters(spark, counted),
            votes.details["labels"],
            job.workspace.table(f"{name}_label_model"),
            transition,
            job.options,
            gold_use=made_of["gold_use"],
            max_fault_rate=made_of["max_fault_rate"],
            direct=job.direct,
            moments=stats_steps.read_moments(spark, counted),
            fingerprints=votes.details.get("fingerprints", {}),
            reads=votes.details.get("reads", {}),
        )
        return Done(
            outputs={f"{name}_label_model": version}, n_rows=report.n_items, details={"result": report.to_plain()}
        )

    return run_step(spark, job, f"{name}.label_model", stats.outputs, made_of, act, [f"{name}_label_model"])
