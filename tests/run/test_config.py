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


@pytest.mark.parametrize("name", config.names())
def test_builtin_configs_are_valid(name):
    settings, _ = config.load(name, [])
    assert config.text(name).startswith("# ")
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
    with pytest.raises(PathsearchError, match=r"no built-in configuration 'digit' \(did you"):
        config.load("digit", [])
    with pytest.raises(PathsearchError, match="no configuration file"):
        config.load("missing.yaml", [])
    with pytest.raises(PathsearchError, match="no override"):
        config.load("digits", ["steps"])


def test_differences_name_keys_and_values():
    old, new = {"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 1, "c": 3}, "d": [1], "e": 0}
    assert differences(old, new) == ["a.c (2 there, 3 here)", "e (None there, 0 here)"]


def test_a_configuration_changes_its_base(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.yaml").write_text("base: ../group.yaml\nmethod: {climb: true}\nseed: 4\n")
    (tmp_path / "group.yaml").write_text(MB + "base: digits\nendpoints: {start: [0, 1], end: {run: x, pivot: 1}}\n")
    settings, folder = config.load(str(tmp_path / "sub" / "mine.yaml"), ["method.images=9"])
    assert settings.objective.model_dump()["name"] == "muller-brown"  # of another kind: none of the network's options
    assert (settings.method.images, settings.method.climb, settings.method.spring) == (9, True, 500)
    assert (settings.seed, settings.optimizer.name) == (4, "sgd")
    assert (settings.endpoints.start, settings.endpoints.end.run) == ([0.0, 1.0], "x")
    assert folder == tmp_path / "sub"


def test_a_bases_files_and_kinds_stay_its_own(tmp_path):
    """A file beside the base is that file, whoever is built on it; another optimiser has none of the old options."""
    for folder in ("lib", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.npy").touch()
    trained = "{train: {seed: 1, optimizer: {name: adam, lr: 0.001}}}"
    (tmp_path / "lib" / "base.yaml").write_text(f"base: digits\nendpoints: {{start: a.npy, end: {trained}}}\n")
    change = "endpoints: {end: {train: {optimizer: {name: sgd}}}}"
    (tmp_path / "mine" / "base.yaml").write_text(f"base: ../lib/base.yaml\n{change}\n")  # of the same name: no circle
    settings, _ = config.load(str(tmp_path / "mine" / "base.yaml"), [])
    assert settings.endpoints.start == str(tmp_path / "lib" / "a.npy")
    assert settings.endpoints.end.train.optimizer == Sgd()
    (tmp_path / "lib" / "base.yaml").write_text("base: ../mine/base.yaml\n")
    with pytest.raises(PathsearchError, match="cannot be its own base"):
        config.load(str(tmp_path / "mine" / "base.yaml"), [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: run.yaml\n", "run.yaml: a configuration cannot be its own base"),
        (
            "base: digit\n",
            r"no built-in configuration 'digit' \(did you mean 'digits'\?\): `pathsearch configs` lists them",
        ),
        ("base: none.yaml\n", "no configuration file none.yaml"),
        ("base: [digits]\n", "base is to be the name of a configuration, or a file"),
    ],
)
def test_a_base_that_is_none(tmp_path, text, said):
    with pytest.raises(PathsearchError, match=said):
        load(text, tmp_path)


def test_the_papers_rows_and_their_short_twins():
    papers = [name for group in list(config.GROUPS)[1:] for name in config._files(group)]
    for name in papers:
        if not name.endswith("-short"):
            long, short = (config.load(each, [])[0] for each in (name, f"{name}-short"))
            assert short.objective == long.objective
            assert short.method.name == long.method.name
            steps = [
                sum(stage.steps for stage in each.method.stages(each.optimizer, each.steps, None))
                for each in (long, short)
            ]
            assert steps[1] < steps[0] / 4
            assert short.endpoints.start.train.steps < long.endpoints.start.train.steps / 4
    dense, _ = config.load("cifar100-densenet100-12-bc", [])
    ends = dense.endpoints.end.train
    assert (dense.objective.model.name, dense.objective.data.name, dense.objective.batch) == (
        "densenet100-12-bc",
        "cifar100",
        256,
    )
    assert (ends.seed, ends.steps, ends.batch, ends.optimizer.nesterov, ends.optimizer.schedule) == (
        1,
        250_000,
        64,
        True,
        "step",
    )
    poly, _ = config.load("cifar100-wrn28-10-polygon", [])
    assert (poly.method.name, poly.optimizer.lr, poly.steps, poly.objective.weight_decay) == (
        "polygon",
        0.03,
        78_000,
        5e-4,
    )
