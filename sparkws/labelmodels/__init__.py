"""Label models: from exact statistics of votes to the probability of each class.

A map of the folder. Start with `fitting`, which takes a task from counts to a model and its report, and `labelmodel`,
which says what a model is.

- Models, a file each: majority, weighted, precision, dawidskene, superlf, triplet, publishedtriplet, completion,
  hierarchy.
- What they are made of: labelmodel (what all of them tell), posterior (P(class | votes)), tables (P(vote | class)),
  balance (P(class)); em, estimate, expectations (EM on patterns); recoding, groupscores (votes of a group as one);
  labelvectors (classes of several tasks at once).
- From moments to parameters: covariances, pairwise, rankone, maskedloss (pairs), thirds, tensor (three at a time).
- From a configuration to a fit: factory (makes models), subset (of which functions), fitting, modelreport (what is
  said of it); sampling, polish (more patterns than fit in memory).
- Choosing, `auto`: choose (the rule), auto (the candidates), firing (what abstaining may mean), chosen (from how many
  items), heldout (unseen votes).
- Dependent functions: structure (finds them), residuals, sparse (from moments), ratio (by likelihood), edges (the
  evidence), copies (that vote alike).
- Trusting: guard, findings (what looks wrong); assess (what was asked for), refits, refitted (fits again), trust
  (intervals, leaving out), calibration, crossfit; metrics, slicefigures (against known classes).
- Explaining: contributions, account (of an item), overview, pairs (of a task).
- From votes to published labels: kernel, multikernel, labelcounts, doubt (how sure a confidence is).
- Storing: persist, savedgroups, savedgrids, savedgraph, savedtrust; storedchecks, differences (what is refused).
- Several tasks: together (fits and reports what `sparkws.feasible` allows), taskview (one of them as a label model);
  multilabel (each label by itself).
- Steps, which alone know tables and Spark: steps, multisteps, graphsteps.
"""

from sparkws.feasible import task_graph, task_tree
from sparkws.labelmodels.calibration import Calibration, calibrate
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.contributions import contributions, what_each_adds
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import make_label_model
from sparkws.labelmodels.findings import Finding
from sparkws.labelmodels.guard import check_model
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import Metrics, evaluate
from sparkws.labelmodels.pairs import pair_table
from sparkws.labelmodels.posterior import posterior, predict
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.publishedtriplet import PublishedTriplet
from sparkws.labelmodels.sampling import sample_level, standard_error
from sparkws.labelmodels.savedgraph import graph_from_json, graph_from_rows, graph_to_json
from sparkws.labelmodels.structure import learn_dependencies
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.taskview import TaskView
from sparkws.labelmodels.thirds import moments_of, tensor_balance
from sparkws.labelmodels.triplet import Triplet
from sparkws.labelmodels.trust import bootstrap, leave_one_out
from sparkws.labelmodels.weighted import WeightedVote

__all__ = [
    "Calibration",
    "DawidSkene",
    "Finding",
    "Hierarchical",
    "LabelCounts",
    "LabelModel",
    "LabelsKernel",
    "MajorityVote",
    "MatrixCompletion",
    "Metrics",
    "PrecisionVote",
    "PublishedTriplet",
    "SuperLF",
    "TaskView",
    "Triplet",
    "WeightedVote",
    "bootstrap",
    "calibrate",
    "check_model",
    "contributions",
    "evaluate",
    "graph_from_json",
    "graph_from_rows",
    "graph_to_json",
    "learn_dependencies",
    "leave_one_out",
    "make_label_model",
    "moments_of",
    "pair_table",
    "posterior",
    "predict",
    "sample_level",
    "standard_error",
    "task_graph",
    "task_tree",
    "tensor_balance",
    "what_each_adds",
]
