// The detail view: one card, or two side by side, with the controls they share.

import { Controls } from "./controls.js";
import { button, el } from "./dom.js";
import { badges } from "./filters.js";
import { answersPanel, entropyPanel, factsPanel } from "./panels.js";
import { Stage } from "./stage.js";

class Column {
  constructor(app, slot) {
    this.app = app;
    this.stage = new Stage(app, slot);
    this.title = el("h2", { class: "sl-title", tabindex: -1 });
    this.question = el("p", { class: "sl-question" });
    this.badges = el("div", { class: "sl-badges" });
    this.keys = el(
      "div",
      { class: "sl-outline-keys" },
      el("span", { class: "sl-key" }, el("i", { class: "sl-swatch sl-source" }), "source"),
      el("span", { class: "sl-key" }, el("i", { class: "sl-swatch sl-neighbor" }), "region of neighbors"),
    );
    this.side = el("div", { class: "sl-side" });
    this.aside = el("figure", { class: "sl-aside" });
    const head = el("header", { class: "sl-column-head" }, this.title, this.badges, this.question);
    const main = el("div", { class: "sl-main" }, this.stage.element, this.keys, this.aside);
    this.title.hidden = app.deck.cards.length === 1; // the page's heading says it already
    this.element = el("article", { class: "sl-column" }, head, el("div", { class: "sl-body" }, main, this.side));
    this.stage.host = this.element;
  }

  update(number) {
    const { deck, state } = this.app;
    const card = deck.cards[number];
    this.title.textContent = card.title;
    this.question.textContent = card.question;
    this.badges.hidden = deck.cards.length === 1; // the panel of answers says it
    this.badges.replaceChildren(...badges(card, state.condition));
    this.keys.hidden = !state.outlines || !deck.cells(number, state.condition).sources.length;
    this.showPicture(number, card);
    this.stage.show(number);
    this.updateSide(number);
  }

  updateSide(number) {
    const card = this.app.deck.cards[number];
    const parts = [answersPanel(card, this.app.state.condition), entropyPanel(this.app, number), factsPanel(card, this.app.state.condition)];
    this.side.replaceChildren(...parts.filter(Boolean));
  }

  /** The picture beside the map, where the grid does not cover it; and a word where there is none. */
  showPicture(number, card) {
    this.aside.hidden = card.overlay;
    if (card.overlay) return;
    const image = this.app.deck.picture(number);
    const caption = image
      ? "The picture as given. Its shape is not the patch grid's, so the map is not laid over it."
      : "No picture was found for this map.";
    const shown = image ? el("img", { src: image.src, alt: card.title }) : null;
    this.aside.replaceChildren(...[shown, el("figcaption", { class: "sl-caption" }, caption)].filter(Boolean));
  }
}

export class Detail {
  constructor(app) {
    this.app = app;
    this.controls = new Controls(app);
    this.columns = (app.deck.cards.length > 1 ? [0, 1] : [0]).map((slot) => new Column(app, slot));
    this.back = button("All images", () => app.openGallery(), { "aria-keyshortcuts": "g Escape" });
    this.previous = button("Previous", () => app.step(-1), { "aria-keyshortcuts": "k" });
    this.next = button("Next", () => app.step(1), { "aria-keyshortcuts": "j" });
    this.place = el("span", { class: "sl-place", role: "status" });
    this.compare = button("Compare", () => app.toggleCompare(), { "aria-keyshortcuts": "c", "aria-pressed": "false" });
    this.bar = el("nav", { class: "sl-nav", "aria-label": "Images" }, this.back, this.previous, this.next, this.place, this.compare);
    this.body = el("div", { class: "sl-columns" }, ...this.columns.map((column) => column.element));
    this.element = el("section", { class: "sl-detail", "aria-label": "Image" }, this.bar, this.controls.element, this.body);
  }

  update(changed) {
    const { deck, state } = this.app;
    const shown = this.app.shownCards();
    if (changed.size === 1 && changed.has("cell")) {
      this.columns.slice(0, shown.length).forEach((column) => column.stage.updateCell());
      return;
    }
    const isSingle = deck.cards.length === 1;
    this.bar.hidden = isSingle;
    const order = this.app.order();
    const place = order.indexOf(state.card);
    this.place.textContent = place < 0 ? "" : `${place + 1} of ${order.length}`;
    this.previous.disabled = place <= 0;
    this.next.disabled = place < 0 || place >= order.length - 1;
    this.compare.setAttribute("aria-pressed", String(state.pinned !== null));
    this.compare.textContent = state.pinned === null ? "Compare" : "Stop comparing";
    this.body.classList.toggle("sl-two", shown.length === 2);
    if (this.columns.length > 1) this.columns[1].element.hidden = shown.length < 2;
    this.controls.update();
    shown.forEach((number, slot) => this.columns[slot].update(number));
  }

  focus() {
    this.columns[this.app.state.pinned === null ? 0 : 1].title.focus({ preventScroll: true });
  }
}
