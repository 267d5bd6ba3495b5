"""From votes on disk to fitted parameters, in one process, against Snorkel's fit of the same matrix in memory.

Models of moments read the votes, count their pairs and some triples, and are fitted from those. `auto` goes the way
of the pipeline: it reads the votes, counts patterns, and where they are too many chooses and fits from a sample of
them and polishes by EM over all. What a run also does for its report, such as standard errors, is left out. Snorkel
has an environment of its own, its defaults, and its votes in memory, as 64-bit integers, which its appliers give, and
as bytes, which may be quicker: `ratio` is against the faster of the two. Where it cannot be installed, there are no
ratios. All functions vote both classes. The sizes are a million items (default, full) and 100,000 (small).
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.apart import CannotInstall, Rival, environment
from benchmarks.harness import Result, time_in_turns
from benchmarks.model_quality import SNORKEL, SNORKEL_NEEDS
from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.labelmodels.chosen import choose_and_fit
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import AnyModel
from sparkws.labelmodels.polish import polish
from sparkws.labelmodels.sampling import cap_patterns
from sparkws.labelmodels.triplet import Triplet
from sparkws.stats import counters
from sparkws.stats.bits import columns_of
from sparkws.stats.moments import MomentsKernel
from sparkws.stats.patterns import PatternsKernel
from sparkws.stats.triples import TriplesKernel, choose_triples
from sparkws.synthetic import Truth

ROWS: Final = {"small": 100_000, "default": 1_000_000, "full": 1_000_000}
N_LFS: Final = (20, 100)
ROUNDS: Final = 3
GOAL: Final = 20.0
MOMENT_MODELS: Final = {"triplet": Triplet, "matrix_completion": MatrixCompletion}


def run(size: str) -> Result:
    """The figures at a size; goals are for a million items."""
    figures: dict[str, float] = {"rows": ROWS[size]}
    goals: dict[str, tuple[str, float]] = {}
    for m in N_LFS:
        with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
            truth = truth_of(m)
            votes = _write_votes(truth, ROWS[size], Path(scratch))
            _race(truth, votes, figures)
        if f"ratio_triplet_{m}" in figures and size != "small":
            goals |= {f"ratio_{name}_{m}": (">=", GOAL) for name in MOMENT_MODELS}
    return Result("model_speed", figures, goals)


def truth_of(m: int) -> Truth:
    """The same functions in every run."""
    return synthetic.random_truth(np.random.default_rng(m), m, 2, accuracy=(0.6, 0.9), coverage=(0.05, 0.5))


def fit_moments(votes: Path, m: int, kind: str) -> AnyModel:
    """A model of moments, from a Parquet file."""
    names = synthetic.lf_names(m)
    columns = columns_of(pl.read_parquet(votes, columns=list(names)), names, 2)
    pairs = MomentsKernel(names, 2).of_columns(columns)
    chosen = choose_triples(pairs.votes, np.random.default_rng(0))
    model = MOMENT_MODELS[kind](2)
    return model.fit(pairs, triples=TriplesKernel(names, 2, chosen).of_columns(columns, pairs))


def fit_auto(votes: Path, m: int) -> AnyModel:
    """What `auto` takes, from a Parquet file."""
    config, names = LabelModelConfig(), synthetic.lf_names(m)
    counted = PatternsKernel(names, 2).of_batch(pl.read_parquet(votes))
    sample, level = cap_patterns(counted, 0)
    model, _ = choose_and_fit(config, sample, ("no", "yes"), gold_use="evaluate")
    if level and isinstance(model, DawidSkene):
        model = polish(
            model, counters.of_patterns(counted), lambda kernel: kernel.of_batch(counted.rows), config.polish
        )
    return model


def _race(truth: Truth, votes: Path, figures: dict[str, float]) -> None:
    m = truth.n_lfs
    found: dict[str, AnyModel] = {}

    def fit(name: str) -> None:
        found[name] = fit_auto(votes, m) if name == "auto" else fit_moments(votes, m, name)

    ours = [*MOMENT_MODELS, "auto"]
    with _snorkel(votes) as snorkel:
        alternatives: dict[str, Callable[[], object]] = {name: partial(fit, name) for name in ours}
        took = time_in_turns(alternatives | {name: rival.run for name, rival in snorkel.items()}, rounds=ROUNDS)
    for name in took.seconds:
        figures[f"seconds_{name}_{m}"] = took.median(name)
    for name in ours:
        cpt = found[name].cpt_
        if cpt is not None:
            figures[f"error_{name}_{m}"] = float(np.abs(cpt - truth.cpt).max())
        ratios = {rival: took.ratio(rival, name) for rival in snorkel}
        figures |= {f"ratio_{name}_{m}_against_{rival}": ratio for rival, ratio in ratios.items()}
        if ratios:
            figures[f"ratio_{name}_{m}"] = min(ratios.values())


@contextmanager
def _snorkel(votes: Path) -> Iterator[Mapping[str, Rival]]:
    """Snorkel with the votes in memory, by the type that they have there; nothing where it cannot be installed."""
    try:
        python = environment("snorkel-models", SNORKEL_NEEDS, SNORKEL)
    except CannotInstall as error:
        print(f"  Snorkel cannot be installed here, so it takes no part: {error}", flush=True)
        yield {}
        return
    program = Path(__file__).with_name("speed_snorkel.py")
    with ExitStack() as opened:
        rivals = {}
        for dtype in ("int64", "int8"):
            rivals[f"snorkel_{dtype}"] = rival = Rival(python, program, str(votes.with_suffix(".npy")), dtype)
            opened.callback(rival.close)
        yield rivals


def _write_votes(truth: Truth, n_rows: int, folder: Path) -> Path:
    """The Parquet file of the votes; the same as a numpy array lies beside it."""
    L, _ = synthetic.sample(truth, n_rows, np.random.default_rng(1))
    np.save(folder / "votes.npy", L)
    synthetic.votes_frame(L).write_parquet(folder / "votes.parquet")
    return folder / "votes.parquet"
