"""The table of options, the schema, and the words in which wrong options are refused."""

import json

import jsonschema
import pytest
import yaml

from pathsearch.declared import Member, of_field, takes
from pathsearch.errors import PathsearchError
from pathsearch.jobs import profiles
from pathsearch.objectives.models import MODELS
from pathsearch.run import config, options
from pathsearch.run.settings import RunSettings

PARTS = list(options.parts())


def shown(asked, capsys):
    options.show(asked)
    return capsys.readouterr().out


@pytest.mark.parametrize("settings", dict.fromkeys(part.settings for part in PARTS), ids=lambda each: each.__name__)
def test_every_option_has_a_meaning(settings):
    for name, field in settings.model_fields.items():
        assert field.description or (name == "name" and Member(settings).kinds), f"{settings.__name__}.{name}"


def test_the_table_has_every_option_of_every_kind(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = shown(None, capsys)
    for settings in {part.settings for part in PARTS}:
        for name in settings.model_fields:
            assert f"\n {name} " in said or name == "name"
    assert "images  7        a whole number at least 1" in said
    assert "objective.data mnist | fashion-mnist | cifar10 | cifar100:" in said


@pytest.mark.parametrize(
    ("asked", "there", "not_there"),
    [
        ("method.neb", "spring", "bends"),
        ("method", "bends", "momentum"),
        ("method.images", "images", "climb"),
        ("method.autoneb.cycles", "repeat", "images"),
        ("method.cycles.insert.rule", "highest", "batches"),
        ("optimizer", "velocity", "images"),
        ("objective.data", "download", "weight_decay"),
        ("objective.network.data.cifar10.root", "folder of", "download"),
        ("endpoints.end.train", "mini-batch", "its folder"),
        ("holder", "gpus_per_actor", "momentum"),
        ("steps", "of the search", "seed"),
        ("measure", "plane", "minutes"),
    ],
)
def test_a_part_is_asked_for_by_its_keys(asked, there, not_there, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = shown(asked, capsys)
    assert there in said
    assert not_there not in said


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("methd.neb", "method.neb"), ("optimizer.momentun", "optimizer.momentum"), ("method.neb.bends", None)],
)
def test_a_part_that_is_not_there_is_refused(asked, meant, capsys):
    with pytest.raises(PathsearchError, match=f"no option '{asked}'") as caught:
        options.show(asked)
    assert meant is None or f"did you mean {meant!r}" in str(caught.value)


def test_the_schema_takes_what_the_program_takes():
    schema = json.loads(options.schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in config.names():
        validator.validate(yaml.safe_load(config.text(name)))
    ends = "endpoints: {start: a.pt, end: {train: {seed: 1, optimizer: adam}}, through: [[1, 2], {run: x, pivot: 0}]}"
    for text in ("objective: circle", "{objective: circle, method: neb, optimizer: fire, holder: ray}"):
        validator.validate(yaml.safe_load(text))
    whole = f"objective: {{name: network, model: mlp, data: digits}}\n{ends}"
    validator.validate(yaml.safe_load(whole))
    assert config.validated(yaml.safe_load(whole), "x")
    for text in (
        "objective: circel",
        "{objective: circle, stepz: 3}",
        "{objective: circle, method: {name: neb, images: 0}}",
    ):
        assert not validator.is_valid(yaml.safe_load(text))


def test_names_of_built_in_networks(capsys):
    assert f"one of {', '.join(MODELS)}, or package.module:Class" in " ".join(
        shown("objective.model.name", capsys).split()
    )


# words that pydantic's messages have, and the tags of its unions
PYDANTICS = (
    "Input",
    "nput should",
    "xtra",
    "permitted",
    "valid ",
    "required",
    "Value error",
    "Assertion",
    "constrained",
)
PYDANTICS += ("function-", "literal[", "tuple[", "list[", "nullable", "parse", "of a run", "to be trained", "weights.")
WRONG = [None, "x", "", -1, 1.5, True, [], [1], ["x"], {}, {"a": 1}, {"name": "x"}, float("inf"), float("nan")]
WRONG += ["\udc80", 10**400, b"x", [[[]]], {"name": 3}, {1: 2}]


def nested(part, values):
    """A configuration with these values at a part's place."""
    for key, kinds in reversed(part.place):
        inner = {**({"name": kinds[0]} if kinds else {}), **values} if isinstance(values, dict) else values
        values = {key: [inner] if key in ("cycles", "through") else inner}
    return values


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.title)
def test_nothing_is_refused_in_words_of_pydantic(part):
    refused = 0
    for name in [*part.settings.model_fields, "nosuch"]:
        for wrong in WRONG:
            try:
                config.validated(nested(part, {name: wrong}), "run.yaml")
            except PathsearchError as error:
                refused += 1
                said = str(error).removeprefix("run.yaml: ")
                assert not any(word in said.replace("weights, a file", "") for word in PYDANTICS), said
                assert "\n" not in said
    assert refused


