import pytest

from pathsearch.errors import PathsearchError
from pathsearch.methods import Curve
from pathsearch.optimizers import Adam, Sgd
from pathsearch.run import config
from pathsearch.run.config import differences


def load(text, tmp_path, *overrides):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    return config.load(str(file), list(overrides))[0]


MB = "objective: muller-brown\nmethod: {name: neb, images: 7, spring: 500}\n"


@pytest.mark.parametrize("name", config.builtin_configs())
def test_builtin_configs_are_valid(name):
    settings, _ = config.load(name, [])
    assert config.builtin_configs()[name]
    assert settings.method.stages(settings.optimizer, settings.steps, settings.tolerance)


def test_the_published_schedule_has_fourteen_cycles_and_16000_steps():
    settings, _ = config.load("cifar10-resnet20", [])
    stages = settings.method.stages(settings.optimizer, settings.steps, None)
    assert len(stages) == 14
    assert sum(stage.steps for stage in stages) == 16_000
    assert [stage.optimizer.lr for stage in stages] == [0.1] * 6 + [0.01] * 4 + [0.001] * 4


def test_names_alone_and_defaults(tmp_path):
    settings = load(MB, tmp_path)
    assert settings.objective.name == "muller-brown"
    assert (settings.optimizer.name, settings.tolerance) == ("lbfgs", 1e-2)


def test_overrides_reach_lists_and_switch_kinds(tmp_path):
    settings = load(MB, tmp_path, "method.images=9", "tolerance=null", "seed=3")
    assert (settings.method.images, settings.tolerance, settings.seed) == (9, None, 3)
    switched = load(
        MB, tmp_path, "method.name=bezier", "method.bends=2", "endpoints.start=[0,1]", "endpoints.end=[1,0]"
    )
    assert (switched.method.name, switched.method.bends, switched.endpoints.start) == ("bezier", 2, [0.0, 1.0])


def test_a_kind_by_name_alone_drops_the_old_kinds_options(tmp_path):
    text = MB + "optimizer: {name: sgd, lr: 0.5, momentum: 0.1}\nendpoints: {start: [0, 1], end: [1, 0]}\n"
    for override in ("optimizer=adam", "optimizer.name=adam", "optimizer={name: adam}"):
        assert load(text, tmp_path, "optimizer.beta1=0.5", override).optimizer == Adam(beta1=0.5)
    assert load(text, tmp_path, "optimizer=sgd", "optimizer.lr=1").optimizer == Sgd(lr=1, momentum=0.1)
    assert load(text, tmp_path, "method={name: bezier, bends: 3}").method == Curve(name="bezier", bends=3)
    earlier = load(text, tmp_path, "endpoints.start={run: x, pivot: 1}", "endpoints.end=x.npy").endpoints
    assert (earlier.start.pivot, earlier.end) == (1, "x.npy")
    network, _ = config.load("digits", ["objective.model=cnn", "objective.model.args.norm=false"])
    assert network.objective.model.model_dump() == {"name": "cnn", "args": {"norm": False}}
    plain, _ = config.load("cifar10-resnet20", ["objective.model.args.norm=false"])
    assert plain.objective.model.model_dump() == {"name": "resnet20", "args": {"norm": False}}


def test_infinite_springs_are_written_as_yaml_or_as_a_word(tmp_path):
    assert load(MB, tmp_path, "method.spring=.inf").method.spring == "inf"
    assert load(MB, tmp_path, "method.spring=inf").method.spring == "inf"


BAD = {
    "method: {name: neb, imags: 7}": r"method\.imags: no such option of neb \(did you mean 'images'\?\): there are",
    "method: {name: neg}": r"method: no 'neg' \(did you mean 'neb'\?\): there are linear,",
    "method: {name: neb, images: 0}": r"method\.images: give a whole number at least 1",
    "method: {name: neb, spring: soft}": r"method\.spring",
    "optimizer: {name: sgd, lr: fast}": r"optimizer\.lr: give a number above 0",
    "method: {name: neb, spring: -1}": r"method\.spring: give inf or a number above 0",
    "optimizer: {name: sgd, lr: .inf}": r"optimizer\.lr: give a finite number above 0",
    "stepz: 7": r"stepz: no such option \(did you mean 'steps'\?\): there are objective,",
    "endpoints: {start: {train: {seed: 1}}, end: [1, 2]}": r"endpoints\.start: only a network",
    "endpoints: {start: [0, 1], end: [1, 0], through: [[1, 1]]}\nmethod: linear": r"endpoints\.through: the straight",
    "endpoints: {start: {run: x}, end: [1, 2]}": r"endpoints\.start\.pivot is needed",
    "endpoints: {start: [1, 2]}": r"endpoints\.end is needed",
}


@pytest.mark.parametrize("line", BAD)
def test_faults_are_one_line_that_names_the_key(line, tmp_path):
    with pytest.raises(PathsearchError, match=BAD[line]) as caught:
        load(f"objective: muller-brown\n{line}\n", tmp_path)
    assert "\n" not in str(caught.value)


def test_networks_and_callables_need_endpoints(tmp_path):
    with pytest.raises(PathsearchError, match="give start and end"):
        load("objective: {name: callable, target: 'a:b'}\n", tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[1, 2]", "not a mapping"), ("a: [", "run.yaml"), ("", "objective is needed"), ("x: ${y}", "run.yaml")],
)
def test_files_that_are_no_configuration(text, says, tmp_path):
    with pytest.raises(PathsearchError, match=says) as caught:
        load(text, tmp_path)
    assert "\n" not in str(caught.value)


def test_unknown_names_list_the_known(tmp_path):
    with pytest.raises(PathsearchError, match=r"there are .*digits.*muller-brown"):
        config.load("digit", [])
    with pytest.raises(PathsearchError, match="no configuration file"):
        config.load("missing.yaml", [])
    with pytest.raises(PathsearchError, match="no override"):
        config.load("digits", ["steps"])


def test_differences_name_keys_and_values():
    old, new = {"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 1, "c": 3}, "d": [1], "e": 0}
    assert differences(old, new) == ["a.c (2 there, 3 here)", "e (None there, 0 here)"]
