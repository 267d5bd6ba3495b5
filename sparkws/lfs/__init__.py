"""Labeling functions: written in Python or as configuration, run over batches of items."""

from sparkws.lfs.examples import check_examples
from sparkws.lfs.faults import Faults
from sparkws.lfs.frames import label_matrix
from sparkws.lfs.function import LabelingFunction, labeling_function
from sparkws.lfs.imports import Imported, ImportKernel, lf_column_name, lf_column_names
from sparkws.lfs.kernel import VotesKernel
from sparkws.lfs.lfset import LFSet, declarative_lfs, lfset_of
from sparkws.lfs.loaded import Loaded
from sparkws.lfs.modules import load_modules
from sparkws.lfs.nlp import nlp_labeling_function, spacy_preprocessor
from sparkws.lfs.preprocess import Preprocessor, preprocessor

__all__ = [
    "Faults",
    "ImportKernel",
    "Imported",
    "LFSet",
    "LabelingFunction",
    "Loaded",
    "Preprocessor",
    "VotesKernel",
    "check_examples",
    "declarative_lfs",
    "label_matrix",
    "labeling_function",
    "lf_column_name",
    "lf_column_names",
    "lfset_of",
    "load_modules",
    "nlp_labeling_function",
    "preprocessor",
    "spacy_preprocessor",
]
