/* Products of rows on the processor's matrix tiles (Intel AMX), in float32's accuracy or in bfloat16's.
 *
 * A float32 number is the sum of three bfloat16 ones (8 + 8 + 8 bits): its limbs. Of the nine products of two numbers'
 * limbs the six largest carry all that float32 can hold, and the tiles multiply bfloat16 sixteen times as fast as the
 * vector units do float32.
 *
 *   y[t, n] = bias[n] + sum over taps j and channels k of x[t * stride + at[j] - pad, k] * w[j, n, k]
 *
 * The signal's limbs lie in strips of 32 channels, so that a tap is a shift by rows and every tile is one kilobyte in a
 * row. Every y is summed in one order, whatever the number of threads and however a signal is cut. Threads are torch's
 * own: this file is compiled for OpenMP and finds the runtime that torch brought.
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
    BLOCK = 24,           /* tiles in depth, taps included, that are summed before the sums leave the tiles … */
    LEAST = 8,            /* … but so many channels' at least */
    ROOM = 700 << 10,     /* bytes of limbs of a thread's own rows, half of a second cache */
    SHARED = 1400 << 10,  /* bytes of limbs that threads share */
    NEAR = 32 << 10,      /* bytes of limbs that stay in the first cache */
    SOME = 8,             /* panels whose weights stay in the second beside them */
    FEW = 3,              /* blocks of 32 rows that are computed at a time at least */
};

struct work {
    const float *x; /* the signal (in, k), rows ldx apart */
    long ldx, in, k, taps;
    const long *at; /* the taps' rows, rising from 0 */
    long stride, pad;
    const bf16 *w; /* as rvc_pack lays it */
    int limbs;
    long n, m; /* columns and rows of y */
    const float *bias, *other;
    long ldo;
    float before, after;
    int gelu;
    float *y;
    long ldy;
};

/* Whether the processor has the tiles and the system lends them to this process (Linux wants to be asked). */
int rvc_tiles(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(d >> 22 & 1) || !(d >> 24 & 1)) return 0; /* AMX-BF16, AMX-TILE */
    if (!(b >> 16 & 1) || !(b >> 30 & 1)) return 0; /* AVX512F, AVX512BW */
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return 0; /* AVX512_BF16 */
    fit_curves();
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* How many bfloat16 numbers rvc_pack writes. */
long rvc_packed(long taps, long n, long k, int limbs) {
    return up(n, DEPTH) * taps * up(k, DEPTH) * limbs * 2 * TILE;
}

/* Weights (taps, n, k) into tiles: by 32 outputs (a panel), tap, 32 inputs, limb, 16 outputs. */
void rvc_pack(const float *w, long taps, long n, long k, int limbs, bf16 *out) {
    long panels = up(n, DEPTH), steps = up(k, DEPTH);
#pragma omp parallel for collapse(2) schedule(static)
    for (long p = 0; p < panels; p++)
        for (long j = 0; j < taps; j++)
            for (long s = 0; s < steps; s++)
                for (int c = 0; c < 2; c++) {
                    bf16 *tile = out + (((p * taps + j) * steps + s) * limbs * 2 + c) * TILE;
                    pack(w + j * n * k, k, n, k, p * DEPTH + c * SIDE, s * DEPTH, limbs, tile);
                }
}

/* All eight tiles of sixteen rows of 64 bytes: 0 to 3 for sums, 4 and 5 for rows, 6 and 7 for weights. */
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

/* Where row r lies in a strip of `height` rows: those that one tap reads, a stride apart, lie side by side. */
static inline long placed(long r, long stride, long height) { return r % stride * (height / stride) + r / stride; }

/* Limbs of rows first … last, counted from row `origin`, channels k0 … k1, into strips. */
static void spread(const struct work *g, long first, long last, long origin, long k0, long k1, bf16 *strips,
                   long height) {
    __m512 slope = _mm512_set1_ps(g->before);
    for (long r = first; r < last; r++) {
        long row = origin + r, place = placed(r, g->stride, height);
        const float *x = g->x + row * g->ldx;
        for (long k = k0, s = 0; k < k1; k += DEPTH, s++) {
            __m512 a = _mm512_setzero_ps(), b = a;
            if (row >= 0 && row < g->in) load32(x + k, g->k - k, &a, &b);
            if (g->before != 1.0f) {
                a = _mm512_max_ps(_mm512_mul_ps(a, slope), a);
                b = _mm512_max_ps(_mm512_mul_ps(b, slope), b);
            }
            split(a, b, g->limbs, strips + (s * g->limbs * height + place) * DEPTH, height * DEPTH);
        }
    }
}

/* A stretch of the next panel's weights, from `line` on, `each` lines behind every product: they set out for the second
 * cache while the tiles multiply this panel's. Without, few rows take a tenth longer. */
