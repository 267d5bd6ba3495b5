"""Statistics of votes: small exact integers from which every report and every label model is made."""

from sparkws.stats.analysis import lf_summary, render
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.gold import GoldKernel
from sparkws.stats.joint import BothMoments
from sparkws.stats.joint import of_patterns as moments_of_patterns
from sparkws.stats.moments import Moments
from sparkws.stats.patterns import Patterns, PatternsKernel
from sparkws.stats.patterns import of_matrix as patterns_of_matrix
from sparkws.stats.triples import Triples, choose_triples

__all__ = [
    "BothMoments",
    "Counters",
    "CountersKernel",
    "GoldKernel",
    "Moments",
    "Patterns",
    "PatternsKernel",
    "Triples",
    "choose_triples",
    "lf_summary",
    "moments_of_patterns",
    "patterns_of_matrix",
    "render",
]
