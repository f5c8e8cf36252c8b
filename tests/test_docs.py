"""docs/ and README against the program's own tables: all that is new is described, and what is shown is there."""

import json
import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
import typer.main
import yaml
from matplotlib import pyplot

from pathsearch import report, report_landscape, storage
from pathsearch.alignment.settings import ByWeights
from pathsearch.along import Along
from pathsearch.cli import WRONG_USAGE, app
from pathsearch.comparing import columns as compared
from pathsearch.declared import of_field
from pathsearch.errors import PathsearchError
from pathsearch.holders import HolderSettings
from pathsearch.holders.settings import HOLDERS
from pathsearch.jobs import listing, states
from pathsearch.landscape import choice, explore
from pathsearch.landscape.joins import Joins, trained
from pathsearch.numerics.profiles import summary
from pathsearch.numerics.schedules import SCHEDULES
from pathsearch.objectives import NetworkSettings
from pathsearch.objectives.losses import LOSSES
from pathsearch.objectives.metrics import METRICS
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.surfaces import SURFACES
from pathsearch.objectives.tasks import columns
from pathsearch.optimizers import DETERMINISTIC
from pathsearch.plots import landscape as pictures
from pathsearch.reading import Opened
from pathsearch.reading.landscape import OpenedLandscape
from pathsearch.run import config, options
from pathsearch.run.settings import Endpoints, Measurement, RunSettings
from pathsearch.run.stop import Stop
from pathsearch.storage import landscape as stored
from pathsearch.storage.layout import ANY, DIMENSIONS, Kept, Made
from tests.commands import SMALL
from tests.conftest import Silent
from tests.runs import again

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS, *(ROOT / name / "README.md" for name in ("slurm", "analysis/examples"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MEASURED = (*columns(METRICS), "loss")
KINDS = {
    name: [kind for one in of_field(settings.model_fields[name]) for kind in one.kinds if kind != "train"]
    for name, settings in (
        ("method", RunSettings),
        ("optimizer", RunSettings),
        ("data", NetworkSettings),
        ("align", Endpoints),
    )
}
"""Names of kinds by option; `train` finds no path."""
COMMANDS = typer.main.get_command(app)
LANDSCAPE = "runs/digits-landscape"
SAID = {"name", "gradients"}
"""Options of the holder that are said beside their table."""


def relative(file):
    return str(file.relative_to(ROOT))


def page(name):
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def spans(text):
    """What stands between backticks, in a line each."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def tables(text):
    """All tables: the cells of each row, the heading first."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", FENCE.sub("", text), re.MULTILINE):
        lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        found.append([lines[0], *lines[2:]])
    return found


def rows(text, *heading):
    """The rows of the table whose heading begins so."""
    (found,) = (lines for lines in tables(text) if tuple(lines[0][: len(heading)]) == heading)
    return found[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run in runs/digits: a network, aligned, with a goal, to its end; and three of them joined."""
    where = tmp_path_factory.mktemp("docs")
    values = yaml.safe_load(SMALL) | {"steps": 4, "until": {"barrier": 0, "every": 2, "points": 3, "examples": 20}}
    values["endpoints"] = {side: {"train": {"seed": seed, "steps": 60}} for side, seed in (("start", 0), ("end", 1))}
    values["endpoints"]["align"] = "weights"
    settings = config.validated(values, "test")
    again(settings, where, where / "runs" / "digits")
    joins = Joins(settings, where, trained(settings.endpoints.start.train, range(3)), where / LANDSCAPE)
    explore.explore(joins, choice.star, Silent(), Stop(), where / "runs" / "minima")
    return where


@pytest.fixture(scope="module")
def run(folder):
    return storage.read(folder / "runs" / "digits")


@pytest.fixture(scope="module")
def landscape(folder):
    return stored.read(folder / LANDSCAPE)


# numbers.md


def test_every_column_of_jobs_and_every_key_of_its_json():
    found = rows(page("numbers"), "column", "`--json`")
    assert tuple(row[0] for row in found if row[0]) == listing.COLUMNS
    keys = [key for row in found for key in spans(row[1])]
    assert sorted(keys) == sorted(listing.facts(states.damaged(Path("run"), "a fault")))


def test_every_state_of_a_job():
    named = [state for row in rows(page("numbers"), "state", "what") for state in row[0].split(", ")]
    assert sorted(named) == sorted({*states.ALIVE, *states.FAILED, "COMPLETED", "UNKNOWN"})


def test_every_row_of_the_table():
    found = rows(page("numbers"), "row", "JSON")
    assert sorted(name for row in found for name in spans(row[1])) == sorted(MEASURED)
    assert sorted(name for row in found for name in row[0].split(", ")) == sorted(map(report.label, MEASURED))


def test_every_column_of_the_tables(run):
    (found,) = (
        lines for lines in tables(page("numbers")) if lines[0][0] == "column" and lines[0][1].startswith("what")
    )
    named = {name.removesuffix(" (two)") for row in found[1:] for name in row[0].split(", ")}
    assert {column.header for column in report.table(run).columns[1:]} == named
    goal = "wanted, reached, barrier, step, gradients and looks"
    assert [column.header for column in report.goal_table(run).columns[1:]] == re.split(", | and ", goal)
    assert goal in page("numbers")
    explored = page("numbers").partition("`explore` prints")[2]
    assert all(f"*{head}*" in " ".join(explored.split()) for head in report_landscape.HEADS)


def test_every_key_of_a_paths_figures():
    keys = [key for row in rows(page("numbers"), "key", "formula") for key in spans(row[0])]
    line = np.array([0.0, 1.0])
    assert sorted(keys) == sorted([*summary(line, line, line), "higher_is_better", "saddle_uncertainty"])


def test_every_key_that_show_prints(run):
    found = rows(page("numbers"), "key", "what")
    shown = report.figures(run)
    assert sorted(key for row in found for key in spans(row[0])) == sorted(shown)
    inner = {key: keys(value) for key, value in shown.items() if key not in ("path", "linear", "versions", "minimum")}
    inner["alignment"] -= keys(shown["alignment"]["how"])  # options
    inner["traffic"] = {"coordinator_bytes", "actor_bytes"}
    for key, names in inner.items():
        (row,) = (row for row in found if key in spans(row[0]))
        assert names <= set(spans(row[1])), key


def keys(value):
    """All keys of dictionaries within a value."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()


def test_every_figure_of_compare():
    said = page("numbers").partition("## `compare`")[2].partition("\n## ")[0]
    heads = {compared.HEADS.get(name, name) for name in (*compared.ALONE, *compared.BESIDE)}
    for name in (*heads, "length over chord", "gradients", compared.GOAL.replace("_", " ")):
        assert name in " ".join(said.split())


# file-format.md


def arrays(text):
    """Axes and types of every array of a page's tables, by its name."""
    found = {}
    for lines in tables(text):
        if lines[0][0] == "array":
            for names, axes, kind, _ in lines[1:]:
                assert not set(spans(names)) & set(found)
                found |= dict.fromkeys(spans(names), (axes, kind))
    return found


def described(known, name):
    """The row of an array: its own, or that of any metric, tensor or group."""
    group, _, last = name.rpartition("/")
    if name in known:
        return known[name]
    if last in MEASURED and f"{group}/<metric>" in known:
        return known[f"{group}/<metric>"]
    free = "<group>" if group.startswith("alignment/") else "<name>"
    assert f"{group}/{free}" in known, f"{name} is in no table of docs/file-format.md"
    return known[f"{group}/{free}"]


def kept(file):
    """The arrays of an open file, without the empty ones that name a dimension."""
    found = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    dimension = b"This is a netCDF dimension"
    return {name: item for name, item in found.items() if not item.attrs.get("NAME", b"").startswith(dimension)}


def has_kind(item, kind):
    if kind in ("text", "weights' type"):
        return bool(h5py.check_string_dtype(item.dtype)) if kind == "text" else item.dtype in ("float32", "float64")
    return kind == "its own" or item.dtype == kind


def test_every_array_of_a_run_with_its_axes_and_type(run):
    known = arrays(page("file-format"))
    with h5py.File(run.file) as file:
        found = kept(file)
        assert {"looks", "alignment", "optimizer", "profiles"} < {name.partition("/")[0] for name in found}
        for name, item in found.items():
            axes, kind = described(known, name)
            scales = [dim[0].name.rpartition("/")[2] if len(dim) else name.rpartition("/")[2] for dim in item.dims]
            assert axes in ("its own", ", ".join(scales)), name
            assert has_kind(item, kind), name


@pytest.mark.parametrize("group", DIMENSIONS)
def test_every_array_that_a_run_may_have(group):
    known = arrays(page("file-format"))
    assert any(name.startswith(f"{group}/") for name in known)
    for name, axes in DIMENSIONS[group].items():
        assert name == ANY or known[f"{group}/{name}"][0] == ", ".join(axes)


def test_every_group_that_is_written():
    known, one = arrays(page("file-format")), np.zeros(1)
    everything = Kept(
        weights=np.zeros((1, 1)),
        buffers={"scale": one},
        made=[Made("scale", (1,), "00")],
        looks={"points": one},
        measured={"mixture": np.zeros((1, 1)), "train_loss": one},
        endpoints={side: {"mean": one} for side in ("start", "end")},
        aligned={"line": {"train_loss": one}, "end": {"0": one}},
        profiles={
            "path": {"train_loss": one},
            "linear": {"train_loss": one},
            "plane": {"train_loss": np.zeros((1, 1))},
        },
    )
    for group, held in everything.groups().items():
        for name in held:
            described(known, f"{group}/{name}")


def test_every_vector_of_an_optimiser():
    found = tables(page("file-format").partition("## `landscape.h5`")[0])
    (row,) = (row for lines in found for row in lines if row[0] == "`optimizer/<name>`")
    for one in of_field(RunSettings.model_fields["optimizer"]):
        for name in one.settings().state_names():
            assert re.sub(r"\d+$", "0", name) in spans(row[3])


def test_every_attribute_of_a_run_and_every_key_of_its_summary(run):
    named = [name for row in rows(page("file-format"), "attribute", "what") for name in spans(row[0])]
    with h5py.File(run.file) as file:
        assert sorted(named) == sorted(file.attrs)
        found = json.loads(file.attrs["summary"])
    said = page("file-format").partition("**Keys of `summary`**")[2].partition("\n\n")[0]
    assert set(found) <= set(spans(said))


def test_every_array_and_attribute_of_a_landscape(landscape):
    text = page("file-format").partition("## `landscape.h5`")[2]
    known = arrays(text)
    with h5py.File(landscape.file) as file:
        found = kept(file)
        assert sorted(found) == sorted(known)
        assert all(item.ndim == 1 and has_kind(item, known[name][1]) for name, item in found.items())
        assert all(f"`{name}`" in text for name in file.attrs)


def shown(file, language):
    return [code for kind, code in FENCE.findall(file.read_text("utf-8")) if kind == language]


@pytest.mark.parametrize("file", PAGES, ids=relative)
def test_python_that_is_shown_runs(file, folder, tmp_path, monkeypatch):
    (tmp_path / "runs").symlink_to(folder / "runs")  # it may write beside it
    monkeypatch.chdir(tmp_path)
    for code in shown(file, "python"):
        exec(code, {"__name__": "shown"})
    pyplot.close("all")


@pytest.mark.parametrize("file", PAGES, ids=relative)
def test_configurations_that_are_shown_are_valid(file, tmp_path):
    for n, text in enumerate(shown(file, "yaml")):
        (tmp_path / f"{n}.yaml").write_text(text)
        config.load(str(tmp_path / f"{n}.yaml"), [])


def test_python_and_configurations_are_found_on_the_pages():
    assert all(shown(PAGES[0], language) for language in ("python", "yaml"))


# lists


@pytest.mark.parametrize(
    ("option", "heading", "column"), [("method", "you have, or want", 1), ("optimizer", "`optimizer`", 0)]
)
def test_every_kind_is_in_its_table(option, heading, column):
    named = {span for row in rows(page("methods"), heading) for span in spans(row[column])}
    assert set(KINDS[option]) <= named


def test_every_schedule_and_what_needs_one_loss():
    said = page("methods")
    assert all(f"`{name}`" in said for name in SCHEDULES)
    needing = " and ".join(f"`{each.model_fields['name'].default}`" for each in DETERMINISTIC)
    assert f"{needing} compare forces of different steps" in said


def listed(name, part):
    """The names that a page's table of parts has for one, `a … b` those between, in the order of the models."""
    (row,) = (row for row in rows(page(name), "part", "choices") if f"`{part}`" in row[0])
    order, found = list(MODELS), spans(row[1])
    for first, last in re.findall(r"`([\w-]+)` … `([\w-]+)`", row[1]):
        found += order[order.index(first) : order.index(last) + 1]
    return set(found)


@pytest.mark.parametrize(
    ("name", "part", "names"),
    [
        ("runs", "objective", SURFACES),
        ("runs", "endpoints.align", KINDS["align"]),
        ("runs", "method", KINDS["method"]),
        ("runs", "optimizer", KINDS["optimizer"]),
        ("runs", "holder", HOLDERS),
        ("runs", "measure", Measurement.model_fields),
        ("tasks", "model", MODELS),
        ("tasks", "loss", LOSSES),
        ("tasks", "metrics", METRICS),
        ("tasks", "data", KINDS["data"]),
    ],
)
def test_lists_of_choices_are_whole(name, part, names):
    assert set(names) <= listed(name, part)


def test_every_part_of_a_configuration_is_in_a_table():
    named = {span for row in rows(page("runs"), "part", "choices") for span in spans(row[0])}
    assert set(RunSettings.model_fields) <= named


@pytest.mark.parametrize(
    ("name", "heading", "names"),
    [
        ("tasks", ("`data`", "what"), KINDS["data"]),
        ("alignment", ("`endpoints.align`",), KINDS["align"]),
        ("alignment", ("option of `weights`",), set(ByWeights.model_fields) - {"name"}),
        ("landscapes", ("`--pairs`",), choice.CHOICES),
        ("landscapes", ("panel",), pictures.USUAL),
        ("clusters", ("option", "default"), [f"holder.{name}" for name in HolderSettings.model_fields.keys() - SAID]),
    ],
)
def test_a_table_has_a_row_for_each(name, heading, names):
    assert set(names) <= {span for row in rows(page(name), *heading) for span in spans(row[0])}


def test_what_a_path_and_a_landscape_can_be_asked_is_on_their_pages():
    asked = {name: set(re.findall(r"\.(\w+)", page(name))) for name in ("python", "landscapes")}
    for kind, pages in ((Along, ["python"]), (Opened, ["python"]), (OpenedLandscape, ["python", "landscapes"])):
        for name in vars(kind):
            assert name.startswith("_") or any(name in asked[each] for each in pages), name


def test_every_option_of_explore_is_on_the_page_of_landscapes():
    options = COMMANDS.get_command(None, "explore").params
    assert all(each.opts[-1] in page("landscapes") for each in options if each.opts[-1].startswith("--"))


def test_what_to_add_where_is_there():
    for _, write, line, test in rows(page("contributing"), "to add", "write"):
        files = [span for span in spans(write + line + test) if "/" in span and "NAME" not in span]
        assert all((ROOT / name).exists() for name in files), files
        for table in (span for span in spans(line) if span.isupper() or span == "DataSettings"):
            places = [ROOT / name for name in files if not name.startswith("tests/")]
            texts = [
                file.read_text("utf-8")
                for place in places
                for file in (sorted(place.glob("*.py")) if place.is_dir() else [place])
            ]
            assert any(re.search(rf"^{table}\b.*=", text, re.MULTILINE) for text in texts), table


# links and commands


def headings(text):
    """Anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("file", PAGES, ids=relative)
def test_links_lead_somewhere(file):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", file.read_text("utf-8"))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = file.parent / name if name else file
        assert there.exists(), target
        assert not anchor or anchor in headings(there.read_text("utf-8")), target


def test_the_readme_is_a_page_that_links_all_others_and_has_all_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= 110
    assert sum(line.startswith("pip install") for line in readme.splitlines()) == 2  # .ci/run reads these
    assert DOCS
    assert all(f"](docs/{file.name})" in readme for file in DOCS)
    assert {each.split()[1] for each in commands(readme)} == set(COMMANDS.list_commands(None))


def test_commands_of_checks_are_there_and_none_is_missing():
    lines = [line for file in PAGES for line in spans(file.read_text("utf-8"))]
    tested = [
        word for line in lines if line.startswith("pytest ") for word in line.split() if word.startswith("tests/")
    ]
    assert tested
    assert all((ROOT / word).exists() for word in tested), tested
    modules = {line.split()[2] for line in lines if re.match(r"python -m [a-z]", line) and "NAME" not in line}
    files = {module: ROOT.joinpath(*module.split(".")).with_suffix(".py") for module in modules}
    assert all(file.exists() for file in files.values()), files
    for file in (ROOT / "pathsearch" / "cost").glob("*.py"):
        if "__main__" in file.read_text("utf-8"):
            assert f"python -m pathsearch.cost.{file.stem}" in page("checks"), file.name


def commands(text):
    """The command lines of this program that a page shows, without what is said of them."""
    shown = [line for _, block in FENCE.findall(text) for line in block.splitlines()] + spans(text)
    parts = [part for line in shown for part in re.split(r"; |&& | -- | {2,}", line.removeprefix("$ "))]
    found = (part[part.index("pathsearch ") :] for part in parts if re.match(r"(srun )?pathsearch [a-z]", part))
    return [re.sub(r"[\[\]]|\.\.\.|…", " ", each) for each in found]


def wrong(line):
    """What is wrong with a command line, "" where nothing is: its command, options and overrides are all there."""
    _, name, *arguments = shlex.split(line)
    if name not in COMMANDS.list_commands(None):
        return f"{line}: no command {name}"
    command = COMMANDS.get_command(None, name)
    changes = [each for each in arguments if re.fullmatch(r"[a-z_.]+=.+", each) and each != "key=value"]
    base = arguments[0] if arguments and arguments[0] in config.names() else "digits"
    try:
        command.make_parser(command.context_class(command)).parse_args(list(arguments))
        if name in ("run", "submit", "explore", "bench", "train", "symmetries"):
            # a sweep's values are several
            config.load(base, [each for each in changes if not re.search(r"=\d+:|,", each)])
        elif name == "options" and arguments[:1] not in ([], ["--schema"], ["PART"]):
            options.show(arguments[0])
    except (PathsearchError, WRONG_USAGE) as error:
        return f"{line}: {error}"
    return ""


@pytest.mark.parametrize("file", PAGES, ids=relative)
def test_commands_that_are_shown_are_there(file):
    assert not list(filter(None, map(wrong, commands(file.read_text("utf-8")))))


def test_commands_are_found_and_wrong_ones_are_noticed():
    text = "```\npathsearch run digits [stepz=3]   text\n$ srun pathsearch show RUN --jsn\n```\n`pathsearch nope`"
    shown = ["pathsearch run digits  stepz=3", "pathsearch show RUN --jsn", "pathsearch nope"]
    assert [" ".join(each.split()) for each in commands(text)] == [" ".join(each.split()) for each in shown]
    assert all(map(wrong, shown))
    assert not wrong("pathsearch run digits steps=3 --out there")


@pytest.mark.parametrize("name", COMMANDS.list_commands(None))
def test_every_option_of_a_command_has_a_meaning(name):
    for each in COMMANDS.get_command(None, name).params:
        assert each.help, f"{name} {each.opts[-1]}"


def test_the_changelog_begins_with_this_version():
    (said,) = re.findall(r"^version = (.*)$", (ROOT / "setup.cfg").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"^## ([\w.]+)", page("changelog"), re.MULTILINE)[0] == said