struct ahead {
    long line;
    int each;
};
static const struct ahead NOTHING_AHEAD = {0, 0};

#define LA(l) _tile_loadd(4, a + (l)*strip, 64); if (rows > SIDE) _tile_loadd(5, a + (l)*strip + TILE, 64)
#define LB(l) _tile_loadd(6, b + (l)*2 * TILE, 64); _tile_loadd(7, b + (l)*2 * TILE + TILE, 64)
#define DP                                                                             \
    _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);                                  \
    if (rows > SIDE) { _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7); }             \
    for (int i = 0; i < next.each; i++, line += 64) _mm_prefetch(line, _MM_HINT_T1);

/* `rows` rows, 16 or 32, by a panel's 32 columns: `steps` of its `all` tiles in depth for each tap. Each product changes
 * one of its two sides, the smallest go first. */
static inline __attribute__((always_inline)) void multiply_as(const struct work *g, const bf16 *strips, long height,
                                                              const bf16 *panel, long steps, long all, int limbs,
                                                              int rows, struct ahead next, float *sums) {
    long strip = height * DEPTH, panels = g->taps * all * limbs * 2 * TILE;
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    for (long j = 0; j < g->taps; j++) {
        const bf16 *a = strips + placed(g->at[j], g->stride, height) * DEPTH, *b = panel + j * all * limbs * 2 * TILE;
        for (long s = 0; s < steps; s++, a += limbs * strip, b += limbs * 2 * TILE) {
            const char *line = (const char *)(b + panels) + next.line;
            if (limbs == 3) {
                LA(2); LB(0); DP
                LA(1); DP
                LB(1); DP
                LA(0); DP
                LB(2); DP
                LB(0); DP
            } else if (limbs == 2) {
                LA(1); LB(0); DP
                LA(0); DP
                LB(1); DP
            } else {
                LA(0); LB(0); DP
            }
        }
    }
    _tile_stored(0, sums, 128); _tile_stored(1, sums + SIDE, 128);
    if (rows > SIDE) { _tile_stored(2, sums + SIDE * DEPTH, 128); _tile_stored(3, sums + SIDE * DEPTH + SIDE, 128); }
}

/* The same of up to 32 rows: sums (32, 32), of which those beyond `rows` mean nothing. */
static void multiply(const struct work *g, const bf16 *strips, long height, const bf16 *panel, long steps, long all,
                     long rows, struct ahead next, float *sums) {
#define AS(limbs, rows) multiply_as(g, strips, height, panel, steps, all, limbs, rows, next, sums)
    if (g->limbs == 3 && rows > SIDE) AS(3, 2 * SIDE);
    else if (g->limbs == 3) AS(3, SIDE);
    else if (g->limbs == 2 && rows > SIDE) AS(2, 2 * SIDE);
    else if (g->limbs == 2) AS(2, SIDE);
    else if (rows > SIDE) AS(1, 2 * SIDE);
    else AS(1, SIDE);
#undef AS
}

/* Sums of up to 32 rows and columns to where they belong; begin, end: whether they are the first, or the last, of y's. */
static inline void finish(const struct work *g, const float *sums, long t, long rows, long n, int begin, int end) {
    __m512 slope = _mm512_set1_ps(g->after);
    for (int half = 0; half < 2 && n < g->n; half++, n += SIDE, sums += SIDE) {
        __mmask16 mask = columns(g->n - n);
        __m512 bias = g->bias && begin ? _mm512_maskz_loadu_ps(mask, g->bias + n) : _mm512_setzero_ps();
        for (long r = 0; r < rows; r++) {
            float *y = g->y + (t + r) * g->ldy + n;
            __m512 v = _mm512_loadu_ps(sums + r * DEPTH);
            v = _mm512_add_ps(v, begin ? bias : _mm512_maskz_loadu_ps(mask, y));
            if (begin && g->other) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, g->other + (t + r) * g->ldo + n));
            if (end && g->after != 1.0f) v = _mm512_max_ps(_mm512_mul_ps(v, slope), v);
            if (end && g->gelu) v = bend(v);
            _mm512_mask_storeu_ps(y, mask, v);
        }
    }
}

/* One block of 32 rows, from row r on, by panel p. */
static void square(const struct work *g, const bf16 *strips, long height, long t, long r, long rows, long p, long s0,
                   long s1, struct ahead next) {
    float sums[2 * SIDE * DEPTH] __attribute__((aligned(64)));
    long all = up(g->k, DEPTH);
    const bf16 *panel = g->w + (p * g->taps * all + s0) * g->limbs * 2 * TILE;
    multiply(g, strips + r * DEPTH, height, panel, s1 - s0, all, rows, next, sums);
    finish(g, sums, t + r, rows, p * DEPTH, s0 == 0, s1 == all);
}

