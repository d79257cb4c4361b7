// The stages of this adapter: write a function, and put it in place of null in STAGES.
//
// docs/spec of rvc-parity describes what each stage computes, with every constant.

import { Tensor } from "./safetensors.mjs";

/** Throw it where the stage does not exist for a case; the judge counts that as not tested. */
export class Lacks extends Error {}

/** Each content frame repeated once: (1, frames, channels) becomes (1, 2 · frames, channels). */
function contentUpsampled(call) {
  const content = call.find("retrieval.blended") ?? call.input("hubert.features"); // a case may use no index
  const [, frames, channels] = content.shape;
  const twice = new Float32Array(2 * content.values.length);
  for (let t = 0; t < frames; t++) {
    const frame = content.values.subarray(t * channels, (t + 1) * channels);
    twice.set(frame, 2 * t * channels);
    twice.set(frame, (2 * t + 1) * channels);
  }
  return new Map([[call.name("content.upsampled"), new Tensor("F32", [1, 2 * frames, channels], twice)]]);
}

/** The prior sample: m + exp(logs) · noise · 0.66666, with the noise that the case gives. */
function priorSample(call) {
  const { shape, values: m } = call.input("enc_p.m");
  const { values: logs } = call.input("enc_p.logs");
  const { values: noise } = call.input("noise.z");
  const sample = m.map((mean, i) => mean + Math.exp(logs[i]) * noise[i] * 0.66666);
  return new Map([[call.name("z_p"), new Tensor("F32", shape, sample)]]);
}

/** Every stage, in the order of a conversion. Only those with a function are declared to the judge. */
export const STAGES = {
  // STAGES
};
