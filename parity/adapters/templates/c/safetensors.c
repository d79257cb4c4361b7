#include "safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

char failure[256];

int fail(const char *format, const char *detail) {
    snprintf(failure, sizeof failure, format, detail);
    return 0;
}

static size_t width_of(const char *dtype) {
    if (!strcmp(dtype, "F64") || !strcmp(dtype, "I64")) return 8;
    if (!strcmp(dtype, "F32")) return 4;
    return !strcmp(dtype, "F16") || !strcmp(dtype, "I16") ? 2 : 0;
}

Tensor *tensors_add(Tensors *tensors, const char *name, const char *dtype, int rank, const size_t *shape) {
    Tensor *grown = realloc(tensors->items, (tensors->count + 1) * sizeof *grown);
    if (!grown || rank > MAX_RANK) abort();
    tensors->items = grown;
    Tensor *tensor = &grown[tensors->count++];
    *tensor = (Tensor){.rank = rank, .count = 1};
    snprintf(tensor->dtype, sizeof tensor->dtype, "%s", dtype);
    for (int i = 0; i < rank; i++) tensor->count *= tensor->shape[i] = shape[i];
    tensor->bytes = tensor->count * width_of(dtype);
    tensor->name = malloc(strlen(name) + 1);
    tensor->data = calloc(tensor->bytes + 1, 1);
    if (!tensor->name || !tensor->data) abort();
    strcpy(tensor->name, name);
    return tensor;
}

static int read_entry(FILE *file, uint64_t start, const Json *entry, Tensors *into) {
    const char *dtype = json_text(entry, "dtype");
    const Json *shape = json_get(entry, "shape"), *place = json_get(entry, "data_offsets");
    if (!dtype || !shape || !place || !place->first || !width_of(dtype)) return 0;
    size_t sizes[MAX_RANK];
    int rank = 0;
    for (const Json *size = shape->first; size; size = size->next) {
        if (rank == MAX_RANK) return 0;
        sizes[rank++] = (size_t)size->number;
    }
    Tensor *tensor = tensors_add(into, entry->key, dtype, rank, sizes);
    return !fseek(file, (long)(start + (uint64_t)place->first->number), SEEK_SET) &&
           fread(tensor->data, 1, tensor->bytes, file) == tensor->bytes;
}

int tensors_read(const char *path, Tensors *into) {
    *into = (Tensors){0};
    FILE *file = fopen(path, "rb");
    if (!file) return fail("%s cannot be read", path);
    uint64_t length = 0;
    char *text = NULL;
    int good = fread(&length, 8, 1, file) == 1 && length < (1u << 28) && (text = calloc(length + 1, 1)) &&
               fread(text, 1, length, file) == length;
    Json *header = good ? json_parse(text) : NULL;
    good = header && header->kind == JSON_OBJECT;
    for (const Json *entry = good ? header->first : NULL; entry && good; entry = entry->next)
        if (strcmp(entry->key, "__metadata__")) good = read_entry(file, 8 + length, entry, into);
    json_free(header);
    free(text);
    fclose(file);
    return good ? 1 : fail("%s is no complete safetensors file of known dtypes", path);
}

int tensors_write(const char *path, const Tensors *tensors) {
    FILE *file = fopen(path, "wb");
    if (!file) return fail("%s cannot be written", path);
    fwrite("\0\0\0\0\0\0\0", 8, 1, file); /* the length of the header, which is written last */
    fputc('{', file);
    size_t at = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        const Tensor *tensor = &tensors->items[i];
        if (i) fputc(',', file);
        json_quote(file, tensor->name);
        fprintf(file, ":{\"dtype\":\"%s\",\"shape\":[", tensor->dtype);
        for (int d = 0; d < tensor->rank; d++) fprintf(file, "%s%zu", d ? "," : "", tensor->shape[d]);
        fprintf(file, "],\"data_offsets\":[%zu,%zu]}", at, at + tensor->bytes);
        at += tensor->bytes;
    }
    fputc('}', file);
    while (ftell(file) % 8) fputc(' ', file);
    uint64_t length = (uint64_t)ftell(file) - 8;
    for (size_t i = 0; i < tensors->count; i++) fwrite(tensors->items[i].data, 1, tensors->items[i].bytes, file);
    int good = !fseek(file, 0, SEEK_SET) && fwrite(&length, 8, 1, file) == 1 && !ferror(file);
    return fclose(file) == 0 && good ? 1 : fail("%s cannot be written completely", path);
}

void tensors_free(Tensors *tensors) {
    for (size_t i = 0; i < tensors->count; i++) {
        free(tensors->items[i].name);
        free(tensors->items[i].data);
    }
    free(tensors->items);
    *tensors = (Tensors){0};
}

Tensor *tensors_find(const Tensors *tensors, const char *name) {
    for (size_t i = 0; i < tensors->count; i++)
        if (!strcmp(tensors->items[i].name, name)) return &tensors->items[i];
    return NULL;
}

static const void *values(const Tensor *tensor, const char *dtype) {
    if (!strcmp(tensor->dtype, dtype)) return tensor->data;
    fail("a tensor is not %s, which is expected", dtype);
    return NULL;
}

const float *f32(const Tensor *tensor) { return values(tensor, "F32"); }
const double *f64(const Tensor *tensor) { return values(tensor, "F64"); }
const int64_t *i64(const Tensor *tensor) { return values(tensor, "I64"); }

float widened(uint16_t half) {
    float sign = half >> 15 ? -1.0f : 1.0f;
    int exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 0) return sign * ldexpf((float)fraction, -24);
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * ldexpf((float)(1024 + fraction), exponent - 25);
}
