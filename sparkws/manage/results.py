"""What a run did, as values: for the caller, the log and the JSON line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One step of a run.

    Attributes
    ----------
    status : {"done", "skipped"}
        Skipped: nothing that it depends on has changed since its last success.
    reason : str
        Why it ran; empty when skipped.
    outputs : mapping of str to int or None
        The tables that it wrote, now or at its last success, with their versions.
    seconds : float
        Wall time of this run; 0 when skipped.
    details : mapping
        What the step found.
    """

    step: str
    status: Literal["done", "skipped"]
    reason: str
    outputs: Mapping[str, int | None]
    seconds: float
    n_rows: int
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """All steps of a run, in order.

    Attributes
    ----------
    workspace : str
        Where the tables are.
    tasks : tuple of str
        The tasks that were run.
    """

    project: str
    workspace: str
    tasks: tuple[str, ...]
    steps: tuple[StepResult, ...]

    @property
    def is_unchanged(self) -> bool:
        """Whether every step was skipped."""
        return all(step.status == "skipped" for step in self.steps)

    def step(self, name: str) -> StepResult:
        """The step of that name, as "sentiment.votes"."""
        for step in self.steps:
            if step.step == name:
                return step
        raise KeyError(f"the run has no step {name!r}; it has {[step.step for step in self.steps]}")

    def to_plain(self) -> dict[str, Any]:
        """Plain values: for each step its status, tables, rows and seconds; for each task what was found."""
        steps = [
            {
                "step": step.step,
                "status": step.status,
                "n_rows": step.n_rows,
                "seconds": round(step.seconds, 3),
                "outputs": dict(step.outputs),
            }
            for step in self.steps
        ]
        found = {
            task: {
                name: dict(step.details["result"])
                for name in ("votes", "label_model", "labels")
                for step in self.steps
                if step.step == f"{task}.{name}" and "result" in step.details
            }
            for task in self.tasks
        }
        return {
            "project": self.project,
            "workspace": self.workspace,
            "unchanged": self.is_unchanged,
            "steps": steps,
            "tasks": found,
        }
