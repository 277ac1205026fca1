// The stage: a picture with a map over it, outlines, legend, and what is under the pointer.

import { colorNumber, colorTable, readable, signed, tickText, ticks } from "./colors.js";
import { isReady, rank } from "./data.js";
import { el, sized } from "./dom.js";

const SOURCE = "#ff9500";
const SEAM = "#1a1a1a";

export function colorMapOf(state) {
  if (state.view === "difference") return "RdBu_r";
  return colorsOf(state.map);
}

export function colorsOf(map) {
  return map.startsWith("attention") ? "cividis" : "viridis";
}

export function paintBar(canvas, colorMap) {
  const context = canvas.getContext("2d");
  const table = colorTable(colorMap);
  for (let i = 0; i < 256; i += 1) {
    context.fillStyle = `rgb(${table[3 * i]} ${table[3 * i + 1]} ${table[3 * i + 2]})`;
    context.fillRect(i, 0, 1, 1);
  }
}

const scratch = document.createElement("canvas");

/** Draws values as cells over a rectangle; patches without a number are left out and hatched. */
export function drawCells(context, values, grid, scale, colorMap, box, opacity) {
  const [height, width] = grid;
  [scratch.width, scratch.height] = [width, height];
  const inner = scratch.getContext("2d");
  const pixels = inner.createImageData(width, height);
  const table = colorTable(colorMap);
  const missing = [];
  for (let i = 0; i < values.length; i += 1) {
    if (Number.isFinite(values[i])) {
      const place = 3 * colorNumber(values[i], scale);
      pixels.data.set([table[place], table[place + 1], table[place + 2], 255], 4 * i);
    } else missing.push(i);
  }
  inner.putImageData(pixels, 0, 0);
  context.save();
  context.imageSmoothingEnabled = false;
  context.globalAlpha = opacity;
  context.drawImage(scratch, box.x, box.y, box.width, box.height);
  context.restore();
  hatch(context, missing, grid, box);
}

function hatch(context, cells, [height, width], box) {
  const [w, h] = [box.width / width, box.height / height];
  for (const cell of cells) {
    const [x, y] = [box.x + (cell % width) * w, box.y + Math.floor(cell / width) * h];
    context.fillStyle = "#ffffff";
    context.fillRect(x, y, w, h);
    context.strokeStyle = "#6b6b6b";
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, y + h);
    context.lineTo(x + w, y);
    context.stroke();
  }
}

function sides(cells, [height, width], box, onlyBorder) {
  const inside = new Set(cells);
  const [w, h] = [box.width / width, box.height / height];
  const path = new Path2D();
  const side = (cell, isBeyond, x0, y0, x1, y1) => {
    if (onlyBorder && !isBeyond && inside.has(cell)) return;
    path.moveTo(box.x + x0 * w, box.y + y0 * h);
    path.lineTo(box.x + x1 * w, box.y + y1 * h);
  };
  for (const cell of inside) {
    const [row, col] = [Math.floor(cell / width), cell % width];
    side(cell - width, row === 0, col, row, col + 1, row);
    side(cell + width, row === height - 1, col, row + 1, col + 1, row + 1);
    side(cell - 1, col === 0, col, row, col, row + 1);
    side(cell + 1, col === width - 1, col + 1, row, col + 1, row + 1);
  }
  return path;
}

function twice(context, path, color, width, dashes) {
  context.lineCap = "square";
  context.setLineDash([]);
  [context.strokeStyle, context.lineWidth] = [SEAM, width + 1.6];
  context.stroke(path);
  context.lineCap = "butt";
  context.setLineDash(dashes);
  [context.strokeStyle, context.lineWidth] = [color, width];
  context.stroke(path);
  context.setLineDash([]);
}

export function drawOutlines(context, cells, grid, box) {
  const width = Math.max(1, Math.min(2.2, box.width / grid[1] / 12));
  if (!cells.sources.length) return;
  twice(context, sides([...cells.sources, ...cells.neighbors], grid, box, true), "#ffffff", width, [5, 4]);
  twice(context, sides(cells.sources, grid, box, false), SOURCE, width, []);
}

export class Stage {
  constructor(app, slot) {
    this.app = app;
    this.slot = slot;
    this.canvas = el("canvas", {
      class: "sl-canvas",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "patch map",
      "data-slot": slot,
      onpointermove: (event) => this.point(event),
      onpointerdown: (event) => this.point(event),
      onpointerleave: () => app.set({ cell: null }),
      onkeydown: (event) => this.key(event),
      onblur: () => app.set({ cell: null }),
    });
    this.frame = el("div", { class: "sl-frame" }, this.canvas);
    this.legend = el("div", { class: "sl-legend" });
    this.readout = el("div", { class: "sl-readout", role: "status", "aria-live": "polite" });
    this.element = el("figure", { class: "sl-stage" }, this.frame, this.legend, this.readout);
    this.host = this.element; // carries the proportions, for the layout around the stage
    new ResizeObserver(() => this.draw()).observe(this.frame);
  }

  show(card) {
    this.card = card;
    this.update();
  }

  update() {
    if (this.card === undefined) return;
    const { deck, state } = this.app;
    const [height, width] = deck.cards[this.card].grid;
    const image = deck.picture(this.card, () => this.draw());
    const isOver = deck.cards[this.card].overlay && isReady(image);
    const aspect = isOver ? image.naturalWidth / image.naturalHeight : width / height;
    this.host.style.setProperty("--sl-aspect", String(aspect));
    this.values = deck.shown(this.card, state);
    this.scale = deck.scale(this.app.shownCards(), state);
    const label = `${this.app.mapLabel()}, ${this.app.layerLabel(this.card)}, ${this.app.viewLabel()}`;
    this.canvas.setAttribute(
      "aria-label",
      `${deck.cards[this.card].title}: ${label}; ${height} by ${width} patches. Arrow keys read single patches.`,
    );
    this.drawLegend();
    this.draw();
    this.read();
  }

