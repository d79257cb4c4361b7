// safetensors files: eight bytes of header length, a JSON header, then the values, little endian and row-major.

import { readFileSync, writeFileSync } from "node:fs";

const ARRAYS = { F32: Float32Array, F64: Float64Array, I64: BigInt64Array, I16: Int16Array, F16: Uint16Array };

/** An array: its dtype (a key of ARRAYS), its shape, and its values in a typed array. F16 is widened when it is read. */
export class Tensor {
  constructor(dtype, shape, values) {
    this.dtype = dtype;
    this.shape = shape;
    this.values = values;
  }
}

/** @returns {Map<string, Tensor>} */
export function read(path) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + length));
  const tensors = new Map();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [from, to] = entry.data_offsets;
    const bytes = Uint8Array.from(file.subarray(8 + length + from, 8 + length + to)); // a copy begins at an aligned place
    if (bytes.length !== to - from) throw new Error(`${path} is cut short`);
    if (!ARRAYS[entry.dtype]) throw new Error(`${name} has the dtype ${entry.dtype}, which this adapter does not read`);
    const values = new ARRAYS[entry.dtype](bytes.buffer);
    const tensor = entry.dtype === "F16" ? ["F32", Float32Array.from(values, widened)] : [entry.dtype, values];
    tensors.set(name, new Tensor(tensor[0], entry.shape, tensor[1]));
  }
  return tensors;
}

/** @param {Map<string, Tensor>} tensors */
export function write(path, tensors) {
  const header = {};
  const parts = [];
  let at = 0;
  for (const [name, { dtype, shape, values }] of tensors) {
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    parts.push(bytes);
    at += bytes.length;
  }
  let text = Buffer.from(JSON.stringify(header), "utf8");
  text = Buffer.concat([text, Buffer.alloc(-text.length & 7, " ")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, ...parts]));
}

/** IEEE half precision as a number, exactly. */
function widened(half) {
  const sign = half >> 15 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
