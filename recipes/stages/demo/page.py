"""The page itself: a sound goes in, the predicted cortex is played."""

import atexit
import html
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evaluate_metrics.reports import file_name
from modeling_braintune import BrainEncodingPipeline
from recipes.stages.demo.player import write_played, write_waiting
from recipes.stages.demo.predicted import predict
from recipes.stages.demo.sessions import Gone, Sessions
from recipes.stages.demo.sound import LONGEST, read_sound
from recipes.stages.demo.surface import surface_content
from recipes.stages.demo.take_home import take_home

try:
    import gradio as gr
    import plotly
except ImportError as error:
    raise ImportError('the page needs Gradio and Plotly: pip install "braintune[demo]"') from error

HERE = Path(__file__).parent
VIEWER = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
TITLE = "Watch a predicted cortex listen"
INTRODUCTION = f"""# {TITLE}

Say something, or give a sound of up to {LONGEST:g} minutes. A speech model, tuned on the fMRI of
people who listened to stories, predicts what the cortex would do as it hears it. What you give is
deleted when you close the page.
"""
LARGEST = "512mb"  # of a file: ten minutes of anything, uncompressed
MOST_WAITING = 20
COMPUTING = "computing"  # that of which one is done at a time: Gradio counts functions apart else
WAITING = gr.Progress()


