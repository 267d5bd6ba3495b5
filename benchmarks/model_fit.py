"""Fitting each label model from its statistics, on one core: 100 LFs of two classes, then 1,000 LFs.

Models of moments are fitted from the moments of ten million items, which cost what those of a thousand do. Their
exact expectations are sampled, so that no votes are made. Models of patterns are fitted from 100,000 patterns
(20,000 at the small size), nearly as many as items. Half of the functions vote one class only. Dependencies between
functions are learned from either.
"""
# ruff: noqa: E402

from sparkws.engine.worker import limit_threads

limit_threads(1)  # before numpy is there

import resource
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np

from benchmarks.harness import Result, time_in_turns
from sparkws import synthetic
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import AnyModel
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.publishedtriplet import PublishedTriplet
from sparkws.labelmodels.structure import learn_dependencies
from sparkws.labelmodels.triplet import Triplet
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.joint import BothMoments
from sparkws.stats.moments import Moments
from sparkws.stats.patterns import of_matrix
from sparkws.stats.triples import Triples, choose_triples

PATTERNS: Final = {"small": 20_000, "default": 100_000, "full": 100_000}
N_ITEMS: Final = 10**7
FEW, MANY = 100, 1000
ROUNDS: Final = 3
GIB: Final = 2.0**20  # in the units of `ru_maxrss`, KiB


def run(size: str) -> Result:
    """The figures at a size."""
    figures: dict[str, float] = {}
    goals: dict[str, tuple[str, float]] = {}
    names = synthetic.lf_names(FEW)
    truth = truth_of(FEW, 2)
    counted = of_matrix(synthetic.sample(truth, PATTERNS[size], np.random.default_rng(1))[0], names, 2)
    figures["patterns"] = counted.rows.height
    from_patterns: dict[str, AnyModel] = {
        "majority": MajorityVote(2),
        "weighted": WeightedVote(2, dict.fromkeys(names, 1.0)),
        "precision": PrecisionVote(2),
        "precision_learned": PrecisionVote(2, precision="learned"),
        "dawid_skene": DawidSkene(2),
        "dawid_skene_missing": DawidSkene(2, abstain="missing"),
        "one_coin": DawidSkene(2, one_coin=True),
    }
    _time({name: partial(model.fit, counted) for name, model in from_patterns.items()}, figures)
    goals |= {f"seconds_{name}": ("<=", 2.0) for name in from_patterns}
    _time({name: fit for name, (fit, _) in _of_moments(FEW, 2).items()}, figures)
    goals |= {f"seconds_{name}": ("<=", 0.5) for name in _of_moments(FEW, 2)}
    learning = {
        "structure": partial(learn_dependencies, moments_of(truth, N_ITEMS).pairs),
        "structure_patterns": partial(learn_dependencies, counted),
    }
    _time(learning, figures)
    goals |= {f"seconds_{name}": ("<=", 5.0) for name in learning}
    for k in (2, 3):
        for name, (fit, model) in _of_moments(MANY, k).items():
            figure = f"seconds_{name}_{MANY}_lfs_{k}_classes"
            start = time.perf_counter()
            fit()
            figures[figure] = time.perf_counter() - start
            print(f"  {figure} {figures[figure]:8.2f} s", flush=True)
            goals[figure] = ("<=", 60.0)
            assert model.cpt_ is not None
            figures[f"error_{name}_{MANY}_lfs_{k}_classes"] = float(np.abs(model.cpt_ - truth_of(MANY, k).cpt).max())
    figures["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB
    goals["peak_gib"] = ("<=", 4.0)
    return Result("model_fit", figures, goals)


def truth_of(m: int, k: int) -> synthetic.Truth:
    """The same functions in every run; the last half of them vote one class only."""
    rng = np.random.default_rng([m, k])
    return synthetic.random_truth(rng, m, k, accuracy=(0.6, 0.9), coverage=(0.05, 0.5), n_single_class=m // 2)


def moments_of(truth: synthetic.Truth, n: int) -> BothMoments:
    """Counts of single votes, pairs and triples with the expectations that n items have."""
    rng = np.random.default_rng(0)
    m, k = truth.n_lfs, truth.cardinality
    mu = truth.cpt[:, 1:].reshape(m * k, k)
    expected = (mu * truth.class_balance) @ mu.T
    lf = np.arange(m * k) // k
    expected[lf[:, None] == lf] = 0.0
    np.fill_diagonal(expected, mu @ truth.class_balance)
    upper = np.triu(rng.poisson(n * expected))
    gram = upper + np.triu(upper, 1).T
    cells = np.flatnonzero(np.diagonal(gram))
    pairs = Moments(synthetic.lf_names(m), k, n, cells, gram[np.ix_(cells, cells)])
    chosen = choose_triples(pairs.votes, rng)
    first, second, third = (truth.cpt[list(lfs)] for lfs in zip(*chosen, strict=True))
    joint = np.einsum("y,say,sby,scy->sabc", truth.class_balance, first, second, third)
    counts = np.stack([rng.multinomial(n, cube.ravel()).reshape(cube.shape) for cube in joint])
    return BothMoments(pairs, Triples(pairs.lf_names, k, chosen, n, counts))


def _of_moments(m: int, k: int) -> Mapping[str, tuple[Callable[[], object], AnyModel]]:
    """The fits of the models of moments, class balance included, and the models."""
    both = moments_of(truth_of(m, k), N_ITEMS)
    models = [Triplet(k, one_vs_rest=k > 2), MatrixCompletion(k), *([PublishedTriplet(k)] if k == 2 else [])]
    return {
        model.kind: (partial(model.fit, both.pairs, triples=both.triples), model)  # type: ignore[attr-defined]
        for model in models
    }


def _time(fits: Mapping[str, Callable[[], object]], figures: dict[str, float]) -> None:
    took = time_in_turns(fits, rounds=ROUNDS, log=False)
    for name in fits:
        figures[f"seconds_{name}"] = took.median(name)
        print(f"  {name:<22} {figures[f'seconds_{name}']:8.3f} s", flush=True)
