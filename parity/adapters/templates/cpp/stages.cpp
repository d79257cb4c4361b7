// The stages of this adapter: write a function, and put it in place of nullptr in STAGES.
//
// docs/spec of rvc-parity describes what each stage computes, with every constant.
#include <cmath>

#include "call.hpp"

// Each content frame repeated once: (1, frames, channels) becomes (1, 2 · frames, channels).
static Tensors content_upsampled(const Call& call) {
    const Tensor* blended = call.find("retrieval.blended");  // a case may use no index
    const Tensor& content = blended ? *blended : call.input("hubert.features");
    const size_t frames = content.shape[1], channels = content.shape[2];
    const std::vector<float> values = content.f32();
    std::vector<float> twice;
    twice.reserve(2 * values.size());
    for (size_t t = 0; t < 2 * frames; t++) {
        auto frame = values.begin() + static_cast<std::ptrdiff_t>(t / 2 * channels);
        twice.insert(twice.end(), frame, frame + static_cast<std::ptrdiff_t>(channels));
    }
    return {{call.name("content.upsampled"), Tensor::of({1, 2 * frames, channels}, twice)}};
}

// The prior sample: m + exp(logs) · noise · 0.66666, with the noise that the case gives.
static Tensors z_p(const Call& call) {
    const Tensor& mean = call.input("enc_p.m");
    std::vector<float> m = mean.f32(), logs = call.input("enc_p.logs").f32(), noise = call.input("noise.z").f32();
    for (size_t i = 0; i < m.size(); i++) m[i] += std::exp(logs[i]) * noise[i] * 0.66666f;
    return {{call.name("z_p"), Tensor::of(mean.shape, m)}};
}

// Every stage, in the order of a conversion. Only those with a function are declared to the judge.
const std::vector<std::pair<std::string, Stage>> STAGES = {
    // STAGES
};
