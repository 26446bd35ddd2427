"""What the READMEs show: their Python runs, their options exist, their links lead somewhere."""

import doctest
import importlib
import os
import re
import sys
from contextlib import chdir
from functools import partial
from pathlib import Path

import huggingface_hub.constants
import pytest
from transformers import AutoModel, set_seed

import recipes.phantom.data
import recipes.phantom.models
from datasets_scripts import make_phantom
from modeling_braintune import AutoModelForBrainTuning
from recipes.command.arguments import CONFIGS, parse_arguments
from recipes.phantom import MODELS
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from tests.command_process import run_command

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ["datasets_scripts", "evaluate_metrics", "modeling_braintune", "recipes"]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob(".github/*.md"))]
PAGES += sorted(page for room in ROOMS for page in (ROOT / room).rglob("README.md"))
PRETRAINED = "phantom-wav2vec2"


def blocks(page, language):
    """Code blocks of a page, as they are marked."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def called(page):
    """Modules of recipes that a page's shell blocks call, each with what stands behind it."""
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.split(r"&&|;|\|", line.partition(" #")[0]):
                found = re.search(r"\brecipes[./](\S+?)(?:\.py)?(?:\s|$)(.*)", command)
                if found and re.match(r"\s*(python|accelerate|torchrun)", command):
                    yield "recipes." + found[1].replace("/", "."), found[2]


def in_place_of_the_repository(folder):
    """Prepare a process that finds a miniature of what the main job makes."""
    os.chdir(folder)
    huggingface_hub.constants.HF_HOME = str(folder / "huggingface")
    # A thread, since the other process of the suite takes the other core
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that looks like the repository's after the main job, but in miniature."""
    folder = tmp_path_factory.mktemp("readmes")
    for room in ROOMS:
        (folder / room).symlink_to(ROOT / room)
    cache = folder / "huggingface" / "braintune"
    recordings = cache / f"phantom-{recipes.phantom.data.VERSION}"
    pretrained = cache / f"{PRETRAINED}-{recipes.phantom.models.VERSION}"
    voxels = dict(n_language=12, n_auditory=12, n_noise=4, n_dead=2)
    cache.mkdir(parents=True)
    make_phantom(
        recordings,
        participants=recipes.phantom.data.PARTICIPANTS,
        n_stories=4,
        seconds=60.0,
        test_seconds=90.0,
        **voxels,
    )
    set_seed(0)
    config, feature_extractor = MODELS[PRETRAINED]()
    AutoModel.from_config(config).save_pretrained(pretrained)
    feature_extractor.save_pretrained(pretrained)

    words = [
        *("--data", recordings),
        *("--train_stories", "story01", "story02", "story03", "--validation_stories", "story04"),
        *("--max_steps", "2", "--eval_steps", "1", "--save_steps", "1", "--use_cpu", "true"),
        *("--evaluation_stride", "8", "--layers", "4", "--targets", "responses"),
    ]
    done = run_command("tune", *words, prepare=partial(in_place_of_the_repository, folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: str(p.relative_to(ROOT))
)
def test_python_blocks_run_one_after_the_other(page, folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HOME", str(folder / "huggingface"))
    # The miniature in its place is another phantom than the one that would be made.
    monkeypatch.setattr(recipes.phantom.data, "make_phantom", lambda *_, **__: False)
    families = dict(AutoModelForBrainTuning._class_of)
    monkeypatch.setattr(AutoModelForBrainTuning, "_class_of", families)
    names = {"__name__": "readme"}
    with chdir(folder):
        for block in blocks(page, "python"):
            if block.startswith(">>> "):
                example = doctest.DocTestParser().get_doctest(block, names, page.name, None, None)
                assert doctest.DocTestRunner().run(example).failed == 0
            else:
                exec(compile(block, str(page), "exec"), names)


def options(module, monkeypatch, capsys):
    """Options of a command, as its help lists them."""
    wanted = "--help" if ".benchmarks." in module else "--help_all"
    monkeypatch.setattr(sys, "argv", [module, wanted])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    assert ended.value.code in (0, None)
    return set(re.findall(r"--[a-zA-Z][\w-]*", capsys.readouterr().out))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_options_that_shell_blocks_give_exist(page, monkeypatch, capsys):
    for module, words in called(page):
        given = set(re.findall(r"(?<!\S)--[a-zA-Z][\w-]*", words))
        unknown = given - options(module, monkeypatch, capsys) if given else set()
        assert not unknown, f"{module} has no {', '.join(sorted(unknown))}"
        assert importlib.util.find_spec(module), f"{module} does not exist"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, heading = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{target}: no such file"
        if heading:
            titles = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), flags=re.M)
            slugs = {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}
            assert heading in slugs, f"{target}: no such heading"


def test_the_configuration_of_one_s_own_recordings_is_accepted_and_tunes(tmp_path):
    (block,) = blocks(ROOT / "recipes" / "README.md", "yaml")
    path = tmp_path / "mine.yaml"
    path.write_text(block)
    arguments, training = parse_arguments((TuningOptions, TrainerOptions), path, [])
    assert arguments.participants == ["UTS01"]
    # As the paper's, of which the folder of configurations has all
    _, paper = parse_arguments((TuningOptions, TrainerOptions), CONFIGS / "ds003020.yaml", [])
    for key in (
        *("num_train_epochs", "train_batch_size", "gradient_accumulation_steps", "learning_rate"),
        *("head_learning_rate", "warmup_steps", "eval_strategy", "save_strategy"),
        *("load_best_model_at_end", "save_total_limit", "logging_steps"),
    ):
        assert getattr(training, key) == getattr(paper, key), key


def test_shell_blocks_name_configurations_that_exist():
    for page in PAGES:
        for block in blocks(page, "bash"):
            for path in re.findall(r"\brecipes/\S+\.(?:yaml|json|py)\b", block):
                assert (ROOT / path).exists(), f"{page.relative_to(ROOT)}: {path} does not exist"
