"""Commands that need no Spark, as people call them."""

import json
from textwrap import dedent

import pytest

from sparkws.cli import main

MODULE = """
    from sparkws import labeling_function

    @labeling_function(examples=[({"text": "win"}, "spam"), ({"text": "hi"}, -1)])
    def lf_win(x):
        return "spam" if "win" in x.text else -1

    @labeling_function
    def lf_other(x):
        return 0 if x.stars else -1
"""
PROJECT = """
    project: p
    workspace: w
    source: {table: items}
    tasks:
      spam:
        classes: [ham, spam]
        gold: {expression: "gold = 1"}
        lfs:
          modules: [lfs.py]
          declarative:
            - name: lf_gift
              keyword: {column: text, any: [gift], label: spam}
              examples: [{row: {text: a gift}, vote: spam}]
      topic:
        classes: [a, b]
        lfs: {declarative: [{name: lf_a, threshold: {column: n, above: 1, label: b}}]}
"""


@pytest.fixture
def test(tmp_path, capsys, caplog):
    def call(*arguments, module=MODULE, project=PROJECT):
        (tmp_path / "lfs.py").write_text(dedent(module))
        (tmp_path / "project.yaml").write_text(dedent(project))
        code = main(["test", "--config", str(tmp_path / "project.yaml"), *arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]) if out else None, err

    return call


def test_kept_examples(test):
    code, result, err = test()
    assert (code, result["n_missed"]) == (0, 0)
    assert result["tasks"]["spam"] == {"n_kept": 3, "missed": [], "without": ["lf_other"]}
    assert "task spam: 3 examples kept, 0 missed; none for ['lf_other']" in err


def test_a_missed_example_is_shown_and_is_exit_code_3(test):
    code, result, err = test("--task", "spam", module=MODULE.replace('"win" in', '"Win" in'))
    missed = {"lf": "lf_win", "number": 1, "row": "{'text': 'win'}", "expected": "'spam'", "got": "abstained"}
    assert (code, result["n_missed"], list(result["tasks"])) == (3, 1, ["spam"])
    assert result["tasks"]["spam"]["missed"] == [missed]
    assert "'lf_win' abstained on its example 1, {'text': 'win'}, expected 'spam'" in err


def test_a_label_model_of_a_function_that_there_is_not_is_exit_code_2(test):
    strange = PROJECT.replace("classes: [a, b]", "classes: [a, b]\n        label_model: {lfs: [lf_b]}")
    code, result, err = test(project=strange)
    assert (code, result) == (2, None)
    assert "'label_model.lfs' names ['lf_b'], which do not vote on the task; it has ['lf_a']. Did you mean" in err


def test_a_function_that_reads_the_gold_and_an_unknown_task_are_exit_code_2(test):
    assert test(project=PROJECT.replace("gold = 1", "stars = 1"))[0] == 2
    code, result, err = test("--task", "spm")
    assert (code, result) == (2, None)
    assert "there is no task 'spm'" in err
