"""The lines of a report about functions that vote with a probability."""

from sparkws.report.soft import soft_lines

FOUND = {
    "cells": [[0.9, 0.1], [0.2, 0.8]],
    "votes": [10, 2000],
    "known": [0, 1000],
    "observed": [None, [0.25, 0.75]],
    "calibration_error": 0.05,
}


def test_two_classes_show_their_cells():
    assert soft_lines({"lf": FOUND}, ("ham", "spam")) == [
        "lf votes with a probability, in 2 cells: calibration error 0.050 on 1,000 votes on gold items; what it says "
        "of spam, and what is true: 0.1: -, 0.8: 0.75"
    ]


def test_more_classes_show_the_error_and_no_gold_nothing():
    assert soft_lines({"lf": FOUND}, ("a", "b", "c"))[0].endswith(
        "calibration error 0.050 on 1,000 votes on gold items"
    )
    blind = {**FOUND, "known": [0, 0], "observed": [None, None], "calibration_error": None}
    assert soft_lines({"lf": blind}, ("ham", "spam")) == ["lf votes with a probability, in 2 cells"]
