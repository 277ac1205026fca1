// Packed arrays of the payload: base64 of little-endian values, decoded when first looked at.

export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export function halfToNumber(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Any packed float array as Float32Array, which holds float16 and float32 without loss. */
export function decodeFloats(spec) {
  const bytes = bytesOf(spec.base64);
  const view = new DataView(bytes.buffer);
  const isHalf = spec.dtype === "float16";
  const values = new Float32Array(bytes.length / (isHalf ? 2 : 4));
  for (let i = 0; i < values.length; i += 1) {
    values[i] = isHalf ? halfToNumber(view.getUint16(2 * i, true)) : view.getFloat32(4 * i, true);
  }
  return values;
}

/** A cache that forgets what was used longest ago. */
export class Recent {
  constructor(limit) {
    this.limit = limit;
    this.entries = new Map();
  }

  get(key, make) {
    const value = this.entries.has(key) ? this.entries.get(key) : make(key);
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > this.limit) this.entries.delete(this.entries.keys().next().value);
    return value;
  }
}
