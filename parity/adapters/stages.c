/* A candidate in plain C: content upsampling, protection, and the sine source of both generations.
 *
 * No library but the standard one. Requests come as JSON lines on stdin, answers go to stdout, tensors lie in safetensors
 * files: eight bytes of header length, a JSON header, then the values, all little endian. The machine must be little endian too.
 *
 *     cc -O2 -o stages stages.c -lm
 *     rvc-parity check --candidate ./stages
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FAULT
#define FAULT 0 /* 1: linear upsampling, 2: protect scales the wrong side, 3: phase one sample early */
#endif

typedef struct {
    float *values;
    long shape[4];
    int rank;
    size_t count;
} Tensor;

static char error[256]; /* the sentence of the last failure */

static int fail(const char *sentence, const char *detail) {
    snprintf(error, sizeof error, sentence, detail);
    return 0;
}

/* ---- JSON: the value after a key, as text; a request is small and its keys are unique ---- */

static const char *after(const char *text, const char *key) {
    char quoted[160];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *value = strstr(text, quoted);
    if (!value) return NULL;
    value = strchr(value + strlen(quoted), ':');
    if (!value) return NULL;
    value++;
    while (*value == ' ') value++;
    return value;
}

static int text_of(const char *line, const char *key, char *into, size_t room) {
    const char *from = after(line, key);
    if (!from || *from != '"') return fail("the request has no %s", key);
    size_t n = 0;
    for (from++; *from && *from != '"' && n + 1 < room; from++) {
        if (*from == '\\' && from[1]) from++;
        into[n++] = *from;
    }
    into[n] = 0;
    return 1;
}

static double number_of(const char *line, const char *key, double otherwise) {
    const char *from = after(line, key);
    return from ? strtod(from, NULL) : otherwise;
}

/* ---- safetensors ---- */

static int load(const char *path, const char *name, Tensor *into) {
    FILE *file = fopen(path, "rb");
    if (!file) return fail("%s cannot be opened", path);
    uint64_t length = 0;
    char *header = NULL;
    int good = fread(&length, 8, 1, file) == 1 && length < (1u << 26);
    if (good) {
        header = calloc(length + 1, 1);
        good = header && fread(header, 1, length, file) == length;
    }
    const char *entry = good ? after(header, name) : NULL;
    const char *shape = entry ? after(entry, "shape") : NULL;
    const char *offsets = entry ? after(entry, "data_offsets") : NULL;
    if (!shape || !offsets || strncmp(after(entry, "dtype"), "\"F32\"", 5)) {
        fclose(file);
        free(header);
        return fail("the inputs hold no float32 %s", name);
    }
    into->rank = 0;
    into->count = 1;
    for (shape++; *shape != ']' && into->rank < 4;) {
        char *end;
        long size = strtol(shape, &end, 10);
        if (end == shape) break;
        into->shape[into->rank++] = size;
        into->count *= (size_t)size;
        shape = end;
        while (*shape == ',' || *shape == ' ') shape++;
    }
    long long start = strtoll(offsets + 1, NULL, 10);
    into->values = malloc(into->count * sizeof(float) + 1);
    good = into->values && !fseek(file, (long)(8 + length + (uint64_t)start), SEEK_SET) &&
           fread(into->values, sizeof(float), into->count, file) == into->count;
    fclose(file);
    free(header);
    return good ? 1 : fail("%s is cut short", path);
}

static int save(const char *path, const char **names, Tensor *tensors, int count) {
    char header[2048] = "{";
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        char shape[96] = "";
        for (int d = 0; d < tensors[i].rank; d++) {
            char one[32];
            snprintf(one, sizeof one, "%s%ld", d ? "," : "", tensors[i].shape[d]);
            strcat(shape, one);
        }
        char entry[400];
        size_t bytes = tensors[i].count * sizeof(float);
        snprintf(entry, sizeof entry, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
                 names[i], shape, at, at + bytes);
        strcat(header, entry);
        at += bytes;
    }
    strcat(header, "}");
    while (strlen(header) % 8) strcat(header, " ");
    uint64_t length = strlen(header);
    FILE *file = fopen(path, "wb");
    if (!file) return fail("%s cannot be written", path);
    int good = fwrite(&length, 8, 1, file) == 1 && fwrite(header, 1, length, file) == length;
    for (int i = 0; i < count && good; i++)
        good = fwrite(tensors[i].values, sizeof(float), tensors[i].count, file) == tensors[i].count;
    return fclose(file) == 0 && good ? 1 : fail("%s cannot be written completely", path);
}

static Tensor make(int rank, long a, long b, long c) {
    Tensor t = {NULL, {a, b, c, 0}, rank, (size_t)(a * b * (rank > 2 ? c : 1))};
    t.values = calloc(t.count + 1, sizeof(float));
    return t;
}

static void name_of(char *into, const char *prefix, const char *local) { sprintf(into, "%s%s", prefix, local); }

/* ---- the stages ---- */

static int upsample(const char *prefix, const char *inputs, const char *outputs) {
    char name[128];
    Tensor x, y;
    name_of(name, prefix, "retrieval.blended");
    if (!load(inputs, name, &x)) {
        name_of(name, prefix, "hubert.features");
        if (!load(inputs, name, &x)) return 0;
    }
    long n = x.shape[1], width = x.shape[2];
    y = make(3, 1, 2 * n, width);
    for (long t = 0; t < 2 * n; t++)
        for (long c = 0; c < width; c++) {
            float value = x.values[t / 2 * width + c];
            if (FAULT == 1 && t % 2 && t / 2 + 1 < n) value = 0.5f * (value + x.values[(t / 2 + 1) * width + c]);
            y.values[t * width + c] = value;
        }
    name_of(name, prefix, "content.upsampled");
    const char *names[] = {name};
    int good = save(outputs, names, &y, 1);
    free(x.values);
    free(y.values);
    return good;
}

