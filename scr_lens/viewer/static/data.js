// The deck of cards: decoded maps, what a view shows of them, and the scales they share.

import { Recent, decodeFloats } from "./decode.js";

const EMBEDDED = /^data:image\/(png|jpeg);base64,[A-Za-z0-9+/=]+$/;
const BESIDE = /^[A-Za-z0-9._-]+\/[0-9a-f]{24}\.(png|jpeg)$/;

export class Deck {
  /** @param source - index, and functions `arrays(card)` and `picture(number)` */
  constructor(source) {
    if (source.index.format !== "scr_lens viewer" || source.index.version !== 1) {
      throw new Error(`this viewer reads version 1 of its data, not ${source.index.version}: make the page anew`);
    }
    this.source = source;
    this.index = source.index;
    this.cards = source.index.cards;
    this.arrays = new Recent(96);
    this.floats = new Recent(400);
    this.pictures = new Recent(200);
    this.scales = new Recent(64);
  }

  passes(card) {
    return this.arrays.get(card, () => this.source.arrays(card)).passes;
  }

  /** All layers of a map in one pass; null where the pass does not have it. */
  floatsOf(card, pass, map) {
    const spec = this.passes(card)[pass]?.maps[map];
    if (!spec) return null;
    if ("as" in spec) return this.floatsOf(card, spec.as, map);
    return this.floats.get(`${card}/${pass}/${map}`, () => decodeFloats(spec));
  }

  nLayers(card, map) {
    return this.cards[card].ranges[map]?.[0].length ?? 0;
  }

  hasMap(card, map, pass) {
    return Boolean(this.passes(card)[pass]?.maps[map]);
  }

  /** The layer shown: maps of a single layer, and models with fewer layers, show their last. */
  layerOf(card, map, layer) {
    return Math.max(0, Math.min(layer, this.nLayers(card, map) - 1));
  }

  layerValues(card, pass, map, layer) {
    const all = this.floatsOf(card, pass, map);
    if (!all) return null;
    const [height, width] = this.cards[card].grid;
    const start = this.layerOf(card, map, layer) * height * width;
    return all.subarray(start, start + height * width);
  }

  /** What the view shows of a card, a value per patch; null where there is nothing to show. */
  shown(card, state) {
    const before = this.layerValues(card, 0, state.map, state.layer);
    if (state.view === "before") return before;
    const after = this.layerValues(card, state.condition, state.map, state.layer);
    if (state.view === "after") return after;
    if (!before || !after) return null;
    return difference(before, after);
  }

  /** One scale for before and after of all cards shown; one around zero for their differences. */
  scale(cards, state) {
    const layer = state.scope === "layer" ? state.layer : "all";
    const isChange = state.view === "difference";
    const key = [cards, state.map, state.condition, layer, isChange, state.clip].join("/");
    return this.scales.get(key, () => {
      const values = this.pooled(cards, state, isChange);
      return isChange ? symmetric(values, state.clip) : spanning(values, state.clip);
    });
  }

  pooled(cards, state, isChange) {
    const parts = [];
    for (const card of cards) {
      const part = (pass) =>
        state.scope === "layer"
          ? this.layerValues(card, pass, state.map, state.layer)
          : this.floatsOf(card, pass, state.map);
      const [before, after] = [part(0), part(state.condition)];
      if (!isChange) parts.push(...[before, after].filter(Boolean));
      else if (before && after) parts.push(difference(before, after));
    }
    const pool = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
    let place = 0;
    for (const part of parts) {
      pool.set(part, place);
      place += part.length;
    }
    return pool.filter(Number.isFinite).sort();
  }

  cells(card, condition) {
    const passes = this.passes(card);
    const held = passes[condition]?.sources.length ? passes[condition] : null;
    return held ? { sources: held.sources, neighbors: held.neighbors } : { sources: [], neighbors: [] };
  }

  /** The picture of a card as an image element, loading; null if there is none. */
  picture(card, onload) {
    const number = this.cards[card].picture;
    if (number === null) return null;
    const image = this.pictures.get(number, () => loading(this.source.picture(number)));
    if (image && !image.complete && onload) image.addEventListener("load", onload, { once: true });
    return image;
  }
}

function loading(source) {
  if (!EMBEDDED.test(source) && !BESIDE.test(source)) return null;
  const image = new Image();
  image.decoding = "async";
  image.src = source;
  return image;
}

export function isReady(image) {
  return Boolean(image && image.complete && image.naturalWidth > 0);
}

export function difference(before, after) {
  const change = new Float64Array(before.length);
  for (let i = 0; i < change.length; i += 1) change[i] = after[i] - before[i];
  return change;
}

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const left = Math.floor(place);
  const right = Math.min(sorted.length - 1, left + 1);
  return sorted[left] + (sorted[right] - sorted[left]) * (place - left);
}

function spanning(sorted, clip) {
  if (!sorted.length) return { low: 0, high: 1, isCut: [false, false] };
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  let [low, high] = clip ? [quantile(sorted, 0.02), quantile(sorted, 0.98)] : [least, most];
  if (low === high) {
    const margin = 0.05 * Math.abs(low) || 1;
    [low, high] = [low - margin, high + margin];
  }
  return { low, high, isCut: [least < low, most > high] };
}

function symmetric(sorted, clip) {
  const sizes = sorted.map(Math.abs).sort();
  const most = sizes.length ? sizes[sizes.length - 1] : 0;
  // Most patches do not change at all: the quantile is taken over those that do.
  const changed = sizes.filter((size) => size > 0);
  const peak = (clip && changed.length ? quantile(changed, 0.96) : most) || 1;
  return { low: -peak, high: peak, isCut: [most > peak, most > peak] };
}

/** Rank of a patch among all: 1 is the largest; equal values share the better rank. */
export function rank(values, place, bySize) {
  const size = bySize ? Math.abs : (value) => value;
  let larger = 0;
  for (const value of values) if (size(value) > size(values[place])) larger += 1;
  return larger + 1;
}
