"""EM over the whole table gives what EM in memory gives, from whatever sample it starts."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.errors import IncompatibleStatistics, NothingToFit
from sparkws.labelmodels.balance import volume
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.em import count_votes, e_step, expect, m_step, make_problem, make_rows
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.polish import polish
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import PatternsKernel, at_level, collapse, unpack

LFS = synthetic.lf_names(6)


def counted(seed, n=4000, k=2, share_gold=0.0, **options):
    """Pattern counts of items with levels, and their classes where known."""
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 6, k, **{"accuracy": (0.7, 0.9), "coverage": (0.4, 0.9), **options})
    L, Y = synthetic.sample(truth, n, rng)
    gold = pl.Series("gold", np.where(rng.random(n) < share_gold, Y, -1), dtype=pl.Int8)
    return PatternsKernel(LFS, k, with_gold=True).of_batch(synthetic.votes_frame(L, LFS).with_columns(gold))


def over(patterns, seen=None):
    """Carries a kernel over the rows, three batches in a shuffled order; `seen` collects the kernels."""
    rows = patterns.rows.sample(fraction=1, shuffle=True, seed=0)

    def carry(kernel):
        if seen is not None:
            seen.append(kernel)
        parts = [kernel.of_batch(rows.select(kernel.columns)[i::3]) for i in range(3)]
        return kernel.merge(kernel.merge(parts[2], parts[0]), parts[1])

    return carry


OPTIONS = st.sampled_from(
    [
        {"abstain": "outcome"},
        {"abstain": "missing"},
        {"abstain": "missing", "class_balance": "uniform"},
        {"abstain": "outcome", "class_balance": "dev"},
        {"abstain": "outcome", "clamp_gold": True},
        {"abstain": "missing", "clamp_gold": True, "smoothing": 0.0},
    ]
)


@settings(max_examples=12)
@given(OPTIONS, st.integers(2, 3), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_polished_to_the_end_a_sample_gives_the_fit_from_everything(options, k, n_single, seed):
    whole = counted(seed, k=k, share_gold=0.2, n_single_class=n_single)
    sample = at_level(whole, 2)
    model = DawidSkene(k, tol=1e-13, max_iter=3000, **options).fit(sample)
    before = model.cpt_.copy()
    polished = polish(model, of_patterns(whole), over(whole), 3000)
    assert polished.converged_
    # From the same start, because a likelihood may have several peaks.
    full = DawidSkene(k, tol=1e-13, max_iter=3000, **options).fit(whole, start=model)
    np.testing.assert_allclose(polished.cpt_, full.cpt_, atol=1e-4)
    np.testing.assert_allclose(polished.class_balance_, full.class_balance_, atol=1e-4)
    assert polished.log_likelihood_ == pytest.approx(full.log_likelihood_, rel=1e-6)
    assert polished.balance_source_ == full.balance_source_
    np.testing.assert_array_equal(model.cpt_, before, "the model itself is left as it was")
    assert model.n_polish_ == 0 < polished.n_polish_


@settings(max_examples=20)
@given(OPTIONS, st.integers(2, 3), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_no_step_lowers_the_objective(options, k, n_single, seed):
    whole = counted(seed, n=300, k=k, share_gold=0.3, n_single_class=n_single)
    model = DawidSkene(k, max_iter=2, tol=0, **options).fit(at_level(whole, 1))
    objective = polish(model, of_patterns(whole), over(whole), 25).objective_
    assert len(objective) > 1
    # Tables are fitted to expectations that are rounded to 2^-30.
    assert (np.diff(objective) >= -1e-7).all()


def test_a_step_is_an_e_step_and_an_m_step_in_memory():
    whole = counted(1)
    model = DawidSkene(2, abstain="outcome").fit(at_level(whole, 3))
    kernels = []
    polished = polish(model, of_patterns(whole), over(whole, kernels), 1)
    assert (polished.n_polish_, polished.converged_) == (1, False)
    assert len(kernels) == 3, "the volume of voting, the step, and the likelihood of what came out"
    flat = collapse(whole)
    L, counts = unpack(flat), flat.counts
    rows = make_rows(L, counts, None, 2)
    problem = make_problem(
        count_votes(L, counts, 2), flat.n_items, None, volume(L, counts, 2), use_abstain=True, smoothing=10
    )
    q, _ = e_step(rows, model.cpt_, model.class_balance_, use_abstain=True)
    cpt, p = m_step(problem, expect(rows, q))
    # Rounded rows, 2^-31 each, over thousands of items.
    np.testing.assert_allclose(polished.cpt_, cpt, atol=2.0**-29)
    np.testing.assert_allclose(polished.class_balance_, p, atol=2.0**-29)
    _, log_sum = e_step(rows, cpt, p, use_abstain=True)
    assert polished.log_likelihood_ == pytest.approx(counts @ log_sum)


def test_functions_that_take_no_part_are_left_out():
    whole = counted(2)
    few = LFS[1:4]
    L = unpack(whole)[:, 1:4]
    alone = PatternsKernel(few, 2).of_batch(synthetic.votes_frame(np.repeat(L, whole.counts, axis=0), few))
    model = DawidSkene(2, tol=1e-12).fit(at_level(alone, 2))
    ours = polish(model, of_patterns(whole), over(whole), 5)
    theirs = polish(model, of_patterns(alone), over(alone), 5)
    np.testing.assert_allclose(ours.cpt_, theirs.cpt_, atol=1e-8)
    assert ours.lf_names_ == few


def test_a_report_tells_what_polishing_did():
    whole = counted(3, n=20_000, share_gold=0.3)
    counters = of_patterns(whole)
    config = LabelModelConfig(polish=30, abstain="missing")
    kernels = []
    fitted = fit_label_model(config, at_level(whole, 4), counters, ["no", "yes"], level=4, carry=over(whole, kernels))
    assert not any(kernel.clamp_gold for kernel in kernels), "gold that is there to evaluate is not seen"
    report = fitted.report
    assert report.level == 0
    assert report.polish["converged"]
    assert report.polish["sample_level"] == 4
    assert report.polish["n_steps"] == fitted.model.n_polish_ == len(fitted.model.objective_)
    before, after = report.polish["largest_standard_error_before"], report.largest_standard_error
    assert 0 < after < before / 10
    assert report.log_likelihood == fitted.model.log_likelihood_ < -20_000

    one = fit_label_model(
        replace_polish(config, 1), at_level(whole, 4), counters, ["no", "yes"], level=4, carry=over(whole)
    ).report
    assert (one.level, one.polish["n_steps"], one.polish["converged"]) == (4, 1, False)
    assert after < one.largest_standard_error < before
    none = fit_label_model(
        replace_polish(config, 0), at_level(whole, 4), counters, ["no", "yes"], level=4, carry=over(whole)
    ).report
    assert (none.level, none.polish, none.largest_standard_error) == (4, None, before)
    everything = fit_label_model(config, whole, counters, ["no", "yes"], carry=over(whole)).report
    assert (everything.level, everything.polish, everything.largest_standard_error) == (0, None, None)


def replace_polish(config, n_steps):
    return config.model_copy(update={"polish": n_steps})


def test_what_cannot_be_polished_is_refused():
    whole = counted(4, n=500)
    counters = of_patterns(whole)
    with pytest.raises(NothingToFit, match="call fit before polishing it"):
        polish(DawidSkene(2), counters, over(whole), 1)
    model = DawidSkene(2).fit(at_level(whole, 1))
    with pytest.raises(IncompatibleStatistics, match="the pattern table holds 500 items, 501 were counted"):
        polish(model, replace(counters, n_items=501), over(whole), 1)
