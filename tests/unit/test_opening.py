"""What the label model says of functions is checked before a job does anything."""

import pytest

from sparkws.config import TaskConfig
from sparkws.configfile import parse_config
from sparkws.errors import ConfigError
from sparkws.opening import functions_of

LFS = [{"name": name, "expression": {"sql": "a > 1", "label": 1}} for name in ("lf_a", "lf_b")]
VOTED = {
    "declared": {"lfs": {"declarative": LFS}},
    "columns": {"votes": {"table": "v", "columns": ["lf_a", "lf_b"]}},
    "labels": {"votes": {"table": "v", "columns": {"lf_a": 0, "lf_b": 1}}, "multi_label": True},
}


@pytest.mark.parametrize("voted", VOTED)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lfs": ["lf_aa"]}, r"'label_model\.lfs' names \['lf_aa'\].*it has \['lf_a', 'lf_b'\]\. Did you mean 'lf_a'"),
        ({"exclude": ["lf_bb"]}, r"'label_model\.exclude' names \['lf_bb'\].*Did you mean 'lf_b'"),
        ({"exclude": ["lf_a", "lf_b"]}, r"leave none of \['lf_a', 'lf_b'\]"),
        ({"kind": "weighted", "weights": {"lf_a": 1.0}}, r"'label_model\.weights' lacks \['lf_b'\]"),
        ({"kind": "super_lf", "groups": [["lf_a", "lf_c"]]}, r"'label_model\.groups' names \['lf_c'\]"),
    ],
)
def test_functions_that_there_are_not_are_refused_where_names_are_known(voted, options, said):
    task = {"classes": ["no", "yes"], "label_model": options, **VOTED[voted]}
    project = {"project": "p", "workspace": "w", "source": {"table": "t"}, "tasks": {"spam": task}}
    if voted == "declared":  # a notebook may bring more functions, so these are looked at by the job
        config = parse_config(project, "here")
        with pytest.raises(ConfigError, match=said):
            functions_of("spam", config.tasks["spam"], ".", {})
        return
    with pytest.raises(ConfigError, match=rf"'tasks\.spam' in here: .*{said}"):
        parse_config(project, "here")


def test_names_that_only_the_table_tells_are_left_to_it():
    task = TaskConfig(classes=("no", "yes"), label_model={"lfs": ["lf_a"]}, votes={"table": "v"})
    assert functions_of("spam", task, ".", {}) is None
