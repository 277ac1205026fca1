// The viewer as a whole: its state, its keys, and how it is put into a page or a notebook cell.

import { Deck } from "./data.js";
import { Detail } from "./detail.js";
import { button, el } from "./dom.js";
import { NO_FILTERS, arranged } from "./filters.js";
import { Gallery } from "./gallery.js";

const KEYS = [
  ["1 2 3", "before, after, difference"],
  ["← →", "previous, next block (in the gallery: card)"],
  ["j k", "next, previous image"],
  ["m", "next map"],
  ["o", "outlines on or off"],
  ["c", "compare: keep this image and step on beside it"],
  ["arrows on the map", "read single patches"],
  ["Enter", "open a card"],
  ["g or Esc", "all images"],
  ["/", "search"],
  ["?", "this help"],
];

export class App {
  constructor(root, source, isPage) {
    this.deck = new Deck(source);
    this.listeners = [];
    this.filters = { ...NO_FILTERS };
    this.sorting = { by: "given", isDown: false };
    const { index } = this.deck;
    this.state = {
      screen: index.kind === "gallery" ? "gallery" : "detail",
      card: 0, pinned: null, condition: 1, view: "before", map: index.maps[0].id, layer: this.firstLayer(),
      opacity: 0.6, outlines: true, scope: "layer", clip: false, cell: null, thumb: "picture",
    };
    this.gallery = new Gallery(this);
    this.detail = new Detail(this);
    this.help = this.helpDialog();
    this.root = root;
    root.classList.add("scr-lens");
    root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab: these keys are ours
    root.replaceChildren(this.header(), this.gallery.element, this.detail.element, this.help);
    (isPage ? document : root).addEventListener("keydown", (event) => this.key(event));
    this.set({});
  }

  /** Start where the method acts last: there its effect is largest. */
  firstLayer() {
    const acting = this.deck.cards[0].passes[1]?.acting;
    return acting ? acting[1] : 0;
  }

  header() {
    const { index } = this.deck;
    const facts = index.facts.map(([name, text]) => el("span", { class: "sl-fact" }, el("b", {}, name), ` ${text}`));
    this.gallery.search.setAttribute("aria-label", "search image names and questions");
    return el(
      "header",
      { class: "sl-header" },
      el("div", { class: "sl-heading" }, el("h1", {}, index.title), button("Keys ?", () => this.help.showModal(), { class: "sl-button sl-help-button" })),
      facts.length ? el("p", { class: "sl-facts-line" }, ...facts) : null,
      index.note ? el("p", { class: "sl-note", role: "note" }, index.note) : null,
    );
  }

  helpDialog() {
    const entries = KEYS.flatMap(([keys, text]) => [el("dt", {}, keys), el("dd", {}, text)]);
    const close = button("Close", () => this.help.close());
    return el("dialog", { class: "sl-help", "aria-label": "Keys" }, el("h2", {}, "Keys"), el("dl", {}, ...entries), close);
  }

  shownCards() {
    return this.state.pinned === null ? [this.state.card] : [this.state.pinned, this.state.card];
  }

  order() {
    this.arrangement ??= arranged(this.deck.cards, this.filters, this.sorting, this.state.condition);
    return this.arrangement;
  }

  mapLabel(map = this.state.map) {
    return this.deck.index.maps.find(({ id }) => id === map).label;
  }

  layerLabel(card) {
    const { map, layer } = this.state;
    const { diagnostic } = this.deck.cards[card];
    if (map !== "attention_map") return `block ${this.deck.layerOf(card, map, layer)}`;
    return diagnostic ? `mean of blocks ${diagnostic[0]}–${diagnostic[1]}` : "mean of the diagnostic blocks";
  }

  viewLabel() {
    const name = this.deck.index.conditions[this.state.condition];
    return { before: "before", after: `with ${name}`, difference: `${name} minus before` }[this.state.view];
  }

  legendTitle() {
    const { map, view, scope, pinned } = this.state;
    const unit = this.deck.index.maps.find(({ id }) => id === map).unit;
    const where = scope === "all" && map !== "attention_map" ? "all blocks" : this.layerLabel(this.state.card);
    const shared = view === "difference" ? "centered at 0" : "before and after share the scale";
    const both = pinned === null ? shared : "both images share the scale";
    return `${view === "difference" ? "change of " : ""}${unit}, ${where}; ${both}`;
  }

  set(patch) {
    const next = this.consistent({ ...this.state, ...patch });
    const changed = new Set(Object.keys(next).filter((key) => !isSame(next[key], this.state[key])));
    if (!changed.size && Object.keys(patch).length) return;
    this.state = next;
    if (changed.has("condition")) this.arrangement = null;
    this.refresh(changed);
    for (const listener of this.listeners) listener(this.state, changed);
  }

  /** A view, map or block that the card does not have becomes one that it has. */
  consistent(state) {
    const { deck } = this;
    if (state.screen !== "detail") return state;
    const ids = deck.index.maps.map(({ id }) => id);
    const map = deck.hasMap(state.card, state.map, 0) ? state.map : ids.find((id) => deck.hasMap(state.card, id, 0));
    const view = deck.hasMap(state.card, map, state.condition) ? state.view : "before";
    const last = Math.max(...ids.map((id) => deck.nLayers(state.card, id))) - 1;
    return { ...state, map, view, layer: Math.max(0, Math.min(state.layer, last)) };
  }

