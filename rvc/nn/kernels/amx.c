/* Convolutions of frames on Intel AMX, with the accuracy of float32 or of bfloat16.
 *
 * AMX multiplies tiles of bfloat16, sixteen times as fast as the vector units multiply float32. A float32 number (24
 * significant bits) is the exact sum of three bfloat16 terms (8 bits each). Of the nine products of two numbers' terms,
 * the three smallest lie below float32's resolution; the other six are computed. That is the bf16x3 split product.
 *
 *   y[t, n] = bias[n] + sum over taps j and channels k of x[t * stride + offsets[j] - pad, k] * w[j, n, k]
 *
 * The terms of the signal lie in strips of 32 channels. Within a strip, one tap is a shift by frames, and every tile is
 * one contiguous kilobyte. Every y is summed in the same order for any number of threads and any division of the signal
 * into pieces. This file is compiled for OpenMP and uses the runtime that torch has loaded, so the threads are torch's.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && __GNUC__ >= 11
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")
#include <cpuid.h>
#include <immintrin.h>
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "amx_activations.h"
#include "amx_split.h"

enum {
    /* Sizes were chosen by timing on the machine of docs/performance.md. */
    SUM_DEPTH = 24,            /* tiles in depth, taps included, that are summed before the sums leave the tiles */
    MIN_SUM_DEPTH = 8,         /* tiles in depth of one tap that are summed at least, whatever the number of taps */
    OWN_BYTES = 700 << 10,     /* bytes of split frames that one thread holds in L2 */
    SHARED_BYTES = 1400 << 10, /* bytes of split frames that all threads share */
    L1_BYTES = 32 << 10,       /* bytes of split frames of one block that stay in L1 */
    L2_PANELS = 8,             /* panels whose weights stay in L2 beside such a block */
    MIN_BLOCKS = 3,            /* blocks of 32 frames that a thread computes at a time at least */
};

struct convolution {
    const float *x; /* the signal (in, k), its frames ldx apart */
    long ldx, in, k, taps;
    const long *offsets; /* the frame that each tap reads, ascending from 0 */
    long stride, pad;
    const bf16 *w; /* packed by rvc_pack */
    int terms;
    long n, m; /* channels and frames of y */
    const float *bias, *addend;
    long ldo;
    float slope_before, slope_after;
    int gelu;
    float *y;
    long ldy;
};

/* Whether the processor has AMX and Linux grants it to this process, which must request it. */
int rvc_amx_available(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(d >> 22 & 1) || !(d >> 24 & 1)) return 0; /* AMX-BF16, AMX-TILE */
    if (!(b >> 16 & 1) || !(b >> 30 & 1)) return 0; /* AVX512F, AVX512BW */
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return 0; /* AVX512_BF16 */
    fit_curves();
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* The number of bfloat16 numbers that rvc_pack writes. */
long rvc_packed_size(long taps, long n, long k, int terms) {
    return ceil_div(n, DEPTH) * taps * ceil_div(k, DEPTH) * terms * 2 * TILE;
}

/* Pack weights (taps, n, k) into tiles, ordered by 32 outputs (a panel), tap, 32 inputs, term and 16 outputs. */
void rvc_pack(const float *w, long taps, long n, long k, int terms, bf16 *out) {
    long panels = ceil_div(n, DEPTH), steps = ceil_div(k, DEPTH);
#pragma omp parallel for collapse(2) schedule(static)
    for (long p = 0; p < panels; p++)
        for (long j = 0; j < taps; j++)
            for (long s = 0; s < steps; s++)
                for (int c = 0; c < 2; c++) {
                    bf16 *tile = out + (((p * taps + j) * steps + s) * terms * 2 + c) * TILE;
                    pack(w + j * n * k, k, n, k, p * DEPTH + c * SIDE, s * DEPTH, terms, tile);
                }
}

/* Configure all eight tiles as 16 rows of 64 bytes: 0 to 3 for sums, 4 and 5 for frames, 6 and 7 for weights. */
static void configure(void) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } tiles __attribute__((aligned(64)));
    memset(&tiles, 0, sizeof tiles);
    tiles.palette = 1;
    for (int i = 0; i < 8; i++) tiles.bytes[i] = 64, tiles.rows[i] = SIDE;
    _tile_loadconfig(&tiles);
}

