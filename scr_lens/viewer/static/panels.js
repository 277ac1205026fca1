// What is said beside a map: the answers, the entropy of every block, and what was asked of which model.

import { probability, probabilityChange, tickText, ticks } from "./colors.js";
import { el, svg } from "./dom.js";

export function answersPanel(card, condition) {
  const [before, after] = [card.passes[0], card.passes[condition]];
  const names = [["yes", "p_yes"], ["no", "p_no"], ["other", null]];
  const value = (pass, key) => (key ? pass[key] : pass.p_yes === null ? null : Math.max(0, 1 - pass.p_yes - pass.p_no));
  const rows = names.map(([name, key]) => {
    const bars = [["before", before], ["after", after]].filter(([, pass]) => pass).map(([kind, pass]) => {
      const bar = el("span", { class: `sl-fill sl-${kind}` });
      bar.style.width = `${100 * (value(pass, key) ?? 0)}%`;
      const number = el("span", { class: "sl-number", "data-answer": `${kind}-${name}` }, probability(value(pass, key)));
      return el("div", { class: "sl-bar-line" }, el("span", { class: "sl-track" }, bar), number);
    });
    return el("div", { class: "sl-answer-row" }, el("span", { class: "sl-answer-name" }, name), el("div", {}, ...bars));
  });
  return el(
    "section",
    { class: "sl-panel sl-answers" },
    el("h3", {}, answerTitle(before, after)),
    ...rows,
    el("p", { class: "sl-caption" }, "probability of the next token, all spellings", key([["before", "before"], ["after", after?.name ?? "after"]])),
  );
}

function answerTitle(before, after) {
  if (!after) return `Answer: ${before.answer ?? "unknown"}`;
  const change = before.p_yes === null || after.p_yes === null ? "" : `, P(yes) ${probabilityChange(after.p_yes - before.p_yes)}`;
  if (before.answer === after.answer) return `Answer: ${before.answer ?? "unknown"}, unchanged${change}`;
  return `Answer: ${before.answer} → ${after.answer}${change}`;
}

function key(entries) {
  const parts = entries.map(([kind, text]) => el("span", { class: "sl-key" }, el("i", { class: `sl-swatch sl-${kind}` }), text));
  return el("span", { class: "sl-keys" }, ...parts);
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [360, 132, 52, 10, 8, 24];

/** Entropy of the shown map at every block, before and after, with the shown block marked. */
export function entropyPanel(app, number) {
  const card = app.deck.cards[number];
  const map = card.passes[0].entropy[app.state.map] ? app.state.map : "norm";
  const lines = [["before", 0], ["after", app.state.condition]]
    .map(([kind, pass]) => [kind, card.passes[pass]?.entropy[map]])
    .filter(([, values]) => values?.some((value) => value !== null));
  if (!lines.length) return null;
  const title = `Entropy: ${app.mapLabel(map)}`;
  if (lines[0][1].length === 1) return singleEntropy(title, lines);
  return el(
    "section",
    { class: "sl-panel sl-entropy" },
    el("h3", {}, title),
    sparkline(app, card, lines),
    el("p", { class: "sl-caption" }, entropyText(lines, app.deck.layerOf(number, map, app.state.layer)), key(entropyKeys(card, app.state.condition))),
  );
}

function entropyKeys(card, condition) {
  const after = card.passes[condition];
  const acting = after?.acting ? [["acting", "blocks it acts on"]] : [];
  return [["before", "before"], ["after", after?.name ?? "after"], ...acting];
}

function entropyText(lines, layer) {
  const parts = lines.map(([kind, values]) => `${kind} ${values[layer]?.toFixed(4) ?? "undefined, no credit"}`);
  return `block ${layer}: ${parts.join(", ")} (1 = evenly spread over all patches)`;
}

function singleEntropy(title, lines) {
  const parts = lines.map(([kind, values]) => `${kind} ${values[0].toFixed(4)}`);
  const text = `${parts.join(", ")} (normalized; 1 = evenly spread over all patches)`;
  return el("section", { class: "sl-panel" }, el("h3", {}, title), el("p", { class: "sl-caption" }, text));
}

function sparkline(app, card, lines) {
  const all = lines.flatMap(([, values]) => values).filter((value) => value !== null);
  const n = lines[0][1].length;
  const spread = Math.max(...all) - Math.min(...all) || 0.001;
  const [low, high] = [Math.min(...all) - 0.08 * spread, Math.max(...all) + 0.08 * spread];
  const x = (layer) => LEFT + ((WIDTH - LEFT - RIGHT) * (layer + 0.5)) / n;
  const y = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - value)) / (high - low);
  const half = (WIDTH - LEFT - RIGHT) / n / 2;
  const parts = [];
  const acting = card.passes[app.state.condition]?.acting;
  if (acting) {
    const [first, last] = [x(acting[0]) - half, x(Math.min(acting[1], n - 1)) + half];
    parts.push(svg("rect", { class: "sl-acting", x: first, y: TOP, width: last - first, height: HEIGHT - TOP - BOTTOM }));
  }
  const { step, values } = ticks(low, high, 4);
  for (const value of values) {
    parts.push(svg("line", { class: "sl-grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    parts.push(svg("text", { class: "sl-axis", x: LEFT - 6, y: y(value) + 3.5, "text-anchor": "end" }, tickText(value, step)));
  }
  const every = Math.ceil(n / 12);
  for (let layer = 0; layer < n; layer += every) {
    parts.push(svg("text", { class: "sl-axis", x: x(layer), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle" }, String(layer)));
  }
  const layer = Math.min(app.state.layer, n - 1);
  parts.push(svg("line", { class: "sl-now", x1: x(layer), x2: x(layer), y1: TOP, y2: HEIGHT - BOTTOM }));
  for (const [kind, series] of lines) {
    const points = series.flatMap((value, k) => (value === null ? [] : [`${x(k).toFixed(1)},${y(value).toFixed(1)}`])).join(" ");
    parts.push(svg("polyline", { class: `sl-line sl-${kind}`, points }));
    if (series[layer] !== null) parts.push(svg("circle", { class: `sl-dot sl-${kind}`, cx: x(layer), cy: y(series[layer]), r: 3.4 }));
  }
  const label = `Normalized entropy per block from 0 to ${n - 1}; the axis starts at ${low.toFixed(4)}`;
  const jump = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const place = (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (2 * half);
    app.set({ layer: Math.max(0, Math.min(n - 1, Math.floor(place))) });
  };
  return svg("svg", { class: "sl-spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, onclick: jump }, ...parts);
}

export function factsPanel(card, condition) {
  const facts = [...card.facts, ...methodFacts(card.passes[condition])];
  const entries = facts.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]);
  return el("section", { class: "sl-panel sl-facts" }, el("h3", {}, "About"), el("dl", {}, ...entries));
}

function methodFacts(pass) {
  if (!pass?.strength) return [];
  const blocks = pass.acting ? `, blocks ${pass.acting[0]}–${pass.acting[1]}` : "";
  return [["method", `${pass.name}, λ = ${pass.strength}${blocks}`]];
}
