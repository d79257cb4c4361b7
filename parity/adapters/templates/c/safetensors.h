/* safetensors files: eight bytes of header length, a JSON header, then the values, little endian and row-major.
 * The machine must be little endian too. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_RANK = 8 };

typedef struct {
    char *name;
    char dtype[8]; /* F32, F64, I64, I16 or F16 */
    int rank;
    size_t shape[MAX_RANK];
    size_t count; /* elements */
    size_t bytes;
    void *data;
} Tensor;

typedef struct {
    Tensor *items;
    size_t count;
} Tensors;

/* The reason of the last failure. */
extern char failure[256];
int fail(const char *format, const char *detail); /* sets it; returns 0 */

int tensors_read(const char *path, Tensors *into); /* 1, or 0 and `failure` */
int tensors_write(const char *path, const Tensors *tensors);
void tensors_free(Tensors *tensors);
Tensor *tensors_find(const Tensors *tensors, const char *name); /* NULL where there is none */

/* Append a tensor of zeros, whose `data` is to be filled. */
Tensor *tensors_add(Tensors *tensors, const char *name, const char *dtype, int rank, const size_t *shape);

const float *f32(const Tensor *tensor); /* NULL and `failure` where the dtype is another */
const double *f64(const Tensor *tensor);
const int64_t *i64(const Tensor *tensor);
float widened(uint16_t half); /* an element of an F16 tensor */

#endif
