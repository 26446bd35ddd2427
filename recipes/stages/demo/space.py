"""The page as a Space of the Hub: everything that it starts from, beside the checkpoint."""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from os import PathLike
from pathlib import Path

from huggingface_hub import SpaceCard, SpaceCardData, snapshot_download

from modeling_braintune import BrainEncodingPipeline, checkpoint_files, license_of, plain_errors
from recipes.stages.demo.about import about
from recipes.stages.predicting import brain_pipeline, said_alignment

EXTRA = "demo"
SOURCE = Path(__file__).parents[3]
ROOMS = ("modeling_braintune", "datasets_scripts", "evaluate_metrics", "recipes")
APP = '''\
"""The page of a Space: what the checkpoint beside it predicts of a visitor's sound."""

from recipes.command.process import prepare_process

from accelerate import PartialState

from recipes.demo import DemoOptions, demo

prepare_process(PartialState().device, 1)
# Where the page is reached is said by the Space, in the environment.
demo(DemoOptions(checkpoints=[{checkpoint!r}], examples={examples!r}, server_name=None))
'''
CARD = """\
# Watch a predicted cortex listen

Say something, and see what the checkpoint `{checkpoint}` predicts that a listener's cortex does.

{about}

## On a machine of your own

```bash
hf download {repo} --repo-type space --local-dir {name}
cd {name}
pip install -r requirements.txt
python app.py
```

| file | what it is |
|---|---|
| `{checkpoint}/` | the checkpoint, with its card |
| {rooms} | [braintune](https://github.com/braintune/braintune) {version}, MIT licence |
| `examples/` | sounds that the page offers, if it offers any |
| `app.py`, `requirements.txt` | the page, and the versions that it was published with |
"""


def space_files(
    checkpoint: str, repo: str, examples: Iterable[Path] = ()
) -> dict[str, str | PathLike | bytes]:
    """Gather what the Space of a checkpoint holds.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
    repo : str
        The Space's name.
    examples : iterable of Path
        Sounds that the page offers.

    Returns
    -------
    dict of {str: path-like or bytes}
        By path in the Space: its card, `app.py`, `requirements.txt`, the packages as they are
        installed, and the checkpoint's own files.

    Raises
    ------
    FileNotFoundError, PermissionError, ConnectionError, ValueError
        There is no such checkpoint, it cannot be loaded, does not say whose voxels it predicts, or
        holds files that run code where they are loaded.
    ImportError
        The package is not installed with what the page needs.
    """
    encode = brain_pipeline(checkpoint)
    folder = Path(checkpoint)
    if not folder.is_dir():
        with plain_errors(checkpoint):
            folder = Path(snapshot_download(checkpoint))
    place = f"checkpoints/{Path(checkpoint).resolve().name}"
    sounds = {f"examples/{path.name}": path for path in examples}
    files: dict[str, str | PathLike | bytes] = {
        "README.md": _card(encode, checkpoint, place, repo).encode(),
        "app.py": APP.format(checkpoint=place, examples=[*sounds]).encode(),
        "requirements.txt": requirements().encode(),
    }
    files |= sounds
    files |= {f"{place}/{name}": path for name, path in checkpoint_files(folder).items()}
    return files | {path.relative_to(SOURCE).as_posix(): path for path in _source()}


def requirements() -> str:
    """Return what the page needs, each package in the version that is installed here.

    Returns
    -------
    str
        A line for each; what makes a build one for certain processors is left out of versions.

    Raises
    ------
    ImportError
        The package is not installed, or without the extra `demo`.
    """
    try:
        asked = requires("braintune") or []
        names = [
            re.match(r"[\w.-]+", line)[0]
            for line in asked
            if "extra ==" not in line or re.search(f"extra == ['\"]{EXTRA}['\"]", line)
        ]
        if "gradio" not in names:
            raise PackageNotFoundError("gradio")
        return "".join(f"{name}=={version(name).partition('+')[0]}\n" for name in names)
    except PackageNotFoundError as error:
        raise ImportError(
            f"{error.name} is not among what is installed with this package, and a Space needs "
            f'what the page needs: pip install "braintune[{EXTRA}]"'
        ) from error


def _card(encode: BrainEncodingPipeline, checkpoint, place, repo):
    """The Space's settings, and what a visitor reads of it."""
    is_named = not Path(checkpoint).is_dir()
    licence = license_of(checkpoint)
    settings = SpaceCardData(
        title="Watch a predicted cortex listen",
        emoji="🧠",
        colorFrom="indigo",
        colorTo="yellow",
        sdk="gradio",
        sdk_version=version("gradio"),
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        app_file="app.py",
        license=licence,
        models=[checkpoint] if is_named else None,
        tags=["brain-encoding", "brain-tuning", "fmri", "speech"],
    )
    said = []
    for brain in encode.model.brains.values():
        said.append(about(checkpoint, brain))
        if brain.alignment:
            said.append(f"{said_alignment(brain)}.")
    text = CARD.format(
        checkpoint=place,
        about="\n\n".join(said),
        repo=repo,
        name=repo.split("/")[-1],
        rooms=", ".join(f"`{room}/`" for room in ROOMS),
        version=version("braintune"),
    )
    return str(SpaceCard(f"---\n{settings.to_yaml()}\n---\n\n{text}"))


def _source():
    """The packages' files, without what Python leaves there."""
    for room in ROOMS:
        for path in sorted((SOURCE / room).rglob("*")):
            parts = path.relative_to(SOURCE).parts
            if path.is_file() and not any(p == "__pycache__" or p.startswith(".") for p in parts):
                yield path
