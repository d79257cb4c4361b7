// An adapter of rvc-parity: one JSON line for each request on stdin, one for each answer on stdout.
//
// Nothing else may be printed to stdout; logs go to console.error. stages.mjs is the file to complete.

import { createInterface } from "node:readline";
import { read, write } from "./safetensors.mjs";
import { Lacks, STAGES } from "./stages.mjs";

/** One request of a stage. */
class Call {
  /**
   * @param {string} prefix where the stage runs: "" for the file, "seg0." for a segment, "rt.0." for a block of a stream
   * @param {object} description the field `case`: name, profile, options, voice and files
   * @param {Map<string, import("./safetensors.mjs").Tensor>} inputs the tensors that the stage reads, by full name
   */
  constructor(prefix, description, inputs) {
    this.prefix = prefix;
    this.case = description;
    this.inputs = inputs;
  }

  /** The full name of a tensor of this stage. */
  name(local) {
    return this.prefix + local;
  }

  /** An input that a case may lack: under this stage's prefix, or of the whole file. */
  find(local) {
    return this.inputs.get(this.name(local)) ?? this.inputs.get(local);
  }

  /** An input. */
  input(local) {
    const tensor = this.find(local);
    if (!tensor) throw new Error(`the inputs hold no ${this.name(local)}`);
    return tensor;
  }

  /** The path of a weight file by its role: voice, hubert, rmvpe_tensors, index_tensors, … */
  file(role) {
    const path = this.case.files?.[role];
    if (!path) throw new Error(`the case has no file ${role}`);
    return path;
  }
}

function runStage(request) {
  const stage = STAGES[request.stage];
  if (!stage) throw new Lacks(`this adapter has no stage ${request.stage}`);
  const outputs = stage(new Call(request.prefix, request.case, read(request.inputs)));
  write(request.outputs, outputs);
}

function answer(request) {
  const { id, op } = request;
  if (op === "hello") {
    const stages = Object.keys(STAGES).filter((name) => STAGES[name]);
    const about = { name: "adapter.mjs", version: "0.1", stages, chain: false, dtypes: ["float32"], noise: true };
    return { id, ok: true, protocol: "rvc-parity/1", ...about };
  }
  if (op !== "run_stage") return { id, ok: false, lacks: `this adapter does not implement ${op}` };
  try {
    runStage(request);
    return { id, ok: true };
  } catch (error) {
    return { id, ok: false, [error instanceof Lacks ? "lacks" : "error"]: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (request.op === "bye") break;
  process.stdout.write(JSON.stringify(answer(request)) + "\n");
}
process.exit(0);