  draw() {
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    if (this.card === undefined || !width || !height) return;
    const { deck, state } = this.app;
    const { grid, overlay } = deck.cards[this.card];
    const image = deck.picture(this.card);
    const context = sized(this.canvas, width, height);
    const box = { x: 0, y: 0, width, height };
    const isOver = overlay && isReady(image);
    const aspect = isOver ? image.naturalWidth / image.naturalHeight : grid[1] / grid[0];
    if (this.host.style.getPropertyValue("--sl-aspect") !== String(aspect)) {
      this.host.style.setProperty("--sl-aspect", String(aspect)); // the observer draws again
    }
    if (isOver) context.drawImage(image, 0, 0, width, height);
    if (this.values) {
      drawCells(context, this.values, grid, this.scale, colorMapOf(state), box, isOver ? state.opacity : 1);
    }
    if (state.outlines) drawOutlines(context, deck.cells(this.card, state.condition), grid, box);
    if (state.cell) this.drawCursor(context, state.cell, grid, box);
  }

  drawCursor(context, [row, col], [height, width], box) {
    if (row >= height || col >= width) return;
    const [w, h] = [box.width / width, box.height / height];
    context.strokeStyle = "#000000";
    context.lineWidth = 4;
    context.strokeRect(col * w, row * h, w, h);
    context.strokeStyle = "#ffffff";
    context.lineWidth = 2;
    context.strokeRect(col * w, row * h, w, h);
  }

  drawLegend() {
    const { state } = this.app;
    const { low, high, isCut } = this.scale;
    const bar = el("canvas", { class: "sl-bar", width: 256, height: 1, "aria-hidden": "true" });
    paintBar(bar, colorMapOf(state));
    const marks = el("div", { class: "sl-ticks" });
    const { step, values } = ticks(low, high, 6);
    for (const value of values) {
      const mark = el("span", { class: "sl-tick" }, tickText(value, step));
      mark.style.left = `${(100 * (value - low)) / (high - low)}%`;
      marks.append(mark);
    }
    const cut = isCut[0] || isCut[1] ? "; values beyond the ends take the end colors" : "";
    const caption = el("div", { class: "sl-legend-title" }, this.app.legendTitle() + cut);
    const ends = [isCut[0] ? "◀" : "", isCut[1] ? "▶" : ""].map((sign) => el("span", { class: "sl-end" }, sign));
    this.legend.replaceChildren(caption, el("div", { class: "sl-bar-row" }, ends[0], bar, ends[1]), marks);
    this.legend.dataset.low = String(low);
    this.legend.dataset.high = String(high);
  }

  point(event) {
    const [height, width] = this.app.deck.cards[this.card].grid;
    const box = this.canvas.getBoundingClientRect();
    const col = Math.floor(((event.clientX - box.left) / box.width) * width);
    const row = Math.floor(((event.clientY - box.top) / box.height) * height);
    const isInside = row >= 0 && row < height && col >= 0 && col < width;
    this.app.set({ cell: isInside ? [row, col] : null });
  }

  key(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const [height, width] = this.app.deck.cards[this.card].grid;
    const [row, col] = this.app.state.cell ?? [step[0] < 0 ? height : -step[0], step[1] < 0 ? width : -step[1]];
    const to = (value, size) => Math.max(0, Math.min(size - 1, value));
    this.app.set({ cell: [to(row + step[0], height), to(col + step[1], width)] });
    event.preventDefault();
    event.stopPropagation();
  }

  updateCell() {
    this.draw();
    this.read();
  }

  /** Says what is under the pointer. */
  read() {
    const { deck, state } = this.app;
    const [height, width] = deck.cards[this.card].grid;
    const place = state.cell ? state.cell[0] * width + state.cell[1] : -1;
    if (!this.values) {
      this.readout.replaceChildren(`no ${state.view === "before" ? "" : `${state.view} `}map of this kind here`);
    } else if (!state.cell || state.cell[0] >= height || state.cell[1] >= width) {
      const isSame = state.view === "difference" && this.values.every((value) => value === 0);
      const hint = "point at a patch, or focus the map and use the arrow keys";
      this.readout.replaceChildren(isSame ? "no patch changes here" : hint);
    } else this.readout.replaceChildren(...this.fields(place, state.cell));
  }

  fields(place, [row, col]) {
    const { deck, state } = this.app;
    const field = (name, text, value) =>
      el("span", {}, `${name} `, el("b", { "data-field": name, "data-value": value }, text));
    const isChange = state.view === "difference";
    const value = this.values[place];
    const found = [
      field("row", String(row), row),
      field("column", String(col), col),
      field(isChange ? "change" : "value", isChange ? signed(value) : readable(value), value),
      field("rank", `${rank(this.values, place, isChange)} of ${this.values.length}`, rank(this.values, place, isChange)),
    ];
    for (const [name, pass] of [["before", 0], ["after", state.condition]]) {
      const values = deck.layerValues(this.card, pass, state.map, state.layer);
      if (values && state.view !== name) found.push(field(name, readable(values[place]), values[place]));
    }
    const cells = deck.cells(this.card, state.condition);
    if (cells.sources.includes(place)) found.push(el("span", { class: "sl-role" }, "source"));
    if (cells.neighbors.includes(place)) found.push(el("span", { class: "sl-role" }, "neighbor"));
    return found;
  }
}
