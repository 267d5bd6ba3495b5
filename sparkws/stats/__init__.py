"""Statistics of votes: small exact integers from which every report and every label model is made."""

from sparkws.stats.analysis import lf_summary, render
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.gold import GoldKernel
from sparkws.stats.patterns import Patterns, PatternsKernel
from sparkws.stats.patterns import of_matrix as patterns_of_matrix

__all__ = [
    "Counters",
    "CountersKernel",
    "GoldKernel",
    "Patterns",
    "PatternsKernel",
    "lf_summary",
    "patterns_of_matrix",
    "render",
]
