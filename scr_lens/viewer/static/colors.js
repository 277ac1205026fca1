// Colors and numbers: which value has which color, where ticks stand, how a number is written.

// matplotlib's color maps at 33 evenly spaced places; between them colors are interpolated.
export const COLOR_MAPS = {
  viridis:
    "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c" +
    "1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725",
  cividis:
    "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a716f70737676767d7c78" +
    "8482798c8878938e789b9476a39a74aba072b4a76fbcae6cc4b468cdbb63d5c25edec958e7d150f0d846f9e03afee838",
  RdBu_r:
    "0530610e41791752901f63a82a71b23480b93f8ec0529dc86bacd184bcd99bc9e0aed3e6c2ddecd4e6f1e0ecf3ecf2f5f7f6f6" +
    "f9eee7fbe5d8fddcc9fbccb4f8bb9ef5aa89ee9677e48066db6b55d05548c53e3dba2832ab162a930e267c072267001f",
};

const STEPS = 256;
const RAISED = Object.fromEntries([..."-0123456789"].map((sign, k) => [sign, "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"[k]]));
const tables = new Map();

/** 256 colors of a map as bytes r, g, b. */
export function colorTable(name) {
  if (!tables.has(name)) tables.set(name, interpolated(COLOR_MAPS[name]));
  return tables.get(name);
}

function interpolated(hex) {
  const stops = hex.match(/../g).map((pair) => parseInt(pair, 16));
  const last = stops.length / 3 - 1;
  const table = new Uint8Array(3 * STEPS);
  for (let i = 0; i < STEPS; i += 1) {
    const place = (i / (STEPS - 1)) * last;
    const left = Math.min(last - 1, Math.floor(place));
    for (let c = 0; c < 3; c += 1) {
      const [a, b] = [stops[3 * left + c], stops[3 * (left + 1) + c]];
      table[3 * i + c] = Math.round(a + (b - a) * (place - left));
    }
  }
  return table;
}

/** Number of a value's color in its table: the ends take everything beyond them. */
export function colorNumber(value, scale) {
  const share = (value - scale.low) / (scale.high - scale.low);
  return Math.min(STEPS - 1, Math.max(0, Math.floor(share * STEPS)));
}

/** Round numbers between two ends, at least two of them. */
export function ticks(low, high, wanted) {
  const found = evenTicks(low, high, wanted);
  return found.values.length >= 2 || wanted > 20 ? found : ticks(low, high, wanted + 2);
}

function evenTicks(low, high, wanted) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) found.push(k * step);
  return { step, values: found };
}

/** A tick's label: as many digits as tell it from the next tick. */
export function tickText(value, step) {
  if (step < 1e-4 || step >= 1e6) return readable(value, 3);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return minus((Math.abs(value) < step / 2 ? 0 : value).toFixed(digits));
}

export function readable(value, digits = 5) {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e6) return minus(String(Number(value.toPrecision(digits))));
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  return minus(`${Number(mantissa)} × 10`) + String(Number(power)).replace(/./g, (sign) => RAISED[sign]);
}

export function signed(value, digits = 5) {
  return (value > 0 ? "+" : "") + readable(value, digits);
}

export function probability(value) {
  return value === null ? "unknown" : value.toFixed(3);
}

/** A change of probability to three places; one that rounds to zero has no sign of its own. */
export function probabilityChange(value) {
  const text = Math.abs(value).toFixed(3);
  return `${Number(text) === 0 ? "±" : value > 0 ? "+" : "−"}${text}`;
}

function minus(text) {
  return text.replaceAll("-", "−");
}
