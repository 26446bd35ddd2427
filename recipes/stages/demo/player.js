// Plays a sound and what is predicted of it. Gradio calls this once, with the component's `element`
// and `props`, and `watch` tells when its value, the address of a prediction, has changed. All
// volumes are here then: playing asks the server for nothing.

const NOWHERE = 65535; // in place of a vertex or a column
const ANSWERED = [2, 8]; // seconds before the playhead that its response mostly answers
const FRAME = 80; // ms between two pictures, at least
// Where the left hemisphere is seen from, and what is up then; the right one is seen in a mirror.
const VIEWS = {
  lateral: { eye: [-1.2, 0, 0.1], up: [0, 0, 1] },
  medial: { eye: [1.2, 0, 0.1], up: [0, 0, 1] },
  above: { eye: [0, 0, 1.2], up: [1, 0, 0] },
};
const SIZE = 1.7; // of a hemisphere, as a share of what the viewer makes it
const TYPES = { float32: Float32Array, uint16: Uint16Array, uint8: Uint8Array, int8: Int8Array };
const SVG = "http://www.w3.org/2000/svg";

const player = element.querySelector(".player");
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const [audio, slider, play] = ["audio", "slider", "play"].map(part);
let surface = null; // what all checkpoints share
const plots = []; // of each checkpoint: a viewer takes long to make, so it is kept
let shown = null; // { content, columns }
let latest = 0; // number of what was asked to be shown
let cameras = {}; // where both hemispheres are seen from, once somebody has turned them
let cursors = [];
let lastDrawn = 0;
let pending = 0;

