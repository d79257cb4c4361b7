/* The stages of this adapter: write a function, and put it in place of NULL in STAGES.
 *
 * docs/spec of rvc-parity describes what each stage computes, with every constant. */
#include <math.h>
#include <string.h>

#include "adapter.h"

/* Each content frame repeated once: (1, frames, channels) becomes (1, 2 * frames, channels). */
static Result content_upsampled(Call *call) {
    const Tensor *content = call_find(call, "retrieval.blended"); /* a case may use no index */
    if (!content) content = call_input(call, "hubert.features");
    const float *values = content ? f32(content) : NULL;
    if (!values) return FAILED;
    const size_t frames = content->shape[1], channels = content->shape[2];
    Tensor *made = call_output(call, "content.upsampled", "F32", 3, (size_t[]){1, 2 * frames, channels});
    float *twice = made->data;
    for (size_t t = 0; t < 2 * frames; t++)
        memcpy(twice + t * channels, values + t / 2 * channels, channels * sizeof *twice);
    return DONE;
}

/* The prior sample: m + exp(logs) * noise * 0.66666, with the noise that the case gives. */
static Result z_p(Call *call) {
    const Tensor *mean = call_input(call, "enc_p.m"), *deviation = mean ? call_input(call, "enc_p.logs") : NULL;
    const Tensor *drawn = deviation ? call_input(call, "noise.z") : NULL;
    const float *m = drawn ? f32(mean) : NULL, *logs = m ? f32(deviation) : NULL, *noise = logs ? f32(drawn) : NULL;
    if (!noise) return FAILED;
    float *sample = call_output(call, "z_p", "F32", mean->rank, mean->shape)->data;
    for (size_t i = 0; i < mean->count; i++) sample[i] = m[i] + expf(logs[i]) * noise[i] * 0.66666f;
    return DONE;
}

/* Every stage, in the order of a conversion. Only those with a function are declared to the judge. */
const Stage STAGES[] = {
    // STAGES
};
const size_t STAGE_COUNT = sizeof STAGES / sizeof *STAGES;
