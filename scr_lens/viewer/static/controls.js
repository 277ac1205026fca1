// The controls of the detail view: what is shown, of which block, in which colors.

import { checkbox, el, segmented, select, slider } from "./dom.js";

const VIEWS = [
  ["before", "Before", "the untouched model (1)"],
  ["after", "After", "the model with the method (2)"],
  ["difference", "Difference", "after minus before (3)"],
];
const SCOPES = [
  ["layer", "this block"],
  ["all", "all blocks"],
];

export class Controls {
  constructor(app) {
    this.app = app;
    const { index } = app.deck;
    this.views = segmented("What to show", VIEWS, (view) => app.set({ view }));
    this.maps = select("Map", index.maps.map(({ id, label }) => [id, label]), (map) => app.set({ map }));
    const conditions = index.conditions.slice(1).map((name, k) => [k + 1, name]);
    this.conditions = select("Method", conditions, (number) => app.set({ condition: Number(number) }));
    this.conditions.element.hidden = conditions.length < 2;
    this.layer = slider("Block", { min: 0, step: 1, max: 0 }, (layer) => app.set({ layer }));
    this.opacity = slider("Opacity", { min: 0, max: 100, step: 5 }, (share) => app.set({ opacity: share / 100 }));
    this.scope = select("Colors span", SCOPES, (scope) => app.set({ scope }));
    this.clip = checkbox("cut outliers", (clip) => app.set({ clip }), "colors span the middle 96 % of the values");
    this.outlines = checkbox("outlines", (outlines) => app.set({ outlines }), "sources and neighbors (o)");
    this.element = el(
      "div",
      { class: "sl-controls", role: "group", "aria-label": "What is shown" },
      this.views.element,
      this.maps.element,
      this.conditions.element,
      this.layer.element,
      this.opacity.element,
      this.scope.element,
      el("div", { class: "sl-checks" }, this.outlines.element, this.clip.element),
    );
  }

  update() {
    const { app } = this;
    const { deck, state } = app;
    const card = state.card;
    const isThere = (map, pass) => deck.hasMap(card, map, pass);
    const hasAfter = isThere(state.map, state.condition);
    this.views.update(state.view, (view) => view === "before" || hasAfter);
    this.maps.update(state.map);
    for (const option of this.maps.box.options) option.disabled = !isThere(option.value, 0);
    this.conditions.update(String(state.condition));
    const last = Math.max(...app.shownCards().map((number) => deck.nLayers(number, state.map))) - 1;
    this.layer.input.max = String(Math.max(0, last));
    this.layer.input.disabled = last < 1;
    this.layer.input.value = String(Math.min(state.layer, last));
    this.layer.shown.textContent = this.layerText(last);
    this.layer.input.setAttribute("aria-valuetext", app.layerLabel(card));
    this.opacity.input.value = String(Math.round(100 * state.opacity));
    this.opacity.shown.textContent = `${Math.round(100 * state.opacity)} %`;
    this.opacity.input.disabled = !app.shownCards().some((number) => deck.cards[number].overlay);
    this.scope.update(state.scope);
    this.clip.input.checked = state.clip;
    this.outlines.input.checked = state.outlines;
  }

  layerText(last) {
    const { app } = this;
    if (last < 1) return app.layerLabel(app.state.card);
    const acting = app.deck.cards[app.state.card].passes[app.state.condition]?.acting;
    const acts = acting && app.state.layer >= acting[0] && app.state.layer <= acting[1];
    return `${Math.min(app.state.layer, last)} of 0–${last}${acts ? " · acts here" : ""}`;
  }
}
