"""Analyses are found by their folders; what is missing in one is refused by its name."""

import sys
import types

import numpy as np
import pytest

from analyses import __main__ as analyses
from analyses.common import claims, command, folders, made_from, record
from tests.test_architecture import imported

COMPUTE = """
import numpy as np

PRESETS = {"quick": 3, "standard": 5}
SEED = 7


def compute(settings):
    return {"x": np.arange(settings)}, {"low": -1.5}
"""
FIGURES = """
def draw(arrays, facts, out):
    (out / "demo.svg").write_text(f"<svg xmlns='http://www.w3.org/2000/svg'>{arrays['x'].size}</svg>")
    (out / "demo.csv").write_text("panel,series,x,y,value\\n")
"""
WORDS = """
from analyses.common.words import Words


def words(arrays, facts):
    figure = {"file": "demo.svg", "caption": f"from {facts['low']} on", "alt": "a picture"}
    return Words("A demonstration", "Short.", [figure], {"S6": ("refuted", "slope 1 at 0")})
"""
FILES = {"compute.py": COMPUTE, "figures.py": FIGURES, "words.py": WORDS}


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """A folder of analyses that has one, "demo", whose modules are forgotten afterwards."""
    room = tmp_path / "analyses" / "demo"
    room.mkdir(parents=True)
    for name, text in {**FILES, "__init__.py": ""}.items():
        (room / name).write_text(text)
    monkeypatch.setattr(folders, "ANALYSES", room.parent)
    import analyses as package

    monkeypatch.setattr(package, "__path__", [*package.__path__, str(room.parent)])
    yield room
    for name in [name for name in sys.modules if name.startswith("analyses.demo")]:
        del sys.modules[name]


def test_the_three_steps_of_an_analysis(demo, tmp_path, capsys):
    build, page = tmp_path / "build", tmp_path / "page.html"
    common = ["--preset", "standard", "--build", str(build)]
    analyses.main(["compute", "demo", *common])
    analyses.main(["draw", "demo", *common])
    # files outside the project, as those of this demonstration are, are on no list
    analyses.main(["page", "demo", *common, "--out", str(page)])
    assert (build / "figures" / "standard" / "demo.svg").read_text().endswith(">5</svg>")
    arrays, meta = record.load(build / "standard" / "demo.npz")
    assert arrays["x"].size == 5 and meta["facts"] == {"low": -1.5}
    assert meta["provenance"]["preset"] == "standard" and meta["provenance"]["seed"] == 7
    assert "1 of 29 claims measured" in capsys.readouterr().out
    text = page.read_text()
    assert "slope 1 at 0" in text and "from −1.5 on" in text and "analyses/demo" in text


@pytest.mark.parametrize("missing", FILES)
def test_a_folder_without_one_of_its_files_is_refused_by_name(demo, tmp_path, missing):
    (demo / missing).unlink()
    with pytest.raises(record.RecordError, match=rf"demo: expected a file analyses/demo/{missing}"):
        folders.part("demo", missing.removesuffix(".py"))
    with pytest.raises(SystemExit, match=r"demo: expected a file analyses/demo/"):
        analyses.main(["compute", "demo", "--build", str(tmp_path)])
        analyses.main(["draw", "demo", "--build", str(tmp_path)])
        analyses.main(["page", "demo", "--build", str(tmp_path), "--out", str(tmp_path / "p")])


def test_a_module_without_its_function_is_refused_by_name(demo, tmp_path):
    (demo / "compute.py").write_text("PRESETS = {}\n")
    with pytest.raises(SystemExit, match="demo: expected `compute` in analyses/demo/compute.py"):
        analyses.main(["compute", "demo", "--build", str(tmp_path)])


def test_an_unknown_preset_or_name_is_refused(demo, tmp_path):
    with pytest.raises(SystemExit, match="preset: expected one of quick, standard; got tiny"):
        analyses.main(["compute", "demo", "--preset", "tiny", "--build", str(tmp_path)])
    with pytest.raises(SystemExit, match="^other: expected one of demo"):
        analyses.main(["draw", "other", "--build", str(tmp_path)])


def test_a_claim_that_does_not_exist_is_refused_by_name(demo, tmp_path):
    (demo / "words.py").write_text(WORDS.replace("S6", "S99"))
    common = ["--build", str(tmp_path)]
    analyses.main(["compute", "demo", *common])
    analyses.main(["draw", "demo", *common])
    with pytest.raises(SystemExit, match="demo: id: expected one of S1 to S28; got 'S99'"):
        analyses.main(["page", "demo", *common, "--out", str(tmp_path / "page.html")])


def test_a_figure_that_was_not_drawn_is_named(demo, tmp_path):
    common = ["--build", str(tmp_path)]
    analyses.main(["compute", "demo", *common])
    with pytest.raises(SystemExit, match=r"demo\.svg: no such figure; draw it first"):
        analyses.main(["page", "demo", *common, "--out", str(tmp_path / "page.html")])


def test_damaged_data_are_computed_anew(demo, tmp_path, monkeypatch):
    path = tmp_path / "quick" / "demo.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK")

    def run(arguments, **_):  # the demonstration is known to this process alone
        assert arguments[1:5] == ["-m", "analyses", "compute", "demo"]
        analyses.main(arguments[3:])

    monkeypatch.setattr(command, "subprocess", types.SimpleNamespace(run=run))
    arrays, _ = command.stored("demo", "quick", tmp_path)
    np.testing.assert_array_equal(arrays["x"], np.arange(3))


def test_the_list_of_files_is_whole_and_true(tmp_path):
    made_from.write(tmp_path / "x.made", [record.ROOT / "analyses" / "report" / "page.html.j2"])
    *files, last = (tmp_path / "x.made").read_text().splitlines()
    assert last == f"# whole {len(files)}"
    own = {p.relative_to(record.ROOT).as_posix() for p in made_from.imported()}
    assert set(files) == own | {"analyses/report/page.html.j2"}
    assert {"analyses/__init__.py", "analyses/common/command.py", "rnnjac/__init__.py"} <= own
    assert all((record.ROOT / name).is_file() for name in files)
    assert not [name for name in files if name.startswith(("tests", ".venv"))]


def test_every_analysis_has_its_three_files_and_presets():
    assert len(folders.names()) >= 10
    for name in folders.names():
        assert {"quick", "standard", "paper"} <= set(folders.part(name, "compute").PRESETS)
        folders.part(name, "figures")
        folders.part(name, "words")


def needed(module):
    """Files of analyses/ that importing a module leads to, itself among them."""
    seen, waiting = set(), [file_of(module)]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            found = imported(path.read_text(), path)
            waiting += [file_of(name) for name in found if name.startswith("analyses.")]
    return {path.relative_to(record.ROOT / "analyses").as_posix() for path in seen}


def file_of(dotted):
    """File of a module of analyses/, or of the module that defines a name."""
    place = record.ROOT.joinpath(*dotted.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return file_of(dotted.rpartition(".")[0])


@pytest.mark.parametrize("name", folders.names())
def test_an_analysis_knows_no_other_and_numbers_know_neither_words_nor_pictures(name):
    for part in folders.WANTED:
        found = needed(f"analyses.{name}.{part}")
        assert {path.split("/")[0] for path in found} <= {name, "common", "__init__.py"}
        others = {f"{name}/{other}.py" for other in folders.WANTED if other != part}
        assert not found & (others - {f"{name}/compute.py"}), f"{part} imports too much"


def test_the_claims_are_known():
    with pytest.raises(ValueError, match="id: expected one of S1 to S28; got 'S29'"):
        claims.validate([{"id": "S29", "verdict": "holds", "measured": "x"}])
