"""Label models: from pattern counts to the probability of each class."""

from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import make_label_model
from sparkws.labelmodels.guard import Finding, check_model
from sparkws.labelmodels.kernel import LabelCounts, LabelsKernel
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import Metrics, evaluate
from sparkws.labelmodels.posterior import LabelModel, posterior, predict
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.publishedtriplet import PublishedTriplet
from sparkws.labelmodels.sampling import sample_level, standard_error
from sparkws.labelmodels.triplet import Triplet
from sparkws.labelmodels.weighted import WeightedVote

__all__ = [
    "DawidSkene",
    "Finding",
    "LabelCounts",
    "LabelModel",
    "LabelsKernel",
    "MajorityVote",
    "MatrixCompletion",
    "Metrics",
    "PrecisionVote",
    "PublishedTriplet",
    "Triplet",
    "WeightedVote",
    "check_model",
    "evaluate",
    "make_label_model",
    "posterior",
    "predict",
    "sample_level",
    "standard_error",
]