def test_profiles_are_refused_in_the_same_words():
    said = []
    for name in [*profiles.ClusterProfile.model_fields, "nosuch"]:
        for wrong in WRONG:
            try:
                profiles.cluster_profile({name: wrong}, {}, "gpu.yaml")
            except PathsearchError as error:
                said.append(str(error).partition("(there are")[0])  # the names of sbatch's options are its own
    assert not [line for line in said if any(word in line for word in PYDANTICS)]
    assert said


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["method=neb", "method.images=0"], "method.images: give a whole number at least 1"),
        (["method.bends=x"], "method.bends: give a whole number at least 1"),
        (["optimizer.momentum=1"], "optimizer.momentum: give a number at least 0 and below 1"),
        (["method=nep"], "method: no 'nep' (did you mean 'neb'?): there are linear, polygon, bezier, neb,"),
        (["method="], "method: give linear | polygon | bezier | neb | string | autoneb"),
        (["method={bends: 3}"], "method.name is needed: give linear | polygon"),
        (
            ["method=neb", "method.bends=3"],
            "method.bends: no such option of neb: there are name, images, spring, climb",
        ),
        (["objective.model=resnet21"], "objective.model.name: no built-in model 'resnet21' (did you mean"),
        (["objective.data={name: random, shape: [1, 2]}"], "objective.data.shape: give a list of 3 whole numbers"),
        (["measure=3"], "measure: give {examples, chunk, points, tolerance, plane}"),
        (["endpoints.start={run: x, pivot: 0, z: 1}"], "endpoints.start.z: no such option: there are run, pivot"),
        (["endpoints.start={train: {seed: 1, optimizer: fire}}"], "endpoints.start.train.optimizer: no 'fire': there"),
        (["endpoints.start=[1, x]"], "endpoints.start.1: give a number"),
        (["method={name: autoneb, cycles: []}"], "method.cycles: give a list of at least 1, each {insert,"),
        (
            ["method={name: autoneb, cycles: [{optimizer: {lr: x}}]}"],
            "method.cycles: optimizer.lr: give a number above",
        ),
        (["holder=rai"], "holder.name: no 'rai' (did you mean 'ray'?): there are auto, serial, ray"),
        (
            ["objective.precision=tf31"],
            "objective.precision: no 'tf31' (did you mean 'tf32'?): there are float32, tf32",
        ),
        (["device=gpu"], "device: no 'gpu' (did you mean 'cpu'?): there are auto, cpu, cuda"),
    ],
)
def test_a_refusal_says_what_may_be_given(overrides, says):
    with pytest.raises(PathsearchError) as caught:
        config.load("digits", overrides)
    assert str(caught.value).startswith(f"digits: {says}")


def test_what_options_take_in_words():
    fields = {name: takes(of_field(field)) for name, field in RunSettings.model_fields.items()}
    assert fields["tolerance"] == "a number above 0 or null"
    assert fields["device"] == "auto | cpu | cuda"
    neb = next(part.settings for part in PARTS if part.title == "method neb").model_fields
    assert takes(of_field(neb["spring"])) == "inf or a number above 0"


def test_a_default_goes_by_its_own_name_where_a_class_has_several():
    assert options._default(RunSettings.model_fields["method"]) == "bezier"