static int protect(const char *prefix, const char *inputs, const char *outputs, double amount) {
    char name[128];
    Tensor x, features, hz;
    name_of(name, prefix, "content.upsampled");
    if (!load(inputs, name, &x)) return 0;
    name_of(name, prefix, "hubert.features");
    if (!load(inputs, name, &features)) return 0;
    int pitched = load(inputs, "f0.hz", &hz);
    if (pitched && amount < 0.5)
        for (long t = 0; t < x.shape[1]; t++) {
            float kept = hz.values[t] > 0 ? 1.0f : hz.values[t];
            if (hz.values[t] < 1) kept = (float)amount;
            if (FAULT == 2 && hz.values[t] < 1) kept = 1 - kept;
            for (long c = 0; c < x.shape[2]; c++) {
                float *value = &x.values[t * x.shape[2] + c];
                float blended = *value * kept, plain = features.values[t / 2 * x.shape[2] + c] * (1 - kept);
                *value = blended + plain;
            }
        }
    name_of(name, prefix, "content.protected");
    const char *names[] = {name};
    int good = save(outputs, names, &x, 1);
    free(x.values);
    free(features.values);
    if (pitched) free(hz.values);
    return good;
}

/* The phase is the running sum of F0 / rate in double precision, which both generations of the original approximate. */
static int source(const char *prefix, const char *inputs, const char *outputs, const char *voice, double rate) {
    char noise_name[128], sine_name[128], source_name[128];
    Tensor hz, noise, weight, bias;
    name_of(noise_name, prefix, "noise.nsf");
    if (!load(inputs, "f0.hz", &hz) || !load(inputs, noise_name, &noise)) return 0;
    if (!load(voice, "dec.m_source.l_linear.weight", &weight)) return 0;
    if (!load(voice, "dec.m_source.l_linear.bias", &bias)) return 0;
    long frames = hz.shape[1], samples = noise.shape[1], upp = samples / frames;
    Tensor sine = make(3, 1, samples, 1), excitation = make(3, 1, 1, samples);
    double phase = 0, two_pi = 2 * acos(-1);
    for (long n = 0; n < samples; n++) {
        float f0 = hz.values[n / upp];
        float step = fmodf(f0 / (float)rate, 1.0f);
        if (FAULT != 3) phase = fmod(phase + step, 1.0);
        float wave = f0 > 0 ? (float)(sin(phase * two_pi) * 0.1) : 0.0f;
        if (FAULT == 3) phase = fmod(phase + step, 1.0);
        float loudness = f0 > 0 ? 0.003f : 0.1f / 3;
        sine.values[n] = wave + loudness * noise.values[n];
        excitation.values[n] = tanhf(sine.values[n] * weight.values[0] + bias.values[0]);
    }
    name_of(sine_name, prefix, "nsf.sine");
    name_of(source_name, prefix, "nsf.source");
    const char *names[] = {sine_name, source_name};
    Tensor both[] = {sine, excitation};
    int good = save(outputs, names, both, 2);
    free(hz.values);
    free(noise.values);
    free(weight.values);
    free(bias.values);
    free(sine.values);
    free(excitation.values);
    return good;
}

static int run_stage(const char *line) {
    char stage[64], prefix[64], inputs[1024], outputs[1024], voice[1024];
    if (!text_of(line, "stage", stage, sizeof stage) || !text_of(line, "prefix", prefix, sizeof prefix) ||
        !text_of(line, "inputs", inputs, sizeof inputs) || !text_of(line, "outputs", outputs, sizeof outputs))
        return 0;
    if (!strcmp(stage, "content.upsampled")) return upsample(prefix, inputs, outputs);
    if (!strcmp(stage, "content.protected")) return protect(prefix, inputs, outputs, number_of(line, "protect", 0.33));
    if (!strcmp(stage, "nsf")) {
        const char *files = after(line, "files");
        if (!files || !text_of(files, "voice", voice, sizeof voice)) return fail("the case names no voice in %s", "files");
        return source(prefix, inputs, outputs, voice, number_of(line, "rate", 40000));
    }
    return fail("this adapter has no stage %s", stage);
}

int main(void) {
    static char line[1 << 16];
    while (fgets(line, sizeof line, stdin)) {
        char op[32] = "";
        int id = (int)number_of(line, "id", -1);
        text_of(line, "op", op, sizeof op);
        if (!strcmp(op, "bye")) break;
        if (!strcmp(op, "hello"))
            printf("{\"id\":%d,\"ok\":true,\"protocol\":\"rvc-parity/1\",\"name\":\"stages.c\",\"version\":\"1\","
                   "\"stages\":[\"content.upsampled\",\"content.protected\",\"nsf\"],\"chain\":false,"
                   "\"dtypes\":[\"float32\"],\"noise\":true}\n", id);
        else if (!strcmp(op, "run_stage") && run_stage(line))
            printf("{\"id\":%d,\"ok\":true}\n", id);
        else
            printf("{\"id\":%d,\"ok\":false,\"error\":\"%s\"}\n", id, *error ? error : "this adapter does not implement the operation");
        error[0] = 0;
        fflush(stdout);
    }
    return 0;
}
