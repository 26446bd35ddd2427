"""The page, as a visitor uses it: in a browser, from a sound to the moving cortex and back home."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datasets_scripts.phantom.recordings import tell
from recipes.demo import DemoOptions
from recipes.stages.demo.sound import read_sound
from recipes.stages.predicting import brain_pipeline
from tests import chromium
from tests.small_brains import TR, brain, bursts, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 21.0
KNOWN = {"left": (100, 0), "right": (1500, 2)}  # a vertex of each side, and its column
MOMENT = 13.0  # the middle of the seventh TR
STANDING = {"plotly.min.js", "surface.json", "waiting.json"}  # files of the page itself
READY = "document.querySelector('#player .player').dataset"

HEAR_EXAMPLE = (
    "[...document.querySelectorAll('button')]"
    ".find((button) => button.innerText === 'Hear example').click()"
)

needs_browser = pytest.mark.skipif(chromium.PATH is None, reason="no Chromium on the PATH")


def test_two_checkpoints_at_most_and_sounds_that_are_there(tmp_path):
    with pytest.raises(ValueError, match="one model, or 2 .* got none"):
        DemoOptions()
    with pytest.raises(ValueError, match="got a, b, c"):
        DemoOptions(checkpoints=["a", "b", "c"])
    with pytest.raises(FileNotFoundError, match="--examples .*nothing.wav"):
        DemoOptions(checkpoints=["a"], examples=[str(tmp_path / "nothing.wav")])
    assert DemoOptions(checkpoints=["a"]).server_name == "127.0.0.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Checkpoints `both`, of two participants, and `placeless`; a story, and an example."""
    folder = tmp_path_factory.mktemp("demo")
    measured = {"late_language": {"value": 0.5, "low": 0.4, "high": 0.6}}
    measured["early_auditory"] = {"value": 0.05, "low": -0.1, "high": 0.2}
    told = {"story": "repeated", "n_trs": 100, "normalisation": "normalised"}
    first = brain("P01", alignment=measured, measured_on=told)
    write_checkpoint(folder / "both", first, brain("P02"))
    write_checkpoint(folder / "placeless", brain("P03", fsaverage5=None, places=None, space=None))
    story = tell(SECONDS, np.random.default_rng(0))
    soundfile.write(folder / "story.wav", story.audio, 16000)
    soundfile.write(folder / "example.wav", bursts(8.0), 16000)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """The page in a process of its own: its address, and the folder of its temporary files."""
    temporary = folder / "temporary"
    temporary.mkdir()
    words = ["--checkpoints", folder / "both", folder / "placeless"]
    words += ["--examples", folder / "example.wav", "--precise", "true"]
    process = subprocess.Popen(
        [sys.executable, "-u", ROOT / "recipes/demo.py", *words],
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            break
    else:
        pytest.fail(f"the page did not open: {process.wait()}")
    yield found[0], temporary
    process.send_signal(signal.SIGTERM)
    process.communicate()
    left = [str(path) for path in temporary.rglob("*") if path.is_file()]
    assert left == []  # nothing stays, not even what is the page's own


@pytest.fixture(scope="module")
def tab(server, tmp_path_factory):
    with chromium.opened(tmp_path_factory.mktemp("profile")) as tab:
        tab.show(1280)
        tab.open(server[0])
        tab.wait_for("!!document.querySelector('input[type=file]')", 200)
        yield tab


@pytest.fixture(scope="module")
def shown(tab, folder):
    """A sound was given, and its prediction is shown."""
    tab.give("input[type=file]", folder / "story.wav")
    tab.wait_for(f"document.querySelector('.player') && {READY}.ready", 200)
    return tab


@pytest.fixture(scope="module")
def predicted(folder):
    """Function from a participant of `both` to responses, as shares of the limit of colours."""
    sound = read_sound(folder / "story.wav")
    recording = {"array": sound.samples, "sampling_rate": sound.rate}
    encoders = {name: brain_pipeline(str(folder / name)) for name in ("both", "placeless")}
    beside = encoders["placeless"](recording)["responses"]

    def predict(participant):
        responses = encoders["both"](recording, participant=participant)["responses"]
        limit = np.percentile(np.abs(np.concatenate([responses.ravel(), beside.ravel()])), 99)
        return np.clip(responses / limit, -1, 1)

    return predict


def stored(temporary):
    """Names of the files that the page keeps, but for its own."""
    files = {path.name for path in temporary.rglob("*") if path.is_file()}
    return files - STANDING


def move_to(tab, seconds):
    """Move the slider, and wait for the picture of that time."""
    tab.value(
        "{ const slider = document.querySelector('.player input[type=range]');"
        f"slider.value = {seconds};"
        "slider.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    tab.wait_for(f"Math.abs({READY}.seconds - {seconds}) < 0.05", 60)


def intensities(tab):
    """The values of the known vertices, of which the colours are drawn, by hemisphere."""
    return {
        side: tab.value(
            "[...document.querySelector('.js-plotly-plot').data]"
            f".find(({{ name }}) => name === '{side} coloured').intensity[{vertex}]"
        )
        for side, (vertex, _) in KNOWN.items()
    }


def expected(shares, seconds):
    """What the known vertices show."""
    at = np.clip(seconds / TR - 0.5, 0, len(shares) - 1)
    return {
        side: np.interp(at, np.arange(len(shares)), shares[:, column])
        for side, (_, column) in KNOWN.items()
    }


@needs_browser
def test_a_cortex_without_responses_waits_for_a_sound(tab):
    tab.wait_for("!!document.querySelector('.player.waiting')", 60)
    assert tab.value("getComputedStyle(document.querySelector('.player .deck')).display") == "none"
    for participant in ("P02", "P01"):
        tab.wait_for(f"!!document.querySelector('input[type=radio][value={participant}]')")
        tab.value(f"document.querySelector('input[type=radio][value={participant}]').click()")
        tab.wait_for(
            f"document.querySelector('.player h3')?.innerText.includes('{participant}')", 120
        )
        tab.wait_for("document.querySelectorAll('.js-plotly-plot .gl-container canvas').length", 60)
        assert intensities(tab) == {side: 0 for side in KNOWN}
        label = tab.value("document.querySelector('.js-plotly-plot').ariaLabel")
        assert label.startswith(f"Inflated cortex of {participant}")
        assert label.endswith("for which nothing is predicted yet")
    assert tab.value(f"{READY}.ready") is None
    said = tab.value("document.querySelector('.player').innerText")
    assert "White: where responses to a sound will be predicted" in said
    assert "standard deviations" not in said


@needs_browser
def test_colours_are_the_prediction_at_the_playhead(shown, predicted):
    responses = predicted("P01")
    for seconds in (MOMENT, MOMENT + 0.8, 0.0, SECONDS):  # a middle, between two, both ends
        move_to(shown, seconds)
        found, wanted = intensities(shown), expected(responses, seconds)
        assert found == pytest.approx(wanted, abs=1 / 127), seconds
        assert len({round(value, 2) for value in wanted.values()}) == 2


@needs_browser
def test_playing_moves_slider_cursor_and_colours_without_the_server(shown, predicted):
    move_to(shown, 6.0)
    shown.wait_for("document.querySelector('.player audio').readyState >= 3", 60)
    before = len(shown.asked())
    shown.value("document.querySelector('.player [data-part=play]').click()")
    shown.wait_for(f"{READY}.seconds > 7.5", 120)
    shown.value("document.querySelector('.player [data-part=play]').click()")
    shown.wait_for("document.querySelector('.player audio').paused", 60)
    seconds = shown.wait_for(
        "{ const at = document.querySelector('.player audio').currentTime;"
        f" Number({READY}.seconds) === at && at; }}",
        60,
    )
    assert intensities(shown) == pytest.approx(expected(predicted("P01"), seconds), abs=0.02)
    slider = float(shown.value("document.querySelector('.player input[type=range]').value"))
    assert slider == pytest.approx(seconds, abs=0.1)
    cursors = shown.value(
        "[...document.querySelectorAll('.player .cursor')].map((line) => line.getAttribute('x1'))"
    )
    assert len(cursors) == 1 + 2 + 2  # waveform, and the regions of both checkpoints
    assert [float(x) for x in cursors] == pytest.approx([1000 * seconds / SECONDS] * 5, abs=5)
    spoken = shown.value(
        "document.querySelector('.player input[type=range]').getAttribute('aria-valuetext')"
    )
    assert re.match(rf"{round(seconds)} seconds: late language [+−]", spoken)
    asked = [url for url in shown.asked()[before:] if "/gradio_api/" in url]
    assert [url for url in asked if not url.endswith("sound.wav")] == []


@needs_browser
def test_the_page_says_whose_brain_what_to_trust_and_why_there_is_no_cortex(shown):
    text = shown.value("document.querySelector('.player').textContent")
    text = " ".join(text.split())
    for part in (
        "P01's brain: 4 of 9 recorded voxels",
        "a model's prediction: nobody was scanned",
        "2 to 8 s before it",
        "In the first 4 s (grey) the model has less sound",
        "0.50 of what the noise ceiling allows in story 'repeated'",
        "Drawn pale, since the model predicts nothing reliable here: 0.05",
        "is not known: it was not measured",
        "No cortex is drawn: this checkpoint does not say which vertices",
    ):
        assert part in text
    pale = shown.value("[...document.querySelectorAll('.pale h4')].map((one) => one.innerText)")
    assert pale == ["early auditory (1 voxels)"]
    assert shown.value("document.querySelectorAll('.js-plotly-plot').length") == 1


@needs_browser
def test_another_participant_is_shown_of_the_same_sound(shown, predicted):
    shown.value("document.querySelector('input[type=radio][value=P02]').click()")
    shown.wait_for("document.querySelector('.player h3').innerText.includes('P02')", 120)
    shown.wait_for(f"{READY}.ready", 120)
    move_to(shown, MOMENT)
    assert intensities(shown) == pytest.approx(expected(predicted("P02"), MOMENT), abs=1 / 127)


@needs_browser
def test_the_viewer_and_where_it_looks_from_outlive_a_sound(shown):
    kept = "document.querySelector('.js-plotly-plot')"
    seen = f"['scene', 'scene2'].map((name) => {kept}._fullLayout[name].camera.eye.z)"
    shown.value(f"{kept}.marked = true")
    shown.value("document.querySelector('[data-view=above]').click()")
    shown.wait_for(f"{seen}.every((z) => z > 1)", 60)
    shown.value("document.querySelector('input[type=radio][value=P01]').click()")
    shown.wait_for("document.querySelector('.player h3').innerText.includes('P01')", 120)
    shown.wait_for(f"{READY}.ready", 120)
    assert shown.value(f"{kept}.marked") and shown.value(f"{seen}.every((z) => z > 1)")
    shown.value("document.querySelector('input[type=radio][value=P02]').click()")
    shown.wait_for("document.querySelector('.player h3').innerText.includes('P02')", 120)
    shown.wait_for(f"{READY}.ready", 120)


@needs_browser
def test_what_is_taken_home_comes_over_the_wire(shown):
    shown.value(
        "[...document.querySelectorAll('button')]"
        ".find((button) => button.innerText === 'Make files to take home').click()"
    )
    shown.wait_for("document.querySelectorAll('#taken a').length > 7", 200)
    links = shown.value("[...document.querySelectorAll('#taken a')].map((link) => link.innerText)")
    ends = [".py", "-regions.csv", ".nii.gz", "_hemi-L.func.gii", "_hemi-R.func.gii", ".gif"]
    assert links == [f"story-P02{end}" for end in ends] + [
        "story-P03.py",
        "story-P03-regions.csv",
    ]
    table = shown.value(
        "fetch(document.querySelectorAll('#taken a')[1].href).then((answer) => answer.text())"
    )
    assert table.splitlines()[0] == "seconds,late_language,early_auditory"
    assert len(table.splitlines()) == 1 + 11


@needs_browser
def test_nothing_is_asked_of_another_host_and_nothing_is_complained_of(shown, server):
    strangers = [url for url in shown.asked() if not url.startswith(f"{server[0]}/")]
    assert strangers == []
    assert shown.complaints() == []


@needs_browser
@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_the_screen(shown, width):
    shown.show(width)
    shown.wait_for(f"innerWidth === {width}")
    assert shown.wait_for("document.documentElement.scrollWidth") <= width
    plot = "document.querySelector('.js-plotly-plot').getBoundingClientRect()"
    assert 0.5 * width / 2 < shown.value(f"{plot}.width") <= width
    shown.show(1280)


@needs_browser
def test_every_control_has_a_name_that_is_read_aloud(shown):
    nodes = shown.send("Accessibility.getFullAXTree")["nodes"]
    controls = {"button", "slider", "combobox", "listbox", "link", "textbox"}
    found = [node for node in nodes if node.get("role", {}).get("value") in controls]
    names = [node.get("name", {}).get("value", "") for node in found]
    assert all(names), [node for node, name in zip(found, names, strict=True) if not name]
    for name in ("Play", "Time in the sound", "From the middle", "Turn left", "Hear example"):
        assert name in names, names
    unreachable = shown.value(
        "[...document.querySelectorAll('.player button, .player input, #taken a')]"
        ".filter((control) => control.tabIndex < 0).length"
    )
    assert unreachable == 0


@needs_browser
def test_every_control_is_reached_by_the_keyboard(shown):
    shown.value("document.activeElement.blur()")
    reached, keys = set(), {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
    for _ in range(80):
        for kind in ("keyDown", "keyUp"):
            shown.send("Input.dispatchKeyEvent", type=kind, **keys)
        reached.add(
            shown.value(
                "{ const at = document.activeElement;"
                "at.type === 'radio' ? at.value : at.ariaLabel ?? at.innerText.trim(); }"
            )
        )
    files = {"story-P02.py", "story-P03-regions.csv"}
    views = {"From the side", "From the middle", "From above", "Turn left", "Turn right"}
    taking = {"Hear example", "Make files to take home", "Upload file", "Record audio"}
    assert reached >= {"Play", "Time in the sound", "P02", *views, *taking, *files}, reached


@needs_browser
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("silence.wav", "nothing to hear"),
        ("text.wav", "not a sound that can be read"),
        ("hour.flac", "a sound may last 10 minutes, got 60.0"),
        ("eight.wav", "8 channels were averaged"),
    ],
)
def test_what_cannot_be_heard_is_said_and_the_page_goes_on(shown, tmp_path, name, said):
    path = tmp_path / name
    if name == "silence.wav":
        soundfile.write(path, np.zeros(32000), 16000)
    elif name == "text.wav":
        path.write_text("words, not sound")
    elif name == "hour.flac":
        soundfile.write(path, np.zeros(3600 * 1000, np.int16), 1000)
    else:
        soundfile.write(path, np.tile(bursts(4.0, 4000)[:, None], 8), 4000)
    shown.give("input[type=file]", path)
    status = "document.querySelector('#status').innerText"
    shown.wait_for(f"{status}.includes('{name}')", 120)
    assert said in shown.value(status)
    is_alert = shown.value("!!document.querySelector('#status [role=alert]')")
    assert is_alert is (name != "eight.wav")
    shown.wait_for("!!document.querySelector('input[type=file]')", 60)


@needs_browser
def test_a_video_is_not_taken(shown, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(64))
    shown.give("input[type=file]", path)
    shown.wait_for("/invalid file type|not a sound/i.test(document.body.innerText)", 60)


@needs_browser
def test_a_machine_without_a_microphone_is_told_so(shown, server):
    shown.value("document.querySelector('button[aria-label=\"Record audio\"]').click()")
    shown.wait_for("/microphone/i.test(document.querySelector('.gradio-container').innerText)", 60)
    shown.value("document.querySelector('button[aria-label=\"Upload file\"]').click()")
    shown.wait_for("!!document.querySelector('input[type=file]')", 60)


BEEPING = ("--use-fake-device-for-media-stream",)  # a microphone that Chromium makes up


@pytest.fixture(scope="module")
def visitor(server, tmp_path_factory):
    """Somebody else, with a microphone, whose use the browser asks for."""
    with chromium.opened(tmp_path_factory.mktemp("profile"), *BEEPING) as tab:
        tab.show(1280)
        tab.open(server[0])
        tab.wait_for(f"document.querySelector('.player') && {READY}.seconds", 200)  # it is drawn
        yield tab


def record(tab, setting):
    """Ask for the microphone, which the visitor grants or denies."""
    microphone = {"name": "microphone"}
    tab.send("Browser.setPermission", permission=microphone, setting=setting)
    tab.value("document.querySelector('button[aria-label=\"Record audio\"]').click()")
    tab.wait_for("!!document.querySelector('button.record-button')", 60)
    tab.value("document.querySelector('button.record-button').click()")


@needs_browser
def test_what_is_said_into_a_microphone_is_shown(visitor):
    record(visitor, "granted")
    time.sleep(TR)  # of sound
    visitor.value("document.querySelector('button.stop-button').click()")
    visitor.wait_for(f"document.querySelector('.player') && {READY}.ready", 200)
    assert visitor.complaints() == []


@needs_browser
def test_a_refused_microphone_is_said_and_the_page_goes_on(visitor, folder):
    before = visitor.value(f"{READY}.ready") or ""
    record(visitor, "denied")
    visitor.wait_for("/does not let this page use a microphone/.test(document.body.innerText)", 60)
    visitor.value("document.querySelector('button[aria-label=\"Upload file\"]').click()")
    visitor.wait_for("!!document.querySelector('input[type=file]')", 60)
    visitor.give("input[type=file]", folder / "story.wav")
    visitor.wait_for(f"({READY}.ready ?? '{before}') !== '{before}'", 200)


@needs_browser
def test_a_second_visitor_waits_in_the_queue_and_gets_what_is_theirs(shown, visitor, tmp_path):
    """Even if what they ask for is something else."""
    seconds = {"long": 600.0, "example": 8.0}
    soundfile.write(tmp_path / "long.wav", bursts(seconds["long"]), 16000)
    shown.give("input[type=file]", tmp_path / "long.wav")
    shown.wait_for("/predicting/.test(document.body.innerText)", 60)
    visitor.value(HEAR_EXAMPLE)
    visitor.wait_for("/queue: *[0-9]/.test(document.body.innerText)", 60)
    for tab, name in ((shown, "long"), (visitor, "example")):
        status = "document.querySelector('#status').innerText"
        tab.wait_for(f"{status}.includes('{name}.wav: {seconds[name]:.1f} s')", 200)
        tab.wait_for(
            f"document.querySelector('.player input[type=range]').max === '{seconds[name]:g}'", 120
        )


@needs_browser
def test_what_somebody_gave_who_left_the_queue_does_not_stay(shown, visitor, server, tmp_path):
    _, temporary = server
    soundfile.write(tmp_path / "long.wav", bursts(600.0), 16000)
    soundfile.write(tmp_path / "unheard.wav", bursts(4.0), 16000)
    shown.give("input[type=file]", tmp_path / "long.wav")
    shown.wait_for("/predicting/.test(document.body.innerText)", 60)
    visitor.give("input[type=file]", tmp_path / "unheard.wav")
    visitor.wait_for("/queue: *[0-9]/.test(document.body.innerText)", 60)
    assert "unheard.wav" in stored(temporary)
    visitor.open("about:blank")
    until = time.monotonic() + 60
    while "unheard.wav" in stored(temporary) and time.monotonic() < until:
        time.sleep(0.1)
    assert "unheard.wav" not in stored(temporary)


@needs_browser
def test_an_example_is_heard_after_all_that(shown):
    shown.value(HEAR_EXAMPLE)
    shown.wait_for(
        "document.querySelector('#status').innerText.includes('example.wav: 8.0 s')", 120
    )
    shown.wait_for("document.querySelector('.player input[type=range]').max === '8'", 120)
    shown.wait_for(f"{READY}.ready", 120)


@needs_browser
def test_nothing_of_a_visitor_stays_once_the_page_is_closed(shown, server):
    _, temporary = server
    assert {"sound.wav", "prediction.json"} <= stored(temporary)
    assert "story.wav" not in stored(temporary)  # what was given is gone once it is read
    shown.open("about:blank")
    until = time.monotonic() + 60
    while stored(temporary) and time.monotonic() < until:
        time.sleep(0.2)
    assert stored(temporary) == set()
