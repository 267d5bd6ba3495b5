"""What a calibration is worth is measured on items that neither it nor the model was told of."""

import numpy as np

from sparkws import synthetic
from sparkws.labelmodels.crossfit import Known, known_by_folds, worth_of
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.stats.patterns import of_matrix


def world(n=3000, share_known=1.0):
    """Votes of four functions of which each is there three times: a model that believes them all is too sure."""
    rng = np.random.default_rng(0)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 4, 2, accuracy=(0.65, 0.75)), n, rng)
    gold = np.where(rng.random(n) < share_known, Y, -1)
    return of_matrix(np.repeat(L, 3, axis=1), synthetic.lf_names(12), 2, gold)


def test_a_model_that_is_too_sure_gains():
    patterns = world()
    model = DawidSkene(2, abstain="missing").fit(patterns)
    worth = worth_of(known_by_folds(model, patterns, np.random.default_rng(0)))
    assert worth.brier[1] < 0.95 * worth.brier[0]
    assert worth.calibration_error[1] < 0.5 * worth.calibration_error[0]


def test_probabilities_of_a_fold_are_corrected_by_the_others_only():
    # All folds but the last are always right at .9, the last is always wrong: their temperature makes it worse.
    probs = np.tile([0.9, 0.1], (100, 1))
    fold = np.repeat(np.arange(10), 10)
    known = Known(probs, np.where(fold == 9, 1, 0).astype(np.int8), np.ones(100, np.int64), fold)
    before, after = worth_of(known).brier
    assert before == (0.9 * 0.02 + 0.1 * 1.62)
    alone = worth_of(Known(probs[fold < 9], np.zeros(90, np.int8), np.ones(90, np.int64), fold[fold < 9]))
    assert alone.brier[1] < alone.brier[0]
    assert after > before


def test_each_fold_is_judged_by_a_fit_without_its_classes_where_the_model_was_told_them():
    patterns = world(400, share_known=0.5)
    n_known = int(patterns.counts[patterns.gold >= 0].sum())
    seen = []

    def fit(told):
        seen.append(told)
        return DawidSkene(2, abstain="missing", clamp_gold=True).fit(told)

    known = known_by_folds(fit(patterns), patterns, np.random.default_rng(0), fit)
    assert known.counts.sum() <= n_known
    folds = seen[1:]
    assert len(folds) == 10
    for number, told in enumerate(folds):
        assert told.n_items == patterns.n_items
        own = known.counts[known.fold == number].sum()
        assert told.counts[told.gold >= 0].sum() == n_known - own
    assert (known.probs.argmax(axis=1) == known.gold).mean() < 1
