"""Options of sbatch that a profile may name."""

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs.profiles import cluster_profile


def options(**given):
    return cluster_profile({"sbatch": given}, {}, "p.yaml").sbatch


def test_options_by_sbatchs_names():
    given = {"mail_type": "FAIL,TIME_LIMIT_90", "exclude": "node[1-4],n9", "exclusive": True, "nice": 5}
    given |= {"gres": "gpu:a100:4", "comment": "our run", "prefer": "[a100|h100]&ib", "begin": "now+1hour"}
    assert options(**given) == {"mail-type": given.pop("mail_type"), **given}


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("mail-tpye", r"'mail-tpye' is no option of sbatch that can be set here: did you mean mail-type\?"),
        ("--exclude", r"did you mean exclude\?"),
        ("Nodelist", r"did you mean nodelist\?"),
        ("p", r"is no option of sbatch .*\(there are acctg-freq, batch"),
        ("a\nb", r"'a\?b' is no option"),
        ("output", r"output is set by this program: `pathsearch logs` shows the log; --out names a run's folder"),
        ("array", "--sweep"),
        ("signal", "`warning`"),
        ("requeue", "requeues itself when its time is up"),
        ("partition", "write it beside `sbatch`, as partition"),
        ("gpus-per-node", "gpus_per_node"),
        ("cpus_per_task", "cpus_per_node"),
        ("ntasks", "one task a node"),
        ("parsable", "Submitit reads"),
        ("clusters", r"\$SLURM_CLUSTERS"),
    ],
)
def test_what_a_profile_may_not_set(key, says):
    with pytest.raises(PathsearchError, match=f"p.yaml: sbatch: .*{says}") as raised:
        options(**{key: "x"})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "value", ["a\nrm -rf x", "a;b", "$(id)", "`id`", "a && b", "a|b", 'a"b', "a'b", "a\\b", "a>b", "a #b"]
)
def test_values_that_would_be_more_than_a_value(value):
    with pytest.raises(PathsearchError, match=r"sbatch: the value of comment has .*, which may not be in a job's"):
        options(comment=value)
    with pytest.raises(PathsearchError, match="partition: the value of partition has"):
        cluster_profile({"partition": value}, {}, "options")


def test_an_option_twice():
    with pytest.raises(PathsearchError, match="mail-type is there twice"):
        options(**{"mail-type": "FAIL", "mail_type": "END"})