/* The place of frame r in a strip of `height` frames. The frames that one tap reads, a stride apart, are adjacent. */
static inline long strip_index(long r, long stride, long height) { return r % stride * (height / stride) + r / stride; }

/* Split frames first to last - 1, counted from frame `origin`, channels k0 to k1 - 1, into strips of terms. */
static void split_frames(const struct convolution *g, long first, long last, long origin, long k0, long k1,
                         bf16 *strips, long height) {
    __m512 slope = _mm512_set1_ps(g->slope_before);
    for (long r = first; r < last; r++) {
        long frame = origin + r, position = strip_index(r, g->stride, height);
        const float *x = g->x + frame * g->ldx;
        for (long k = k0, s = 0; k < k1; k += DEPTH, s++) {
            __m512 a = _mm512_setzero_ps(), b = a;
            if (frame >= 0 && frame < g->in) load32(x + k, g->k - k, &a, &b);
            if (g->slope_before != 1.0f) {
                a = _mm512_max_ps(_mm512_mul_ps(a, slope), a);
                b = _mm512_max_ps(_mm512_mul_ps(b, slope), b);
            }
            split(a, b, g->terms, strips + (s * g->terms * height + position) * DEPTH, height * DEPTH);
        }
    }
}

/* Prefetching of the next panel's weights into L2 while this panel is multiplied: `each` cache lines per tile product,
 * from byte `line` on. Without it, convolutions of few frames take a tenth longer. */
struct prefetch {
    long line;
    int each;
};
static const struct prefetch NO_PREFETCH = {0, 0};

#define LA(l) _tile_loadd(4, a + (l)*strip, 64); if (frames > SIDE) _tile_loadd(5, a + (l)*strip + TILE, 64)
#define LB(l) _tile_loadd(6, b + (l)*2 * TILE, 64); _tile_loadd(7, b + (l)*2 * TILE + TILE, 64)
#define DP                                                                             \
    _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);                                  \
    if (frames > SIDE) { _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7); }             \
    for (int i = 0; i < next.each; i++, line += 64) _mm_prefetch(line, _MM_HINT_T1);

/* Multiply 16 or 32 frames by a panel's 32 outputs: `steps` of its `all` tiles in depth for each tap. From one product
 * of terms to the next, one of the two operands stays loaded. Products are added from the smallest to the largest. */
static inline __attribute__((always_inline)) void multiply_tiles(const struct convolution *g, const bf16 *strips,
                                                                 long height, const bf16 *panel, long steps, long all,
                                                                 int terms, int frames, struct prefetch next,
                                                                 float *sums) {
    long strip = height * DEPTH, panels = g->taps * all * terms * 2 * TILE;
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    for (long j = 0; j < g->taps; j++) {
        const bf16 *a = strips + strip_index(g->offsets[j], g->stride, height) * DEPTH;
        const bf16 *b = panel + j * all * terms * 2 * TILE;
        for (long s = 0; s < steps; s++, a += terms * strip, b += terms * 2 * TILE) {
            const char *line = (const char *)(b + panels) + next.line;
            if (terms == 3) {
                LA(2); LB(0); DP
                LA(1); DP
                LB(1); DP
                LA(0); DP
                LB(2); DP
                LB(0); DP
            } else if (terms == 2) {
                LA(1); LB(0); DP
                LA(0); DP
                LB(1); DP
            } else {
                LA(0); LB(0); DP
            }
        }
    }
    _tile_stored(0, sums, 128); _tile_stored(1, sums + SIDE, 128);
    if (frames > SIDE) { _tile_stored(2, sums + SIDE * DEPTH, 128); _tile_stored(3, sums + SIDE * DEPTH + SIDE, 128); }
}