def page(
    encoders: dict[str, BrainEncodingPipeline],
    participants: Sequence[str] = (),
    examples: Sequence[Path] = (),
) -> "gr.Blocks":
    """Build the page of one checkpoint, or of two side by side.

    Parameters
    ----------
    encoders : dict of {what it is called: BrainEncodingPipeline}
    participants : list of str
        Those that a visitor may choose from, the first at the start; by default all of each head.
    examples : list of Path
        Sounds that are offered.

    Returns
    -------
    gradio.Blocks
        To be opened by `launch`.

    Raises
    ------
    ValueError
        A head does not know one of the participants.
    """
    # Before Gradio looks: what visitors give goes into a folder that ends with the process.
    folder = Path(tempfile.mkdtemp(prefix="braintune-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    sessions = Sessions(folder)
    viewer = shutil.copy(VIEWER, folder)
    surface = folder / "surface.json"
    surface.write_text(json.dumps(surface_content()), encoding="utf-8")
    choices = {name: _choices(name, one, participants) for name, one in encoders.items()}

    def waiting(chosen: Sequence[str]) -> str:
        """Write what the player shows of participants until there is a sound, once for all."""
        rest = folder / "waiting" / "-".join(map(file_name, chosen))
        rest.mkdir(parents=True, exist_ok=True)
        brains = [
            one.model.brain_of(who) for one, who in zip(encoders.values(), chosen, strict=True)
        ]
        names = [one.model.name_or_path for one in encoders.values()]
        return _address(write_waiting(names, brains, list(encoders), rest))

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            recording = gr.Audio(
                label="A sound", sources=["upload", "microphone"], type="filepath", editable=False
            )
            with gr.Column(visible=bool(examples) or any(len(c) > 1 for c in choices.values())):
                whose = [
                    gr.Radio(
                        names,
                        value=names[0],
                        label=f"Whose brain, as {name} predicts it",
                        visible=len(names) > 1,
                    )
                    for name, names in choices.items()
                ]
                offered = [gr.Button(f"Hear {path.stem}", size="sm") for path in examples]
        gr.HTML(value='<p role="status"></p>', elem_id="microphone")
        status = gr.HTML(value="", elem_id="status")
        player = gr.HTML(
            value=waiting([names[0] for names in choices.values()]),
            html_template=(HERE / "player.html").read_text(encoding="utf-8"),
            css_template=(HERE / "player.css").read_text(encoding="utf-8"),
            js_on_load=(HERE / "player.js").read_text(encoding="utf-8"),
            head=f'<script src="{_address(viewer)}"></script>',
            surface=_address(surface),
            apply_default_css=False,
            elem_id="player",
        )

        taking = gr.Button("Make files to take home", visible=False)
        taken = gr.HTML(value="", elem_id="taken")

        def show(session, chosen, tell):
            """Predict the session's sound, and write what the player fetches."""
            session.predicted = [
                predict(encode, session.sound, chosen[choice], partial(tell, name))
                for choice, (name, encode) in zip(whose, encoders.items(), strict=True)
            ]
            return write_played(session.predicted, list(encoders), session.new_folder("played"))

        def answer(read, chosen, visitor, progress):
            """Show a new sound, or the same anew; the recording is emptied for the next."""

            def tell(name, done, n_trs):
                sessions.of(visitor)  # a visitor who has left stops the work
                progress((done, n_trs), desc=f"{name}: predicting", unit="volumes")

            emptied = {recording: None, status: ""}
            try:
                session = sessions.of(visitor)
                if read is not None:
                    session.sound = read()
                if session.sound is None:
                    whom = [chosen[choice] for choice in whose]
                    return emptied | {player: waiting(whom)}
                played = show(session, chosen, tell)
                said = f"{session.sound.name}: {session.sound.seconds:.1f} s. {session.sound.said}"
                now = {player: _address(played), taking: gr.update(visible=True), taken: ""}
                return emptied | {status: _paragraph(said, 'role="status"')} | now
            except Gone:
                return emptied
            except (OSError, ValueError) as error:
                return emptied | {status: _paragraph(str(error), 'role="alert"')}

        def note(path: str | None, request: gr.Request):
            """Know of a file that waits in the queue: its visitor may leave before it is read."""
            if path is None:
                return
            try:
                sessions.of(request.session_hash).given.add(Path(path))
            except Gone:
                sessions.let_go(Path(path))

        def taken_from(visitor: str, path: Path):
            """Read a visitor's file, which is deleted then."""
            try:
                return read_sound(path)
            finally:
                sessions.let_go(path, visitor)

        def hear(given: dict, request: gr.Request, progress=WAITING):
            path = given[recording]
            visitor = request.session_hash
            read = None if path is None else partial(taken_from, visitor, Path(path))
            return answer(read, given, visitor, progress)

        def hear_example(path: Path):
            def hear(given: dict, request: gr.Request, progress=WAITING):
                return answer(partial(read_sound, path), given, request.session_hash, progress)

            return hear

        def change(given: dict, request: gr.Request, progress=WAITING):
            return answer(None, given, request.session_hash, progress)

        def take(request: gr.Request, progress=WAITING):
            def tell(path):
                sessions.of(request.session_hash)
                progress(None, desc=f"Writing {path.name}")

            try:
                session = sessions.of(request.session_hash)
                folder = session.new_folder("taken")
                found = []
                for name, made in zip(encoders, session.predicted, strict=True):
                    paths = take_home(made, folder / name, tell)
                    found.append(f"<h3>{html.escape(name)}</h3><ul>{_links(paths)}</ul>")
                return "".join(found)
            except Gone:
                return ""
            except OSError as error:
                return _paragraph(str(error), 'role="alert"')

        shown: dict[str, Any] = {
            "concurrency_id": COMPUTING,
            "outputs": [player, status, recording, taking, taken],
            "show_progress_on": [recording],
        }
        given = {recording, *whose}
        heard = [recording.upload, recording.stop_recording]
        private = {"api_visibility": "private"}
        noted = gr.on(heard, note, recording, queue=False, show_progress="hidden", **private)
        noted.then(hear, given, api_name="hear", **shown)
        shown |= private
        for button, path in zip(offered, examples, strict=True):
            button.click(hear_example(path), given, **shown)
        for choice in whose:
            choice.input(change, given, **shown)
        taking.click(take, outputs=[taken], api_visibility="private", concurrency_id=COMPUTING)

        def leave(request: gr.Request):
            sessions.end(request.session_hash)

        blocks.unload(leave)
        blocks.load(fn=None, js=(HERE / "microphone.js").read_text(encoding="utf-8"))
    return blocks


def launch(blocks: "gr.Blocks", **options: Any) -> Any:
    """Open the page: one visitor's sound is computed at a time, the others' wait in a queue.

    Nothing is asked of another host, neither by this process nor by the visitor's browser.

    Parameters
    ----------
    blocks : gradio.Blocks
        Of `page`.
    **options
        As `gradio.Blocks.launch` takes them.

    Returns
    -------
    What `gradio.Blocks.launch` returns.
    """
    blocks.queue(default_concurrency_limit=1, max_size=MOST_WAITING)
    settings = {
        "theme": gr.themes.Default(
            primary_hue="slate",
            neutral_hue="slate",
            font=["system-ui", "sans-serif"],
            font_mono=["monospace"],
        ),
        "max_file_size": LARGEST,
        "run_history": False,  # which would keep what was said in the browser
        "footer_links": [],
        "ssr_mode": False,
        "share": False,
        "enable_monitoring": False,
    }
    return blocks.launch(**settings | options)


def _choices(name, encode, participants):
    """The participants that a visitor may choose from."""
    known = list(encode.model.brains)
    if unknown := [one for one in participants if one not in known]:
        raise ValueError(
            f"{name} predicts {', '.join(known)}, not {', '.join(unknown)}: give others as "
            "--participants, or none"
        )
    return list(participants) or known


def _paragraph(text, attributes=""):
    return f"<p {attributes}>{html.escape(text)}</p>"


def _links(paths):
    return "".join(
        f'<li><a href="{html.escape(_address(path))}" download>{html.escape(path.name)}</a> '
        f"({path.stat().st_size / 1e6:.2g} MB)</li>"
        for path in paths
    )


def _address(path):
    """Where the browser finds a file, from the page on."""
    return f"gradio_api/file={quote(str(path))}"
