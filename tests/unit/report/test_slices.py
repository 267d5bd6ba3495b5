from sparkws.report.slices import describe_slices


def test_figures_stand_below_their_names_and_a_share_of_nothing_is_a_dash():
    shares = {"coverage": 0.5, "overlaps": 0.25, "conflicts": 0.125, "accuracy": {"majority": 0.75}}
    nothing = dict.fromkeys(("coverage", "overlaps", "conflicts"))
    slices = {
        "short": {"n_items": 1200, "n_gold": 4, **shares},
        "empty": {"n_items": 0, "n_gold": 0, **nothing, "accuracy": {"majority": None}},
    }
    assert describe_slices(slices, {"empty": 60}) == [
        "slice  items  coverage  overlaps  conflicts  gold  majority",
        "short  1,200    0.5000    0.2500     0.1250     4    0.7500",
        "empty      0         -         -          -     0         -",
        "slice empty: its condition failed on 60 items, left outside",
    ]
    assert describe_slices({}, {}) == []
