"""How right the label of `auto` is on real votes, against majority vote, Snorkel, crowd-kit and published triplets.

No model sees a known class; all options are defaults; each model is fitted on all votes of a dataset and scored on
the items with a vote and a known class, ties in their share. Datasets lie in the folder that DATA names; see
quality_data.py. The demo's texts take part without it, and so do situations and worlds made up for this benchmark and
rules drawn over tables, which no mean of real votes counts. Rivals have environments of their own; where one cannot be
installed, it is left out. `test_` figures are those of the items that a dataset calls its test part.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.apart import CannotInstall, environment, run_once
from benchmarks.harness import CACHE, Result
from benchmarks.quality_data import VoteSet, demo_set, find_sets
from benchmarks.quality_drawn import drawn_sets
from benchmarks.quality_made import made_sets, thinned
from benchmarks.quality_score import difference, hits_of
from benchmarks.quality_tables import table_sets
from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.errors import DatasetUnavailable
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.stats import counters
from sparkws.stats.patterns import PatternsKernel

HERE: Final = Path(__file__).parent
LARGEST_LOSS: Final = 0.02
# Other versions of what requirements.lock pins would be taken from there.
SNORKEL_NEEDS: Final = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn==1.9.1",
    "tqdm==4.70.1",
    "torch==2.13.0",
    "munkres==1.1.4",
    "networkx==3.6.1",
)
SNORKEL: Final = ("snorkel==0.10.0",)
RIVALS: Final = {
    "quality_snorkel.py": ("snorkel-models", SNORKEL_NEEDS, SNORKEL),
    "quality_crowdkit.py": ("crowdkit", ("crowd-kit==1.4.2", "numpy", "pandas", "pyarrow"), ()),
}

Probs = Mapping[str, NDArray[np.float64]]


def run(size: str) -> Result:
    """The figures; the small size leaves out the rivals that have to be installed."""
    real = list(_real_sets())
    made = [*made_sets(), *thinned(real)]
    rivals = {} if size == "small" else _rivals([*real, *made])
    figures: dict[str, float] = {}
    goals: dict[str, tuple[str, float]] = {}
    gains: dict[str, list[float]] = {}
    for votes in real:
        for rival, gain in _compare(votes, rivals.get(votes.name, {}), figures).items():
            goals[f"gain_{votes.name}_over_{rival}"] = (">=", -LARGEST_LOSS)
            gains.setdefault(rival, []).append(gain)
    for rival, of_sets in gains.items():
        figures[f"mean_gain_over_{rival}"] = float(np.mean(of_sets))
        # Whether the mean hangs on one dataset.
        leave_one_out = [np.mean(np.delete(of_sets, at)) for at in range(len(of_sets))] if len(of_sets) > 1 else of_sets
        figures[f"mean_gain_over_{rival}_without_the_best_set"] = float(np.min(leave_one_out))
        goals[f"mean_gain_over_{rival}"] = (">=", 0.0)
    for votes in made:
        _compare(votes, rivals.get(votes.name, {}), figures)
    if size != "small":
        _many("drawn", drawn_sets(), figures)
        _many("table", table_sets(), figures)
    return Result("model_quality", figures, goals)


def _real_sets() -> Iterable[VoteSet]:
    folder = os.environ.get("DATA")
    if not folder:
        print("  for goals on real votes give DATA=FOLDER, a folder of datasets as benchmarks/quality_data.py tells")
    else:
        yield from find_sets(Path(folder))
    try:
        yield demo_set()
    except DatasetUnavailable as error:
        print(f"  the texts of the demo take no part: {error}")


def own_models(votes: VoteSet) -> tuple[str, Probs]:
    """What `auto` took, and the probabilities of our models `(n, k)` by their kinds."""
    names = synthetic.lf_names(votes.L.shape[1])
    counted = PatternsKernel(names, votes.cardinality).of_batch(synthetic.votes_frame(votes.L, names))
    classes = [str(label) for label in range(votes.cardinality)]
    kinds = ["auto", "majority", *(["published_triplet"] if votes.cardinality == 2 else [])]
    found, chosen = {}, ""
    for kind in kinds:
        config = LabelModelConfig.model_validate({"kind": kind, "bootstrap": 0, "leave_one_out": 0})
        fitted = fit_label_model(config, counted, counters.of_patterns(counted), classes)
        found[kind] = fitted.model.posterior(votes.L)
        if kind == "auto":
            assert fitted.report.choice is not None
            chosen = fitted.report.choice["name"]
    return chosen, found


def _compare(votes: VoteSet, rivals: Probs, figures: dict[str, float]) -> dict[str, float]:
    """The gain of `auto` over each other model; prints and keeps the figures of a dataset."""
    chosen, ours = own_models(votes)
    scored = votes.scored
    hits = {name: hits_of(probs[..., scored, :], votes.gold[scored]) for name, probs in {**ours, **rivals}.items()}
    print(f"\n  {votes.name}: {scored.sum():,} items, {votes.L.shape[1]} functions, {votes.cardinality} classes")
    print(f"    auto ({chosen})".ljust(42) + f"{hits['auto'].mean():.4f}")
    test = votes.is_test[scored]
    gains = {}
    for name, of_model in hits.items():
        figures[f"accuracy_{votes.name}_{name}"] = float(of_model.mean())
        if name == "auto":
            continue
        gain = difference(hits["auto"], of_model, np.random.default_rng(0))
        figures[f"gain_{votes.name}_over_{name}"] = gains[name] = gain.mean
        figures[f"gain_{votes.name}_over_{name}_low"] = gain.low
        figures[f"gain_{votes.name}_over_{name}_high"] = gain.high
        line = f"    {name}".ljust(42) + f"{of_model.mean():.4f}  auto {gain}"
        if test.any():
            on_test = difference(hits["auto"][test], of_model[test], np.random.default_rng(0))
            figures[f"test_gain_{votes.name}_over_{name}"] = on_test.mean
            line += f", test part {on_test}"
        print(line, flush=True)
    return gains


def _many(name: str, sets: Iterable[VoteSet], figures: dict[str, float]) -> None:
    """How far `auto` is above majority vote in many sets: the mean, the least, and how often it is far below."""
    gains = []
    for votes in sets:
        _, ours = own_models(votes)
        auto, majority = (hits_of(ours[kind][votes.scored], votes.gold[votes.scored]) for kind in ("auto", "majority"))
        gains.append(float((auto - majority).mean()))
    figures[f"{name}_sets"] = len(gains)
    figures[f"{name}_mean_gain_over_majority"] = float(np.mean(gains))
    figures[f"{name}_least_gain_over_majority"] = min(gains)
    figures[f"{name}_sets_far_below_majority"] = sum(gain < -LARGEST_LOSS for gain in gains)
    print(f"\n  {len(gains)} {name} sets: auto over majority {np.mean(gains):+.4f}, least {min(gains):+.4f}")


def _rivals(sets: Sequence[VoteSet]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """The probabilities of each rival for each dataset; kept, because rivals are frozen and slow."""
    found: dict[str, dict[str, NDArray[np.float64]]] = {votes.name: {} for votes in sets}
    for program, environ in RIVALS.items():
        kept = {votes.name: CACHE / f"said-{_hash(votes, program, environ)}.npz" for votes in sets}
        missing = [votes for votes in sets if not kept[votes.name].exists()]
        try:
            if missing:
                _let_say(missing, environment(*environ), HERE / program, kept)
        except CannotInstall as error:
            print(f"  {environ[0]} cannot be installed here, so it takes no part: {error}", flush=True)
            continue
        for name, path in kept.items():
            with np.load(path) as said:
                found[name] |= dict(said)
    return found


def _hash(votes: VoteSet, program: str, environ: object) -> str:
    made_from = [repr((environ, votes.L.shape, votes.cardinality, votes.is_crowd)).encode(), votes.L.tobytes()]
    return hashlib.sha256(b"".join([*made_from, (HERE / program).read_bytes()])).hexdigest()[:16]


def _let_say(sets: Iterable[VoteSet], python: Path, program: Path, kept: Mapping[str, Path]) -> None:
    with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
        for votes in sets:
            path = Path(scratch) / f"{votes.name}.npz"
            np.savez(path, L=votes.L, k=votes.cardinality, is_crowd=votes.is_crowd)
        run_once(python, program, scratch)
        for path in Path(scratch).glob("*.said.npz"):
            shutil.move(path, kept[path.name.removesuffix(".said.npz")])
