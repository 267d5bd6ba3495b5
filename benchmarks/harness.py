"""What all benchmarks share: timing alternatives against each other, and the result that is printed last."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

SIZES: Final = ("default", "full", "small")
CACHE: Final = Path.home() / ".cache" / "sparkws" / "bench"  # generated data, kept from run to run


@dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes
    ----------
    goals : mapping of figure to (">=" or "<=", number)
        What the figures should be.
    """

    benchmark: str
    figures: Mapping[str, float]
    goals: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        """The goals that are not held, each as a sentence."""
        said = []
        for figure, (relation, bound) in self.goals.items():
            value = self.figures[figure]
            if not (value >= bound if relation == ">=" else value <= bound):
                said.append(f"missed: {figure} is {value:g}, the goal is {relation} {bound:g}")
        return said

    def to_json(self) -> str:
        """One line."""
        figures = {name: float(f"{value:.4g}") for name, value in self.figures.items()}
        return json.dumps({**asdict(self), "figures": figures, "held": not self.missed})


@dataclass(frozen=True)
class Timings:
    """The seconds of every alternative, one number for each round.

    Rounds are pairs: what disturbs the machine disturbs neighbors alike, so a ratio is the median of the
    ratios within rounds, while a time by itself is the median of its rounds.
    """

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """The median of the seconds of an alternative."""
        return statistics.median(self.seconds[name])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times the seconds of `fast` those of `slow` are: the median over the rounds."""
        return statistics.median(a / b for a, b in zip(self.seconds[slow], self.seconds[fast], strict=True))


def time_in_turns(
    alternatives: Mapping[str, Callable[[], object]], *, rounds: int, warm_ups: int = 1, log: bool = True
) -> Timings:
    """Run the alternatives in turns, A B C A B C ..., and time each run.

    The rounds begin at alternatives in turn, so that none always runs behind the same other one. Warm-up
    rounds come first and are not counted.
    """
    names = list(alternatives)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warm_ups, rounds):
        begin = number % len(names)
        for name in names[begin:] + names[:begin]:
            start = time.perf_counter()
            alternatives[name]()
            took = time.perf_counter() - start
            if number >= 0:
                seconds[name].append(took)
            if log:
                print(f"  {'warm-up' if number < 0 else f'round {number + 1}'}  {name:<12} {took:8.2f} s", flush=True)
    return Timings(seconds)