/* The same for up to 32 frames: sums (32, 32), undefined beyond `frames`. */
static void multiply(const struct convolution *g, const bf16 *strips, long height, const bf16 *panel, long steps,
                     long all, long frames, struct prefetch next, float *sums) {
#define AS(terms, frames) multiply_tiles(g, strips, height, panel, steps, all, terms, frames, next, sums)
    if (g->terms == 3 && frames > SIDE) AS(3, 2 * SIDE);
    else if (g->terms == 3) AS(3, SIDE);
    else if (g->terms == 2 && frames > SIDE) AS(2, 2 * SIDE);
    else if (g->terms == 2) AS(2, SIDE);
    else if (frames > SIDE) AS(1, 2 * SIDE);
    else AS(1, SIDE);
#undef AS
}

/* Store the sums of up to 32 frames and outputs; begin, end: whether they are the first or last partial sums of y. */
static inline void store_block(const struct convolution *g, const float *sums, long t, long frames, long n, int begin,
                               int end) {
    __m512 slope = _mm512_set1_ps(g->slope_after);
    for (int half = 0; half < 2 && n < g->n; half++, n += SIDE, sums += SIDE) {
        __mmask16 mask = column_mask(g->n - n);
        __m512 bias = g->bias && begin ? _mm512_maskz_loadu_ps(mask, g->bias + n) : _mm512_setzero_ps();
        for (long r = 0; r < frames; r++) {
            float *y = g->y + (t + r) * g->ldy + n;
            __m512 v = _mm512_loadu_ps(sums + r * DEPTH);
            v = _mm512_add_ps(v, begin ? bias : _mm512_maskz_loadu_ps(mask, y));
            if (begin && g->addend) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, g->addend + (t + r) * g->ldo + n));
            if (end && g->slope_after != 1.0f) v = _mm512_max_ps(_mm512_mul_ps(v, slope), v);
            if (end && g->gelu) v = gelu_512(v);
            _mm512_mask_storeu_ps(y, mask, v);
        }
    }
}

/* Multiply and store one block of up to 32 frames, from frame r on, by panel p. */
static void multiply_block(const struct convolution *g, const bf16 *strips, long height, long t, long r, long frames,
                           long p, long s0, long s1, struct prefetch next) {
    float sums[2 * SIDE * DEPTH] __attribute__((aligned(64)));
    long all = ceil_div(g->k, DEPTH);
    const bf16 *panel = g->w + (p * g->taps * all + s0) * g->terms * 2 * TILE;
    multiply(g, strips + r * DEPTH, height, panel, s1 - s0, all, frames, next, sums);
    store_block(g, sums, t + r, frames, p * DEPTH, s0 == 0, s1 == all);
}

/* Compute panels first to last - 1 of `count` split frames from frame t on, for the channels of steps s0 to s1 - 1:
 * block by block where a block's terms stay in L1 and the weights in L2, else panel by panel. */
static void multiply_panels(const struct convolution *g, const bf16 *strips, long height, long t, long count, long first,
                            long last, long s0, long s1) {
    long products = g->terms * (g->terms + 1) / 2, passes = ceil_div(count, 2 * SIDE);
    int each = (int)ceil_div(ceil_div(g->terms * 32, passes), products); /* a term of a step has 32 cache lines */
    if (2 * SIDE * g->terms * 64 * (s1 - s0) <= L1_BYTES && last - first <= L2_PANELS) {
        for (long r = 0; r < count; r += 2 * SIDE)
            for (long p = first; p < last; p++)
                multiply_block(g, strips, height, t, r, MIN(count - r, 2 * SIDE), p, s0, s1, NO_PREFETCH);
        return;
    }
    for (long p = first; p < last; p++)
        for (long r = 0; r < count; r += 2 * SIDE) {
            struct prefetch next = {r / (2 * SIDE) * each * products * 64, each};
            multiply_block(g, strips, height, t, r, MIN(count - r, 2 * SIDE), p, s0, s1, next);
        }
}

