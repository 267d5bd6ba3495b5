"""A label model of some functions: the same as if there were no others, from the statistics of all."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.subset import counters_of
from sparkws.labelmodels.thirds import moments_of
from sparkws.modeloptions import chosen_functions
from sparkws.stats.counters import CountersKernel, of_patterns, with_faults
from sparkws.stats.patterns import at_level, of_matrix, unpack

LFS = synthetic.lf_names(6)
SOME = ("lf_0", "lf_2", "lf_3", "lf_5")


def world():
    rng = np.random.default_rng(0)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 6, 2, accuracy=(0.7, 0.9), coverage=(0.3, 0.6)), 2000, rng)
    chosen = [LFS.index(name) for name in SOME]
    return of_matrix(L, LFS, 2, Y), of_matrix(L[:, chosen], SOME, 2, Y)


@pytest.mark.parametrize("kind", ["auto", "dawid_skene", "triplet"])
def test_it_is_the_model_of_votes_that_never_had_the_others(kind):
    whole, part = world()
    config = LabelModelConfig(kind=kind)
    alone = fit_label_model(config, part, of_patterns(part), ["no", "yes"])
    for option in ({"lfs": SOME[::-1]}, {"exclude": ("lf_1", "lf_4")}):
        options = config.model_copy(update=option)
        # Moments of all functions: what the model reads of them are the blocks of the chosen ones.
        ours = fit_label_model(options, whole, of_patterns(whole), ["no", "yes"], moments=moments_of(whole))
        assert ours.model.lf_names_ == SOME
        L = unpack(part)
        np.testing.assert_allclose(ours.model.posterior(L), alone.model.posterior(L), atol=1e-9)
        assert ours.report.lf_summary == alone.report.lf_summary
        assert ours.report.not_chosen == ["lf_1", "lf_4"]
        assert ours.report.metrics["majority"] == alone.report.metrics["majority"]


def test_overlaps_are_counted_without_the_others_also_where_patterns_are_a_sample():
    whole, part = world()
    counters = with_faults(of_patterns(whole), {"lf_2": 7, "lf_1": 3})
    expected = with_faults(of_patterns(part), {"lf_2": 7})
    passes = []

    def carry(kernel):
        passes.append(kernel)
        return kernel.of_batch(whole.rows)

    from_memory = counters_of(SOME, counters, whole, 0, carry)
    assert passes == []
    from_table = counters_of(SOME, counters, at_level(whole, 1), 1, carry)
    assert passes == [CountersKernel(LFS, 2, SOME)]
    for found in (from_memory, from_table):
        assert (found.overlaps < counters.overlaps[[0, 2, 3, 5]]).any()
        for name in ("votes", "overlaps", "conflicts", "confusion", "faults", "gold_items"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert (found.n_items, found.n_voted) == (expected.n_items, expected.n_voted)
    assert counters_of(LFS, counters, whole, 1, carry) is counters


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "weighted", "weights": {name: 1.0 + j for j, name in enumerate(LFS)}},
        {"kind": "super_lf", "groups": (("lf_0", "lf_1", "lf_2"), ("lf_3", "lf_4"))},
    ],
    ids=lambda options: options["kind"],
)
def test_what_is_said_of_functions_that_take_no_part_is_not_used(options):
    whole, part = world()
    faults = with_faults(of_patterns(whole), {"lf_4": 2000})
    config = LabelModelConfig(**options, exclude=("lf_1",))
    fitted = fit_label_model(config, whole, faults, ["no", "yes"], max_fault_rate=0.5)
    assert fitted.model.lf_names_ == ("lf_0", "lf_2", "lf_3", "lf_5")
    some = {
        "weights": {name: config.weights[name] for name in SOME} if config.weights else {},
        "groups": (("lf_0", "lf_2"),) if options["kind"] == "super_lf" else "auto",
    }
    alone = fit_label_model(LabelModelConfig(kind=config.kind, **some), part, of_patterns(part), ["no", "yes"])
    L = unpack(part)
    np.testing.assert_allclose(fitted.model.posterior(L), alone.model.posterior(L), atol=1e-9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lfs": ("lf_0", "f_5")}, r"'label_model\.lfs' names \['f_5'\].*Did you mean 'lf_5'"),
        ({"exclude": ("spam",)}, r"'label_model\.exclude' names \['spam'\], which do not vote.*it has \['lf_0'"),
        ({"kind": "super_lf", "groups": (("lf_0", "lf_11"),)}, r"'label_model\.groups' names \['lf_11'\].*'lf_1'"),
        ({"kind": "weighted", "weights": dict.fromkeys([*LFS, "x"], 1.0)}, r"'label_model\.weights' names \['x'\]"),
        (
            {"kind": "weighted", "weights": dict.fromkeys(LFS[:4], 1.0), "exclude": ("lf_4",)},
            r"'label_model\.weights' lacks \['lf_5'\]; give each labeling function a weight, 0 to ignore it, or leave",
        ),
        ({"exclude": LFS}, r"leave none of \['lf_0', 'lf_1', 'lf_2'\] and 3 more"),
    ],
)
def test_names_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        chosen_functions(LabelModelConfig(**options), LFS)
