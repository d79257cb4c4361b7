//! The stages of this adapter: write a function, and put `Some(function)` in place of `None` in STAGES.
//!
//! docs/spec of rvc-parity describes what each stage computes, with every constant.

use crate::safetensors::{Tensor, Tensors};
use crate::{Call, Failure};

pub type Stage = fn(&Call) -> Result<Tensors, Failure>;

/// Each content frame repeated once: (1, frames, channels) becomes (1, 2 · frames, channels).
fn content_upsampled(call: &Call) -> Result<Tensors, Failure> {
    let content = match call.find("retrieval.blended") {
        Some(blended) => blended,
        None => call.input("hubert.features")?, // the case uses no index
    };
    let (frames, channels, values) = (content.shape[1], content.shape[2], content.f32s()?);
    let mut twice = Vec::with_capacity(2 * values.len());
    for frame in values.chunks_exact(channels) {
        twice.extend_from_slice(frame);
        twice.extend_from_slice(frame);
    }
    let made = Tensor::from_f32(&[1, 2 * frames, channels], &twice);
    Ok(Tensors::from([(call.name("content.upsampled"), made)]))
}

/// The prior sample: m + exp(logs) · noise · 0.66666, with the noise that the case gives.
fn z_p(call: &Call) -> Result<Tensors, Failure> {
    let mean = call.input("enc_p.m")?;
    let (m, logs, noise) = (mean.f32s()?, call.input("enc_p.logs")?.f32s()?, call.input("noise.z")?.f32s()?);
    let sample: Vec<f32> = (0..m.len()).map(|i| m[i] + logs[i].exp() * noise[i] * 0.66666).collect();
    Ok(Tensors::from([(call.name("z_p"), Tensor::from_f32(&mean.shape, &sample))]))
}

/// Every stage, in the order of a conversion. Only those with a function are declared to the judge.
#[rustfmt::skip]
pub const STAGES: &[(&str, Option<Stage>)] = &[
    // STAGES
];