/* For few frames: all threads split them into one scratch buffer, and each computes outputs of its own. */
static void multiply_by_columns(const struct convolution *g, bf16 *scratch, long height, long steps, long thread,
                                long threads) {
    long all = ceil_div(g->k, DEPTH), panels = ceil_div(g->n, DEPTH);
    for (long s = 0; s < all; s += steps) {
        long to = MIN(s + steps, all);
        if (s) {
#pragma omp barrier
        }
        split_frames(g, height * thread / threads, height * (thread + 1) / threads, -g->pad, s * DEPTH, to * DEPTH,
                     scratch, height);
#pragma omp barrier
        multiply_panels(g, scratch, height, 0, g->m, panels * thread / threads, panels * (thread + 1) / threads, s, to);
    }
}

/* For many frames: each thread computes frames of its own, `count` at a time, whose terms stay in its L2. */
static void multiply_by_frames(const struct convolution *g, bf16 *scratch, long height, long steps, long count,
                               long thread, long threads) {
    long all = ceil_div(g->k, DEPTH), panels = ceil_div(g->n, DEPTH), chunks = ceil_div(g->m, count);
    for (long c = chunks * thread / threads; c < chunks * (thread + 1) / threads; c++)
        for (long s = 0; s < all; s += steps) {
            long t = c * count, frames = MIN(count, g->m - t), to = MIN(s + steps, all);
            split_frames(g, 0, height, t * g->stride - g->pad, s * DEPTH, to * DEPTH, scratch, height);
            multiply_panels(g, scratch, height, t, frames, 0, panels, s, to);
        }
}

/* Convolve a signal: frames (in, k) to frames (m, n).
 *
 * offsets                   : the frame that each tap reads, ascending from 0
 * slope_before, slope_after : slopes of a LeakyReLU on the signal and on the result, 1 for none
 * addend                    : frames (m, n) added to the result; may be y
 * gelu                      : whether the exact GELU is applied last
 * returns                   : 0, or 1 when memory cannot be allocated
 */
int rvc_convolve(const float *x, long ldx, long in, long k, long taps, const long *offsets, long stride,
                 long pad, const bf16 *w, int terms, long n, long m, const float *bias, const float *addend, long ldo,
                 float slope_before, float slope_after, int gelu, float *y, long ldy) {
    struct convolution g = {.x = x, .ldx = ldx, .in = in, .k = k, .taps = taps, .offsets = offsets, .stride = stride,
                            .pad = pad, .w = w, .terms = terms, .n = n, .m = m, .bias = bias, .addend = addend,
                            .ldo = ldo, .slope_before = slope_before, .slope_after = slope_after, .gelu = gelu,
                            .y = y, .ldy = ldy};
    long threads = omp_get_max_threads(), all = ceil_div(k, DEPTH), reach = offsets[taps - 1] + 1;
    long steps = ceil_div(all, ceil_div(all, MAX(SUM_DEPTH / taps, MIN_SUM_DEPTH))); /* depends on the weight only */
    long frame = steps * terms * 64; /* bytes of one split frame */
    long count = ceil_div(m, 2 * SIDE) * 2 * SIDE, height = (count - 1) * stride + reach;
    int by_columns = ceil_div(n, DEPTH) >= threads && height * frame <= SHARED_BYTES;
    if (!by_columns) {
        long largest = MAX(OWN_BYTES / frame / stride / (2 * SIDE), MIN_BLOCKS) * 2 * SIDE;
        long turns = ceil_div(m, largest * threads);
        count = ceil_div(ceil_div(m, turns * threads), 2 * SIDE) * 2 * SIDE; /* pieces of equal length */
        height = (count - 1) * stride + reach;
    }
    height = ceil_div(height, stride) * stride;
    if (!(height & 63)) height += stride; /* strips a power of two apart would fall into the same few cache sets */
    long size = ceil_div(height * frame, PAGE) * PAGE;
    bf16 *scratch = borrow_scratch(by_columns ? size : size * threads);
    if (!scratch) return 1;
#pragma omp parallel num_threads(threads)
    {
        long thread = omp_get_thread_num(), team = omp_get_num_threads();
        configure();
        if (by_columns) multiply_by_columns(&g, scratch, height, steps, thread, team);
        else multiply_by_frames(&g, scratch + size / sizeof(bf16) * thread, height, steps, count, thread, team);
        _tile_release();
    }
    return 0;
}

#include "amx_attention.h"

#else
int rvc_amx_available(void) { return 0; }
#endif
