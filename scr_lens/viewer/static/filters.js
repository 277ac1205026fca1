// Which cards are shown and in which order; what a card is called.

import { el } from "./dom.js";

export const ANSWERS = [
  ["any", "any answer"],
  ["false-yes", "false yes (hallucination)"],
  ["false-no", "false no (missed)"],
  ["right", "right"],
];
export const CHANGES = [
  ["any", "changed or not"],
  ["flip", "answer flipped"],
  ["removed", "hallucination removed"],
  ["made", "hallucination made"],
  ["same", "answer kept"],
];
export const ORDERS = [
  ["given", "as given"],
  ["title", "name"],
  ["entropy", "entropy"],
  ["p_yes", "P(yes) before"],
  ["change", "change of P(yes)"],
  ["size", "size of the change"],
];

export const NO_FILTERS = { text: "", answer: "any", change: "any", entropyMap: "norm", least: null, most: null };

function isFalseYes(card, pass) {
  return card.label === "no" && pass?.answer === "yes";
}

/** Mean over blocks of the untouched model's entropy; null where it was not stored. */
export function entropyOf(card, map) {
  const values = card.passes[0]?.entropy[map]?.filter((value) => value !== null);
  return values?.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function isAnswer(card, wanted) {
  const before = card.passes[0];
  if (wanted === "false-yes") return isFalseYes(card, before);
  if (wanted === "false-no") return card.label === "yes" && before.answer === "no";
  return card.label !== null && before.answer === card.label;
}

function isChange(card, wanted, condition) {
  const [before, after] = [card.passes[0], card.passes[condition]];
  if (!after) return false;
  if (wanted === "removed") return isFalseYes(card, before) && !isFalseYes(card, after);
  if (wanted === "made") return !isFalseYes(card, before) && isFalseYes(card, after);
  return (before.answer !== after.answer) === (wanted === "flip");
}

export function matches(card, filters, condition) {
  const text = `${card.title} ${card.question}`.toLowerCase();
  if (!filters.text.toLowerCase().split(/\s+/).every((word) => text.includes(word))) return false;
  if (filters.answer !== "any" && !isAnswer(card, filters.answer)) return false;
  if (filters.change !== "any" && !isChange(card, filters.change, condition)) return false;
  if (filters.least === null && filters.most === null) return true;
  const entropy = entropyOf(card, filters.entropyMap);
  if (entropy === null) return false;
  return entropy >= (filters.least ?? -Infinity) && entropy <= (filters.most ?? Infinity);
}

function sortKey(card, order, filters, condition) {
  const [before, after] = [card.passes[0], card.passes[condition]];
  if (order === "entropy") return entropyOf(card, filters.entropyMap);
  if (order === "p_yes") return before.p_yes;
  const change = after && after.p_yes !== null && before.p_yes !== null ? after.p_yes - before.p_yes : null;
  return order === "size" && change !== null ? Math.abs(change) : change;
}

/** Numbers of the cards that match, in order; cards without the value come last either way. */
export function arranged(cards, filters, sorting, condition) {
  const found = cards.map((_, number) => number).filter((number) => matches(cards[number], filters, condition));
  const sign = sorting.isDown ? -1 : 1;
  if (sorting.by === "given") return sorting.isDown ? found.reverse() : found;
  if (sorting.by === "title") {
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    return found.sort((a, b) => sign * compare(cards[a].title, cards[b].title) || a - b);
  }
  const keys = new Map(found.map((number) => [number, sortKey(cards[number], sorting.by, filters, condition)]));
  const isMissing = (number) => keys.get(number) === null;
  return found.sort(
    (a, b) => isMissing(a) - isMissing(b) || (isMissing(a) ? 0 : sign * (keys.get(a) - keys.get(b))) || a - b,
  );
}

/** Counts that answer the first question: how many false yes before and after. */
export function countText(cards, numbers, total, condition) {
  const shown = numbers.length === total ? `${total} questions` : `${numbers.length} of ${total} questions`;
  const chosen = numbers.map((number) => cards[number]);
  const flips = chosen.filter((card) => isChange(card, "flip", condition)).length;
  const name = chosen[0]?.passes[condition]?.name ?? "after";
  const flipped = `${flips} ${flips === 1 ? "answer" : "answers"} flipped by ${name}`;
  if (!chosen.some((card) => card.label !== null)) return `${shown} · ${flipped}`;
  const before = chosen.filter((card) => isFalseYes(card, card.passes[0])).length;
  const after = chosen.filter((card) => isFalseYes(card, card.passes[condition])).length;
  return `${shown} · false yes ${before} before, ${after} with ${name} · ${flipped}`;
}

function verdict(card, pass) {
  if (card.label === null || !pass?.answer) return ["", pass?.answer ?? "no answer"];
  if (isFalseYes(card, pass)) return ["sl-bad", "false yes"];
  if (card.label === "yes" && pass.answer === "no") return ["sl-bad", "false no"];
  return pass.answer === card.label ? ["sl-good", `right: ${pass.answer}`] : ["sl-bad", `wrong: ${pass.answer}`];
}

export function badges(card, condition) {
  const [before, after] = [card.passes[0], card.passes[condition]];
  const [look, text] = verdict(card, before);
  const found = [el("span", { class: `sl-badge ${look}` }, text)];
  if (after && before.answer !== after.answer) {
    const [lookAfter, textAfter] = verdict(card, after);
    found.push(el("span", { class: `sl-badge sl-flip ${lookAfter}` }, `→ ${textAfter}`));
  }
  return found;
}