/* Panels first … last of `count` rows from t on, whose limbs lie in strips, channels of steps s0 … s1: block by block
 * where a block's limbs stay in the first cache and the weights in the second, else panel by panel. */
static void product(const struct work *g, const bf16 *strips, long height, long t, long count, long first, long last,
                    long s0, long s1) {
    long products = g->limbs * (g->limbs + 1) / 2, passes = up(count, 2 * SIDE);
    int each = (int)up(up(g->limbs * 32, passes), products); /* a step's limbs are 32 lines each */
    if (2 * SIDE * g->limbs * 64 * (s1 - s0) <= NEAR && last - first <= SOME) {
        for (long r = 0; r < count; r += 2 * SIDE)
            for (long p = first; p < last; p++)
                square(g, strips, height, t, r, MIN(count - r, 2 * SIDE), p, s0, s1, NOTHING_AHEAD);
        return;
    }
    for (long p = first; p < last; p++)
        for (long r = 0; r < count; r += 2 * SIDE) {
            struct ahead next = {r / (2 * SIDE) * each * products * 64, each};
            square(g, strips, height, t, r, MIN(count - r, 2 * SIDE), p, s0, s1, next);
        }
}

/* Few rows: all threads spread them into one room, and each has columns of its own. */
static void share(const struct work *g, bf16 *room, long height, long steps, long me, long of) {
    long all = up(g->k, DEPTH), panels = up(g->n, DEPTH);
    for (long s = 0; s < all; s += steps) {
        long to = MIN(s + steps, all);
        if (s) {
#pragma omp barrier
        }
        spread(g, height * me / of, height * (me + 1) / of, -g->pad, s * DEPTH, to * DEPTH, room, height);
#pragma omp barrier
        product(g, room, height, 0, g->m, panels * me / of, panels * (me + 1) / of, s, to);
    }
}

/* Many rows: each thread has its own, `count` at a time, whose limbs stay in its second cache. */
static void divide(const struct work *g, bf16 *room, long height, long steps, long count, long me, long of) {
    long all = up(g->k, DEPTH), panels = up(g->n, DEPTH), chunks = up(g->m, count);
    for (long c = chunks * me / of; c < chunks * (me + 1) / of; c++)
        for (long s = 0; s < all; s += steps) {
            long t = c * count, rows = MIN(count, g->m - t), to = MIN(s + steps, all);
            spread(g, 0, height, t * g->stride - g->pad, s * DEPTH, to * DEPTH, room, height);
            product(g, room, height, t, rows, 0, panels, s, to);
        }
}

/* Rows (in, k) → rows (m, n).
 *
 * at            : the taps' rows, rising from 0
 * before, after : slopes of a LeakyReLU before and behind, 1 for none
 * other         : added too, and may be y
 * gelu          : behind all, the exact GELU
 * returns       : 0, or 1 without memory
 */
int rvc_rows(const float *x, long ldx, long in, long k, long taps, const long *at, long stride, long pad, const bf16 *w,
             int limbs, long n, long m, const float *bias, const float *other, long ldo, float before, float after,
             int gelu, float *y, long ldy) {
    struct work g = {.x = x, .ldx = ldx, .in = in, .k = k, .taps = taps, .at = at, .stride = stride, .pad = pad,
                     .w = w, .limbs = limbs, .n = n, .m = m, .bias = bias, .other = other, .ldo = ldo,
                     .before = before, .after = after, .gelu = gelu, .y = y, .ldy = ldy};
    long threads = omp_get_max_threads(), all = up(k, DEPTH), reach = at[taps - 1] + 1;
    long steps = up(all, up(all, MAX(BLOCK / taps, LEAST))), row = steps * limbs * 64; /* depends on the weight alone */
    long count = up(m, 2 * SIDE) * 2 * SIDE, height = (count - 1) * stride + reach;
    int few = up(n, DEPTH) >= threads && height * row <= SHARED;
    if (!few) {
        long most = MAX(ROOM / row / stride / (2 * SIDE), FEW) * 2 * SIDE, turns = up(m, most * threads);
        count = up(up(m, turns * threads), 2 * SIDE) * 2 * SIDE; /* stretches as long as each other */
        height = (count - 1) * stride + reach;
    }
    height = up(height, stride) * stride;
    if (!(height & 63)) height += stride; /* strips a power of two apart would share a few of the cache's sets */
    long size = up(height * row, PAGE) * PAGE;
    bf16 *room = lend(few ? size : size * threads);
    if (!room) return 1;
#pragma omp parallel num_threads(threads)
    {
        long me = omp_get_thread_num(), of = omp_get_num_threads();
        configure();
        if (few) share(&g, room, height, steps, me, of);
        else divide(&g, room + size / sizeof(bf16) * me, height, steps, count, me, of);
        _tile_release();
    }
    return 0;
}

#include "amx_attention.h"

#else
int rvc_tiles(void) { return 0; }
#endif
