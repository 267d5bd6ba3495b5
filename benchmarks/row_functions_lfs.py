"""The functions of row_functions_plain.py as labeling functions."""

from row_functions_plain import FUNCTIONS

from sparkws import labeling_function

LFS = [labeling_function(f.__name__, columns=["text"])(f) for f in FUNCTIONS]