function decoded({ type, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return new TYPES[type](bytes.buffer);
}

function make(parent, tag, attributes = {}, text = "") {
  const made = tag === "svg" || parent.namespaceURI === SVG
    ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return parent.appendChild(made);
}

async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

const minutes = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const signed = (value) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(2);

// --- the surface ---------------------------------------------------------------------------------

async function loadSurface() {
  const told = await fetched(props.surface);
  surface = {
    places: decoded(told.places),
    faces: decoded(told.faces),
    greys: decoded(told.greys),
    nLeft: told.n_left,
    colours: decoded(told.colours),
    flat: { ...told.flat, vertices: decoded(told.flat.vertices) },
  };
}

// Give a corner without a voxel that of its face's other two, so that patches end between vertices.
function filled(columns) {
  const { faces } = surface;
  const found = columns.slice();
  for (let at = 0; at < faces.length; at += 3) {
    const face = faces.slice(at, at + 3);
    const missing = face.filter((vertex) => columns[vertex] === NOWHERE);
    if (missing.length === 1) {
      found[missing[0]] = columns[face.find((vertex) => vertex !== missing[0])];
    }
  }
  return found;
}

// Traces of both hemispheres: of each the faces where nothing is predicted, and the others.
function traces(columns) {
  const { places, faces, greys, nLeft } = surface;
  const found = [];
  const scale = [];
  for (let step = 0; step < 256; step += 5) {
    scale.push([step / 255, `rgb(${surface.colours.slice(3 * step, 3 * step + 3).join(",")})`]);
  }
  for (const side of ["left", "right"]) {
    const [first, end] = side === "left" ? [0, nLeft] : [nLeft, greys.length];
    const corners = { grey: [[], [], []], coloured: [[], [], []] };
    for (let at = 0; at < faces.length; at += 3) {
      if (faces[at] < first || faces[at] >= end) continue;
      const face = faces.slice(at, at + 3);
      const missing = face.filter((vertex) => columns[vertex] === NOWHERE).length;
      const kind = missing > 1 ? "grey" : "coloured";
      face.forEach((vertex, corner) => corners[kind][corner].push(vertex - first));
    }
    const axis = (offset) => Array.from({ length: end - first }, (_, vertex) =>
      places[3 * (first + vertex) + offset]);
    for (const kind of ["grey", "coloured"]) {
      const [i, j, k] = corners[kind];
      if (!i.length) continue;
      const isGrey = kind === "grey";
      found.push({
        type: "mesh3d", name: `${side} ${kind}`, scene: side === "left" ? "scene" : "scene2",
        x: axis(0), y: axis(1), z: axis(2), i, j, k, showscale: false, hoverinfo: "skip",
        intensity: isGrey ? Array.from(greys.slice(first, end)) : [],
        colorscale: isGrey ? [[0, "#000"], [1, "#fff"]] : scale,
        cmin: isGrey ? 0 : -1, cmax: 1,
        lighting: { ambient: 0.8, diffuse: 0.45, specular: 0.03, roughness: 0.9, fresnel: 0.01 },
        lightposition: { x: side === "left" ? -3000 : 3000, y: 0, z: 1500 },
      });
    }
  }
  return found;
}

function camera(view, side) {
  const mirror = side === "left" ? 1 : -1;
  const [eye, up] = [VIEWS[view].eye, VIEWS[view].up].map(([x, y, z]) => ({ x: mirror * x, y, z }));
  return { eye, up, center: { x: 0, y: 0, z: 0 }, projection: { type: "orthographic" } };
}

function scene(side, domain) {
  const { places, nLeft } = surface;
  const seen = cameras[side === "left" ? "scene.camera" : "scene2.camera"] ?? camera("lateral", side);
  const axes = { dragmode: "orbit", camera: seen, domain: { x: domain, y: [0, 1] } };
  const [first, end] = side === "left" ? [0, nLeft] : [nLeft, places.length / 3];
  const ranges = [0, 1, 2].map((axis) => {
    let [low, high] = [Infinity, -Infinity];
    for (let vertex = first; vertex < end; vertex += 1) {
      low = Math.min(low, places[3 * vertex + axis]);
      high = Math.max(high, places[3 * vertex + axis]);
    }
    return high - low;
  });
  const unit = Math.cbrt(ranges[0] * ranges[1] * ranges[2]) / SIZE;
  axes.aspectmode = "manual";
  axes.aspectratio = { x: ranges[0] / unit, y: ranges[1] / unit, z: ranges[2] / unit };
  for (const axis of ["xaxis", "yaxis", "zaxis"]) axes[axis] = { visible: false, showspikes: false };
  return axes;
}

async function drawCortex(column, intensityOf) {
  const layout = {
    margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    scene: scene("left", [0, 0.5]), scene2: scene("right", [0.5, 1]), uirevision: "kept",
  };
  const drawn = traces(column.columns);
  column.coloured = drawn.map(({ name }) => name).flatMap((name, at) =>
    name.endsWith("coloured") ? [{ at, isLeft: name.startsWith("left") }] : []);
  for (const one of column.coloured) drawn[one.at].intensity = intensityOf(one);
  const isNew = !column.plot.data;
  await Plotly.react(column.plot, drawn, layout,
    { displayModeBar: false, responsive: true, scrollZoom: false });
  for (const event of isNew ? ["plotly_relayouting", "plotly_relayout"] : []) {
    column.plot.on(event, (change) => follow(column.plot, change));
  }
}

// All checkpoints are seen from one side.
let following = 0;
function follow(from, change) {
  if (following) return;
  const turned = Object.fromEntries(["scene", "scene2"]
    .map((name) => [`${name}.camera`, change[`${name}.camera`]]).filter(([, found]) => found));
  if (Object.keys(turned).length) look(turned, from);
}

async function look(turned, but = null) {
  following += 1;
  cameras = { ...cameras, ...turned };
  const others = plots.filter((plot) => plot !== but);
  await Promise.all(others.map((plot) => Plotly.relayout(plot, turned)))
    .finally(() => { following -= 1; });
}

function turn(degrees) {
  const angle = (degrees * Math.PI) / 180;
  const plot = plots.find((found) => found);
  const turned = {};
  for (const name of ["scene", "scene2"]) {
    const now = plot._fullLayout[name].camera;
    const { x, y, z } = now.eye;
    turned[`${name}.camera`] = { ...now, eye: {
      x: x * Math.cos(angle) - y * Math.sin(angle), y: x * Math.sin(angle) + y * Math.cos(angle), z,
    } };
  }
  return look(turned);
}

// --- one moment ----------------------------------------------------------------------------------

// The two volumes around a time, whose middles are half a TR after they begin, and the second's share.
function volumes(seconds, { tr, n_trs }) {
  const at = Math.min(Math.max(seconds / tr - 0.5, 0), n_trs - 1);
  const before = Math.floor(at);
  return [before, Math.min(before + 1, n_trs - 1), at - before];
}

function between(values, [before, after, share]) {
  return values[before] * (1 - share) + values[after] * share;
}

function paint(column, seconds) {
  const { told, columns, responses } = column;
  const [before, after, share] = volumes(seconds, told);
  const n = told.cortex.n_columns;
  const of = new Float32Array(n);
  for (let at = 0; at < n; at += 1) {
    of[at] = (responses[before * n + at] * (1 - share) + responses[after * n + at] * share) / 127;
  }
  const left = new Array(surface.nLeft);
  const right = new Array(columns.length - surface.nLeft);
  column.filled.forEach((found, vertex) => {
    const value = found === NOWHERE ? 0 : of[found];
    if (vertex < surface.nLeft) left[vertex] = value;
    else right[vertex - surface.nLeft] = value;
  });
  paintFlat(column, of);
  const intensityOf = ({ isLeft }) => (isLeft ? left : right);
  if (!column.made) return (column.made = drawCortex(column, intensityOf));
  return column.made.then(() => shown?.columns.includes(column) && Plotly.restyle(column.plot,
    { intensity: column.coloured.map(intensityOf) }, column.coloured.map(({ at }) => at)));
}

function paintFlat({ flat, columns }, of) {
  const { vertices, width, height } = surface.flat;
  const pixels = flat.createImageData(width, height);
  vertices.forEach((vertex, at) => {
    if (vertex === NOWHERE) return;
    const column = columns[vertex];
    if (column === NOWHERE) {
      pixels.data.fill(255 * surface.greys[vertex], 4 * at, 4 * at + 3);
    } else {
      const step = 3 * Math.round(127.5 * (1 + of[column]));
      for (let c = 0; c < 3; c += 1) pixels.data[4 * at + c] = surface.colours[step + c];
    }
    pixels.data[4 * at + 3] = 255;
  });
  flat.putImageData(pixels, 0, 0);
}

async function draw() {
  pending = 0;
  if (!shown) return;
  const began = performance.now();
  const seconds = shown.content.sound ? audio.currentTime : 0;
  if (shown.content.sound) place(seconds);
  await Promise.all(shown.columns.filter((column) => column.plot).map((column) => paint(column, seconds)));
  player.dataset.seconds = seconds; // what the picture is of
  lastDrawn = performance.now();
  // A slow machine gets fewer pictures, and half of its time for all else.
  if (!audio.paused && !pending) pending = setTimeout(() => requestAnimationFrame(draw),
    Math.max(FRAME, 2 * (lastDrawn - began)));
}

function place(seconds) {
  const { content } = shown;
  const all = content.sound.seconds;
  if (document.activeElement !== slider || !audio.paused) slider.value = seconds;
  part("clock").textContent = `${minutes(seconds)} / ${minutes(all)}`;
  const now = shown.columns.map(({ told }) => told.regions.map((region) =>
    `${region.name} ${signed(between(region.values, volumes(seconds, told)))}`).join(", "));
  slider.setAttribute("aria-valuetext", `${Math.round(seconds)} seconds: ${now.join("; ")}`);
  const x = (1000 * seconds) / all;
  for (const cursor of cursors) { cursor.setAttribute("x1", x); cursor.setAttribute("x2", x); }
  const [from, to] = ANSWERED.map((back) => Math.max(0, (1000 * (seconds - back)) / all));
  shown.answered.setAttribute("x", to);
  shown.answered.setAttribute("width", from - to);
}

// --- what stands still ---------------------------------------------------------------------------

function graph(parent, attributes, told = null) {
  const made = make(parent, "svg", { preserveAspectRatio: "none", "aria-hidden": "true", ...attributes });
  const [, , , height] = attributes.viewBox.split(" ");
  if (told) unready(made, told, height);
  made.addEventListener("pointerdown", (event) => {
    const move = (to) => {
      const { left, width } = made.getBoundingClientRect();
      seek(((to.clientX - left) / width) * shown.content.sound.seconds);
    };
    move(event);
    made.setPointerCapture(event.pointerId);
    made.onpointermove = move;
    made.onpointerup = made.onpointercancel = () => { made.onpointermove = null; };
  });
  return made;
}

function unready(svg, told, height) {
  const width = (1000 * Math.min(told.context, told.seconds)) / told.seconds;
  make(svg, "rect", { class: "unready", x: 0, y: 0, width, height });
}

function addCursor(svg, height) {
  cursors.push(make(svg, "line", { class: "cursor", x1: 0, x2: 0, y1: 0, y2: height }));
}

function drawWave({ sound }) {
  const wave = part("wave");
  wave.replaceChildren();
  const width = 1000 / sound.peaks.length;
  const answered = make(wave, "rect", { class: "answered", x: 0, y: 0, width: 0, height: 60 });
  const path = sound.peaks.map((peak, at) => {
    const high = Math.max(0.6, 28 * peak);
    return `M${(at * width).toFixed(2)} ${30 - high}h${(0.7 * width).toFixed(2)}v${2 * high}h${(-0.7 * width).toFixed(2)}z`;
  });
  make(wave, "path", { d: path.join("") });
  addCursor(wave, 60);
  return answered;
}

function drawCourse(parent, region, told, highest, seconds) {
  const block = make(parent, "div", { class: region.trusted === false ? "region pale" : "region" });
  const title = make(block, "h4");
  make(title, "span", { class: "swatch", style: `background:${region.colour}` });
  make(title, "span", {}, `${region.name} (${region.voxels} voxels)`);
  const frame = make(block, "div", { class: "frame" });
  make(frame, "span", { class: "top" }, signed(highest));
  make(frame, "span", { class: "bottom" }, signed(-highest));
  const svg = graph(frame, { class: "course", viewBox: "0 0 1000 100" }, { ...told, seconds });
  make(svg, "line", { class: "zero", x1: 0, x2: 1000, y1: 50, y2: 50 });
  const points = region.values.map((value, at) =>
    `${((1000 * (at + 0.5) * told.tr) / seconds).toFixed(1)},${(50 - (45 * value) / highest).toFixed(1)}`);
  make(svg, "polyline", { points: points.join(" "), stroke: region.colour });
  addCursor(svg, 100);
  make(block, "p", { class: "quiet" }, `${region.said[0].toUpperCase()}${region.said.slice(1)}.`);
}

function drawColumn(told, content, at) {
  const column = make(part("columns"), "div", { class: "column" });
  make(column, "h3", {}, `${told.label} \u00b7 ${told.participant}`);
  make(column, "p", { class: "quiet" }, told.about);
  const drawn = { told };
  if (told.cortex) {
    const both = make(column, "div", { class: "shown" });
    drawn.columns = decoded(told.cortex.columns);
    drawn.filled = filled(drawn.columns);
    drawn.responses = decoded(told.cortex.responses);
    drawn.plot = plots[at] ??= make(both, "div", { class: "cortex", role: "img" });
    drawn.plot.ariaLabel = `Inflated cortex of ${told.participant}, both hemispheres, ${content.sound
      ? "in the colours of the predicted response" : "for which nothing is predicted yet"}`;
    both.append(drawn.plot);
    const flat = make(both, "div", { class: "flat", role: "img",
      "aria-label": `Flat map of the same, with the outlines of ${told.cortex.outlines.map((one) => one.name).join(" and ")}` });
    const { width, height } = surface.flat;
    drawn.flat = make(flat, "canvas", { width, height }).getContext("2d");
    const over = make(flat, "svg", { viewBox: `0 0 ${width} ${height}` });
    for (const { path, colour } of told.cortex.outlines) {
      make(over, "path", { d: path, stroke: "#fff", "stroke-width": 2.6 });
      make(over, "path", { d: path, stroke: colour, "stroke-width": 1.3 });
    }
  } else {
    make(column, "p", {}, told.why);
  }
  const courses = make(column, "div", { class: "column" });
  for (const region of told.regions) {
    drawCourse(courses, region, told, content.highest, content.sound.seconds);
  }
  return drawn;
}

function drawKey(content) {
  const scale = part("scale").getContext("2d");
  const pixels = scale.createImageData(256, 1);
  for (let at = 0; at < 256; at += 1) {
    pixels.data.set([...surface.colours.slice(3 * at, 3 * at + 3), 255], 4 * at);
  }
  scale.putImageData(pixels, 0, 0);
  part("low").textContent = signed(-content.limit);
  part("high").textContent = signed(content.limit);
}

async function show(url) {
  latest += 1;
  const mine = latest;
  audio.pause();
  shown = null;
  player.hidden = true;
  delete player.dataset.ready;
  if (!url) return;
  const [content] = await Promise.all([fetched(url), surface ? null : loadSurface()]);
  if (mine !== latest) return; // something else is to be shown by now
  part("columns").replaceChildren();
  part("columns").classList.toggle("alone", content.checkpoints.length === 1);
  cursors = [];
  player.hidden = false;
  player.classList.toggle("waiting", !content.sound);
  const answered = content.sound ? drawWave(content) : null;
  const columns = content.checkpoints.map((told, at) => drawColumn(told, content, at));
  shown = { content, answered, columns };
  const placed = shown.columns.filter((column) => column.plot);
  part("views").hidden = part("key").hidden = !placed.length;
  drawKey(content);
  part("problem").textContent = "";
  if (!content.sound) return draw();
  const context = Math.max(...content.checkpoints.map((told) => told.context));
  part("context").textContent = context
    ? `In the first ${context} s (grey) the model has less sound before it than it was tuned with.` : "";
  slider.max = content.sound.seconds;
  audio.src = new URL(content.sound.file, new URL(url, document.baseURI));
  await draw();
  if (mine === latest) player.dataset.ready = url;
}

// --- one playhead --------------------------------------------------------------------------------

function seek(seconds) {
  if (!shown?.content.sound) return;
  audio.currentTime = Math.min(Math.max(seconds, 0), shown.content.sound.seconds);
  place(audio.currentTime);
}

function redraw() {
  if (!pending) pending = setTimeout(() => requestAnimationFrame(draw), FRAME);
}

play.addEventListener("click", () => (audio.paused ? audio.play() : audio.pause()));
slider.addEventListener("input", () => seek(Number(slider.value)));
for (const name of ["seeked", "play", "pause", "ended"]) audio.addEventListener(name, redraw);
for (const name of ["play", "pause", "ended"]) {
  audio.addEventListener(name, () => { play.textContent = audio.paused ? "Play" : "Pause"; });
}
part("wave").addEventListener("pointerdown", (event) => {
  const { left, width } = part("wave").getBoundingClientRect();
  seek(((event.clientX - left) / width) * (shown?.content.sound.seconds ?? 0));
});
part("views").addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  if (button.dataset.turn) { turn(Number(button.dataset.turn)); return; }
  const { view } = button.dataset;
  for (const other of part("views").querySelectorAll("[data-view]")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
  look({ "scene.camera": camera(view, "left"), "scene2.camera": camera(view, "right") });
});
const tell = (error) => {
  part("problem").textContent = `The page cannot show this: ${error.message}.`;
  console.error(error);
};
watch("value", () => show(props.value).catch(tell));
if (props.value) show(props.value).catch(tell);
