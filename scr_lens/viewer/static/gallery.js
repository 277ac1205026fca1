// The gallery: cards to sort and filter, of which only those in sight exist as elements.

import { probability, probabilityChange, readable } from "./colors.js";
import { isReady } from "./data.js";
import { button, el, select, sized } from "./dom.js";
import { ANSWERS, CHANGES, ORDERS, badges, countText, entropyOf } from "./filters.js";
import { colorsOf, drawCells, drawOutlines, paintBar } from "./stage.js";

const LEAST_WIDTH = 172;
const LEAST_ON_PHONE = 148;
const TEXT_HEIGHT = 92;
const GAP = 12;
const BEYOND = 2; // rows kept above and below what is in sight

export class Gallery {
  constructor(app) {
    this.app = app;
    this.made = new Map();
    this.active = 0;
    this.columns = 1;
    this.list = el("ul", { class: "sl-list", role: "list" });
    this.scroller = el("div", { class: "sl-scroller", tabindex: -1, onscroll: () => this.fill() }, this.list);
    this.legend = el("div", { class: "sl-small-legend" });
    this.count = el("p", { class: "sl-count", role: "status" });
    this.element = el("section", { class: "sl-gallery", "aria-label": "Gallery" }, this.toolbar(), el("div", { class: "sl-status" }, this.count, this.legend), this.scroller);
    this.element.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.lay()).observe(this.scroller);
  }

  toolbar() {
    const { app } = this;
    const filter = (name) => (value) => app.filter({ [name]: value });
    this.search = el("input", { type: "search", placeholder: "image, question …", oninput: () => filter("text")(this.search.value) });
    const search = el("label", { class: "sl-field" }, el("span", {}, "Search"), this.search);
    this.answer = select("Answer before", ANSWERS, filter("answer"));
    this.change = select("Effect", CHANGES, filter("change"));
    const conditions = app.deck.index.conditions.slice(1).map((name, k) => [k + 1, name]);
    this.condition = select("Method", conditions, (number) => app.set({ condition: Number(number) }));
    this.condition.element.hidden = conditions.length < 2;
    this.order = select("Sort by", ORDERS, (by) => app.sort({ by }));
    this.direction = button("", () => app.sort({ isDown: !app.sorting.isDown }), { class: "sl-button sl-direction" });
    const maps = app.deck.index.maps.filter(({ id }) => app.deck.cards.some((card) => entropyOf(card, id) !== null));
    this.entropy = select("Entropy of", maps.map(({ id, label }) => [id, label]), (map) => app.filter({ entropyMap: map }));
    this.bounds = ["least", "most"].map((end) => this.bound(end));
    const pictures = [["picture", "picture"], ...app.deck.index.maps.map(({ id, label }) => [id, label])];
    this.thumbs = select("Cards show", pictures, (thumb) => app.set({ thumb }));
    const isLabeled = app.deck.cards.some((card) => card.label !== null);
    this.answer.element.hidden = !isLabeled;
    return el(
      "div",
      { class: "sl-toolbar", role: "search", "aria-label": "Sort and filter" },
      search, this.answer.element, this.change.element, this.condition.element,
      el("div", { class: "sl-joined" }, this.order.element, this.direction),
      this.entropy.element, el("div", { class: "sl-joined" }, ...this.bounds.map(({ element }) => element)), this.thumbs.element,
    );
  }

  bound(end) {
    const name = end === "least" ? "at least" : "at most";
    const change = () => this.app.filter({ [end]: input.value === "" ? null : Number(input.value) });
    const input = el("input", { type: "number", step: "any", min: 0, max: 1, "aria-label": `entropy ${name}`, oninput: change });
    return { input, element: el("label", { class: "sl-field sl-bound" }, el("span", {}, name), input) };
  }

  update(changed) {
    const { app } = this;
    const { sorting, filters, state } = app;
    this.answer.update(filters.answer);
    this.change.update(filters.change);
    this.condition.update(String(state.condition));
    this.order.update(sorting.by);
    this.direction.textContent = sorting.isDown ? "↓" : "↑";
    this.direction.setAttribute("aria-label", sorting.isDown ? "descending; switch to ascending" : "ascending; switch to descending");
    this.entropy.update(filters.entropyMap);
    this.thumbs.update(state.thumb);
    const known = app.deck.cards.map((card) => entropyOf(card, filters.entropyMap)).filter((value) => value !== null);
    const ends = [Math.min(...known), Math.max(...known)];
    this.bounds.forEach(({ input }, k) => (input.placeholder = known.length ? ends[k].toFixed(4) : ""));
    this.count.textContent = countText(app.deck.cards, app.order(), app.deck.cards.length, state.condition);
    this.showLegend();
    if (changed.size === 0 || changed.has("arrangement")) {
      this.active = Math.max(0, app.order().indexOf(state.card));
      this.scroller.scrollTop = 0;
    }
    for (const element of this.made.values()) element.remove();
    this.made.clear();
    this.lay();
  }

  /** The color scale that all cards share; values of a few cards may lie beyond its ends. */
  showLegend() {
    const { state } = this.app;
    this.legend.hidden = state.thumb === "picture";
    if (this.legend.hidden) return;
    const { unit } = this.app.deck.index.maps.find(({ id }) => id === state.thumb);
    const { low, high } = this.scale();
    const bar = el("canvas", { class: "sl-small-bar", width: 256, height: 1, "aria-hidden": "true" });
    paintBar(bar, colorsOf(state.thumb));
    const [first, last] = [low, high].map((value) => readable(value, 3));
    this.legend.replaceChildren(first, bar, last, el("span", {}, `${unit} before, one scale for all cards; at least 90 % of them stay within it`));
  }

  /** One scale for all cards' maps, from their stored ranges: nothing has to be decoded for it. */
  scale() {
    const { deck, state } = this.app;
    const spans = deck.cards.map((card, number) => [card.ranges[state.thumb], deck.layerOf(number, state.thumb, state.layer)]);
    const ends = (end) => spans.filter(([span]) => span).map(([span, layer]) => span[end][layer]).sort((a, b) => a - b);
    const [lows, highs] = [ends(0), ends(1)];
    const low = lows[Math.floor(0.05 * (lows.length - 1))] ?? 0;
    const high = highs[Math.ceil(0.95 * (highs.length - 1))] ?? 1;
    return low < high ? { low, high } : { low, high: low + 1 };
  }

  /** Fits columns to the width and makes room for all rows. */
  lay() {
    const width = this.scroller.clientWidth - 2 * GAP;
    if (width <= 0) return;
    const least = width < 420 ? LEAST_ON_PHONE : LEAST_WIDTH;
    this.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    const cell = (width - GAP * (this.columns - 1)) / this.columns;
    if (cell !== this.cell) for (const element of this.made.values()) element.remove();
    if (cell !== this.cell) this.made.clear();
    this.cell = cell;
    this.row = Math.round(cell + TEXT_HEIGHT + GAP);
    const rows = Math.ceil(this.app.order().length / this.columns);
    this.list.style.height = `${rows * this.row + GAP}px`;
    this.fill();
  }

  /** Makes the cards in sight and removes those out of it. */
  fill() {
    if (!this.row || this.element.hidden) return;
    const order = this.app.order();
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.row) - BEYOND);
    const last = Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / this.row) + BEYOND;
    const [from, to] = [first * this.columns, Math.min(order.length, last * this.columns)];
    for (const [place, element] of this.made) {
      if (place < from || place >= to) {
        element.remove();
        this.made.delete(place);
      }
    }
    for (let place = from; place < to; place += 1) if (!this.made.has(place)) this.make(place, order[place], order.length);
  }

  make(place, number, total) {
    const { app } = this;
    const card = app.deck.cards[number];
    const canvas = el("canvas", { class: "sl-thumb", "aria-hidden": "true" });
    const after = card.passes[app.state.condition];
    const change = after && after.p_yes !== null && card.passes[0].p_yes !== null ? ` (${probabilityChange(after.p_yes - card.passes[0].p_yes)})` : "";
    const box = el(
      "button",
      { type: "button", class: "sl-card", tabindex: place === this.active ? 0 : -1, onclick: () => this.open(place), onfocus: () => this.activate(place) },
      canvas,
      el("span", { class: "sl-card-title" }, card.title),
      el("span", { class: "sl-card-question" }, card.question),
      el("span", { class: "sl-badges" }, ...badges(card, app.state.condition)),
      el("span", { class: "sl-card-numbers" }, `P(yes) ${probability(card.passes[0].p_yes)}${change}`),
    );
    const item = el("li", { class: "sl-item", "aria-posinset": place + 1, "aria-setsize": total, "data-card": number }, box);
    const [row, column] = [Math.floor(place / this.columns), place % this.columns];
    item.style.width = `${this.cell}px`;
    item.style.height = `${this.row - GAP}px`;
    item.style.transform = `translate(${GAP + column * (this.cell + GAP)}px, ${GAP + row * this.row}px)`;
    this.made.set(place, item);
    this.list.append(item);
    this.paint(canvas, number);
  }

  paint(canvas, number) {
    const { deck, state } = this.app;
    const card = deck.cards[number];
    const side = this.cell - 2;
    const image = deck.picture(number, () => canvas.isConnected && this.paint(canvas, number));
    const context = sized(canvas, side, side);
    const aspect = isReady(image) && (card.overlay || state.thumb === "picture") ? image.naturalWidth / image.naturalHeight : card.grid[1] / card.grid[0];
    const [width, height] = aspect > 1 ? [side, side / aspect] : [side * aspect, side];
    const box = { x: (side - width) / 2, y: (side - height) / 2, width, height };
    const isOnPicture = isReady(image) && (card.overlay || state.thumb === "picture");
    if (isOnPicture) context.drawImage(image, box.x, box.y, width, height);
    const map = state.thumb === "picture" ? (card.picture === null ? deck.index.maps[0].id : null) : state.thumb;
    if (map && !(card.picture !== null && card.overlay && !isReady(image))) {
      const values = deck.layerValues(number, 0, map, state.layer);
      const scale = state.thumb === "picture" ? deck.scale([number], { ...state, map, view: "before" }) : this.scale();
      if (values) drawCells(context, values, card.grid, scale, colorsOf(map), box, isOnPicture ? state.opacity : 1);
    }
    if (state.outlines && (card.overlay || map) && (isOnPicture || map)) {
      drawOutlines(context, deck.cells(number, state.condition), card.grid, box);
    }
  }

  open(place) {
    this.active = place;
    this.app.open(this.app.order()[place]);
  }

  activate(place) {
    this.made.get(this.active)?.firstChild.setAttribute("tabindex", "-1");
    this.active = place;
    this.made.get(place)?.firstChild.setAttribute("tabindex", "0");
  }

  /** Moves the focus to a card, bringing it into sight first. */
  focus(place = this.active) {
    const order = this.app.order();
    if (!order.length) return;
    const wanted = Math.max(0, Math.min(order.length - 1, place));
    const top = GAP + Math.floor(wanted / this.columns) * this.row;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop + GAP) this.scroller.scrollTop = top - GAP;
    else if (top + this.row > scrollTop + clientHeight) this.scroller.scrollTop = top + this.row - clientHeight;
    this.fill();
    this.activate(wanted);
    this.made.get(wanted)?.firstChild.focus({ preventScroll: true });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    const isOnCard = event.target.classList.contains("sl-card");
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, k: -1, j: 1 };
    const last = this.app.order().length - 1;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.row)) * this.columns;
    const places = { Home: 0, End: last, PageUp: this.active - page, PageDown: this.active + page };
    const isMove = event.key in steps;
    if (!isMove && !(event.key in places && isOnCard)) return;
    const to = isMove ? this.active + (isOnCard ? steps[event.key] : 0) : places[event.key];
    if (!isMove || (to >= 0 && to <= last)) this.focus(to);
    event.preventDefault();
    event.stopPropagation();
  }
}