  refresh(changed) {
    const isGallery = this.state.screen === "gallery";
    this.root.dataset.screen = this.state.screen;
    this.gallery.element.hidden = !isGallery;
    this.detail.element.hidden = isGallery;
    (isGallery ? this.gallery : this.detail).update(changed);
  }

  filter(patch) {
    Object.assign(this.filters, patch);
    this.rearrange();
  }

  sort(patch) {
    Object.assign(this.sorting, patch);
    this.rearrange();
  }

  rearrange() {
    this.arrangement = null;
    this.refresh(new Set(["arrangement"]));
  }

  open(card) {
    this.set({ screen: "detail", card, cell: null });
    this.detail.focus();
  }

  openGallery() {
    if (this.deck.cards.length < 2) return;
    this.set({ screen: "gallery", pinned: null, cell: null });
    this.gallery.focus(Math.max(0, this.order().indexOf(this.state.card)));
  }

  step(by) {
    const next = this.order()[this.order().indexOf(this.state.card) + by];
    if (next !== undefined) this.set({ card: next, cell: null });
  }

  toggleCompare() {
    const { card, pinned } = this.state;
    if (this.deck.cards.length < 2) return;
    if (pinned !== null) return void this.set({ pinned: null });
    const order = this.order();
    const place = order.indexOf(card);
    const next = order[place + 1] ?? order[place - 1];
    if (next !== undefined) this.set({ pinned: card, card: next });
  }

  nextMap() {
    const ids = this.deck.index.maps.map(({ id }) => id).filter((id) => this.deck.hasMap(this.state.card, id, 0));
    this.set({ map: ids[(ids.indexOf(this.state.map) + 1) % ids.length] });
  }

  key(event) {
    const isWriting = event.target.matches?.("input:not([type=radio]):not([type=checkbox]), select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey || this.help.open || event.defaultPrevented) return;
    if (isWriting && !(event.key === "Escape" || (event.target.type === "range" && !event.key.startsWith("Arrow")))) return;
    const act = (this.state.screen === "gallery" ? this.galleryKeys() : this.detailKeys(event))[event.key];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  galleryKeys() {
    const back = () => this.gallery.focus();
    const moves = Object.fromEntries(["j", "k", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Escape"].map((key) => [key, back]));
    return { ...moves, "/": () => this.gallery.search.focus(), "?": () => this.help.showModal() };
  }

  detailKeys(event) {
    const show = (view) => () => this.deck.hasMap(this.state.card, this.state.map, this.state.condition) && this.set({ view });
    const isRadio = event.target.type === "radio";
    const move = (by) => (isRadio ? null : () => this.set({ layer: this.state.layer + by }));
    return {
      1: () => this.set({ view: "before" }), 2: show("after"), 3: show("difference"),
      ArrowLeft: move(-1), ArrowRight: move(1), j: () => this.step(1), k: () => this.step(-1),
      m: () => this.nextMap(), o: () => this.set({ outlines: !this.state.outlines }), c: () => this.toggleCompare(),
      g: () => this.openGallery(), Escape: () => this.openGallery(), "?": () => this.help.showModal(),
      "/": this.deck.cards.length > 1 ? () => (this.openGallery(), this.gallery.search.focus()) : null,
    };
  }
}

function isSame(a, b) {
  return a === b || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((x, k) => x === b[k]));
}

/** Shows the viewer in a page whose data lie in blocks of their own. */
export function mount(root) {
  const block = (name) => JSON.parse(document.getElementById(`scr-lens-${name}`).textContent);
  const source = { index: block("index"), arrays: (card) => block(`card-${card}`), picture: (k) => block(`picture-${k}`) };
  return new App(root, source, true);
}

const SHARED = ["card", "layer", "view", "map"];

/** Follows the notebook's own theme where it has one; elsewhere the system decides. */
function followTheme(root) {
  const read = () => {
    const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
    if (jpThemeLight !== undefined) root.dataset.theme = jpThemeLight === "true" ? "light" : "dark";
    else if (vscodeThemeKind) root.dataset.theme = vscodeThemeKind.includes("dark") ? "dark" : "light";
  };
  const observer = new MutationObserver(read);
  observer.observe(document.body, { attributes: true });
  read();
  return () => observer.disconnect();
}

/** Shows the viewer in a notebook cell (anywidget calls this). */
export function render({ model, el: place }) {
  const { index, arrays, pictures } = model.get("payload");
  const root = el("div", { class: "sl-embedded" });
  place.append(root);
  const stop = followTheme(root);
  const app = new App(root, { index, arrays: (card) => arrays[card], picture: (k) => pictures[k] }, false);
  let isTelling = false;
  const take = () => {
    if (isTelling) return;
    const asked = Object.fromEntries(SHARED.map((name) => [name, model.get(name)]));
    const isMap = index.maps.some(({ id }) => id === asked.map);
    app.set({ ...asked, map: isMap ? asked.map : app.state.map, card: Math.min(asked.card, app.deck.cards.length - 1) });
  };
  app.listeners.push((state, changed) => {
    const told = SHARED.filter((name) => changed.has(name));
    isTelling = true;
    for (const name of told) model.set(name, state[name]);
    isTelling = false;
    if (told.length) model.save_changes();
  });
  for (const name of SHARED) model.on(`change:${name}`, take);
  if (index.kind === "inspection") take();
  return stop;
}
