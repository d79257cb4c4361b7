/* Products of rows on the processor's matrix tiles (Intel AMX), in float32's accuracy or in bfloat16's.
 *
 * A float32 number is the sum of three bfloat16 ones (8 + 8 + 8 bits): its limbs. Of the nine products of two numbers' limbs the six
 * largest carry all that float32 can hold, and the tiles multiply bfloat16 sixteen times as fast as the vector units do float32.
 *
 *   y[t, n] = bias[n] + sum over taps j and channels k of x[t * stride + at[j] - pad, k] * w[j, n, k]
 *
 * The signal's limbs lie in strips of 32 channels, so that a tap is a shift by rows and every tile is one kilobyte in a row.
 * Every y is summed in one order, whatever the number of threads and however a signal is cut. Threads are torch's own: this file is
 * compiled for OpenMP and finds the runtime that torch brought.
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

typedef uint16_t bf16;
enum { DEPTH = 32, SIDE = 16, TILE = 512, BLOCK = 24, ROOM = 700 << 10, SHARED = 1400 << 10, LEAST = 8, FEW = 3, PAGE = 4096 };
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* A polynomial through f at Chebyshev's points of a stretch: in powers of the place within it, -1/2 … 1/2, `step` apart. */
enum { TERMS = 7 };
static void fit(double (*f)(double), double middle, double width, int terms, float *out, long step) {
    double at[TERMS], slope[TERMS], sum[TERMS] = {0};
    for (int i = 0; i < terms; i++) at[i] = cos(M_PI * (i + 0.5) / terms) / 2, slope[i] = f(middle + width * at[i]);
    for (int d = 1; d < terms; d++)          /* Newton's differences … */
        for (int i = terms - 1; i >= d; i--) slope[i] = (slope[i] - slope[i - 1]) / (at[i] - at[i - d]);
    for (int d = terms - 1; d >= 0; d--) {   /* … multiplied out */
        for (int i = terms - 1; i > 0; i--) sum[i] = sum[i - 1] - at[d] * sum[i];
        sum[0] = slope[d] - at[d] * sum[0];
    }
    for (int i = 0; i < terms; i++) out[i * step] = (float)sum[i];
}

/* How much of the normal distribution lies beyond a, of degree 4 in each of 32 stretches of a from 0 to 8: 2e-8 off at most, and the
 * tail keeps its relative size; 2 to the power of -1/2 … 1/2, of degree 6: 2e-9 off. */
enum { STRETCHES = 32, TAIL = 5, POWER = 7 };
static float beyond[TAIL][STRETCHES], power[POWER];
static double tail(double a) { return erfc(a / sqrt(2)) / 2; }

static void prepare_polynomials(void) {
    for (int s = 0; s < STRETCHES; s++) fit(tail, (s + 0.5) / 4, 0.25, TAIL, &beyond[0][s], STRETCHES);
    fit(exp2, 0, 1, POWER, power, 1);
}

/* The exact GELU, x times the normal distribution up to x: the larger of x and 0, less |x| times what lies beyond |x|. */
static inline __m512 bend(__m512 x) {
    __m512 a = _mm512_min_ps(_mm512_abs_ps(x), _mm512_set1_ps(7.999f)), place = _mm512_mul_ps(a, _mm512_set1_ps(4));
    __m512i s = _mm512_cvttps_epi32(place);
    place = _mm512_sub_ps(place, _mm512_add_ps(_mm512_cvtepi32_ps(s), _mm512_set1_ps(0.5f)));
    __m512 sum = _mm512_setzero_ps();
    for (int i = TAIL - 1; i >= 0; i--)
        sum = _mm512_fmadd_ps(sum, place, _mm512_permutex2var_ps(_mm512_loadu_ps(beyond[i]), s, _mm512_loadu_ps(beyond[i] + SIDE)));
    return _mm512_fnmadd_ps(a, sum, _mm512_max_ps(_mm512_setzero_ps(), x));
}

/* e to the power of x, for x from -87 to 0; less is -87. */
static inline __m512 raise(__m512 x) {
    x = _mm512_max_ps(_mm512_set1_ps(-87), x);
    __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps((float)M_LOG2E)), 0), sum = _mm512_set1_ps(power[POWER - 1]);
    __m512 rest = _mm512_fmsub_ps(x, _mm512_set1_ps((float)M_LOG2E), whole);
    rest = _mm512_fmadd_ps(x, _mm512_set1_ps((float)(M_LOG2E - (float)M_LOG2E)), rest);
    for (int i = POWER - 2; i >= 0; i--) sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(power[i]));
    return _mm512_scalef_ps(sum, whole);
}

/* Whether the processor has the tiles and the system lends them to this process (Linux asks to be asked). */
int rvc_tiles(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return 0;
    if (!(b >> 16 & 1) || !(b >> 30 & 1)) return 0;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return 0;
    prepare_polynomials();
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
}

static inline __m512 low(__m512i pair) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(pair)), 16)); }
static inline __m512 high(__m512i pair) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(pair, 1)), 16)); }

/* 32 numbers into their limbs, the largest first, `step` apart. */
static inline void split(__m512 a, __m512 b, int limbs, bf16 *out, size_t step) {
    for (int l = 0; l < limbs; l++) {
        __m512i limb = (__m512i)_mm512_cvtne2ps_pbh(b, a);
        _mm512_storeu_si512(out + l * step, limb);
        if (l + 1 < limbs) a = _mm512_sub_ps(a, low(limb)), b = _mm512_sub_ps(b, high(limb));
    }
}

static inline void load32(const float *x, long k, __m512 *a, __m512 *b) {
    if (k >= DEPTH) { *a = _mm512_loadu_ps(x), *b = _mm512_loadu_ps(x + SIDE); return; }
    uint32_t mask = k <= 0 ? 0 : (1u << k) - 1;
    *a = _mm512_maskz_loadu_ps((__mmask16)mask, x), *b = _mm512_maskz_loadu_ps((__mmask16)(mask >> SIDE), x + SIDE);
}

static long up(long a, long b) { return (a + b - 1) / b; }

/* How many bfloat16 numbers rvc_pack writes. */
long rvc_packed(long taps, long n, long k, int limbs) { return up(n, DEPTH) * taps * up(k, DEPTH) * limbs * 2 * TILE; }

/* 16 outputs from o, 32 inputs from s, of a weight (n, k) whose rows lie ld apart into tiles, those of one limb beside another's `half` of outputs. */
static void pack(const float *w, long ld, long n, long k, long o, long s, int limbs, bf16 *out) {
    uint32_t limb[3][SIDE][SIDE];
    for (int i = 0; i < SIDE; i++) {
        __m512 a = _mm512_setzero_ps(), b = a;
        if (o + i < n) load32(w + (o + i) * ld + s, k - s, &a, &b);
        split(a, b, limbs, (bf16 *)limb[0][i], 2 * SIDE * SIDE);
    }
    for (int l = 0; l < limbs; l++) {
        uint32_t *tile = (uint32_t *)(out + l * 2 * TILE);
        for (int r = 0; r < SIDE; r++)
            for (int i = 0; i < SIDE; i++) tile[r * SIDE + i] = limb[l][i][r];
    }
}

/* The same of a weight (k, n), transposed. */
static void pack_transposed(const float *w, long ld, long n, long k, long o, long s, int limbs, bf16 *out) {
    __mmask16 mask = n - o >= SIDE ? 0xffff : n <= o ? 0 : (__mmask16)((1 << (n - o)) - 1);
    __m512i order = _mm512_add_epi16(_mm512_set1_epi32(SIDE << 16), _mm512_mullo_epi32(_mm512_set1_epi32(0x10001),
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
    for (int r = 0; r < SIDE; r++, s += 2) {
        const float *x = w + s * ld + o;
        __m512 a = s < k ? _mm512_maskz_loadu_ps(mask, x) : _mm512_setzero_ps(), b = s + 1 < k ? _mm512_maskz_loadu_ps(mask, x + ld) : _mm512_setzero_ps();
        split(a, b, limbs, out + r * DEPTH, 2 * TILE);
        for (int l = 0; l < limbs; l++) {
            bf16 *row = out + l * 2 * TILE + r * DEPTH;
            _mm512_storeu_si512(row, _mm512_permutexvar_epi16(order, _mm512_loadu_si512(row)));
        }
    }
}

/* Weights (taps, n, k) into tiles: by 32 outputs, tap, 32 inputs, limb, 16 outputs. */
void rvc_pack(const float *w, long taps, long n, long k, int limbs, bf16 *out) {
    long panels = up(n, DEPTH), steps = up(k, DEPTH);
#pragma omp parallel for collapse(2) schedule(static)
    for (long p = 0; p < panels; p++)
        for (long j = 0; j < taps; j++)
            for (long s = 0; s < steps; s++)
                for (int c = 0; c < 2; c++)
                    pack(w + j * n * k, k, n, k, p * DEPTH + c * SIDE, s * DEPTH, limbs, out + (((p * taps + j) * steps + s) * limbs * 2 + c) * TILE);
}

struct work {
    const float *x; long ldx, in, k, taps; const long *at; long stride, pad;
    const bf16 *w; int limbs; long n, m;
    const float *bias, *other; long ldo; float before, after; int gelu;
    float *y; long ldy;
};

static void configure(void) {
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } tiles __attribute__((aligned(64)));
    memset(&tiles, 0, sizeof tiles);
    tiles.palette = 1;
    for (int i = 0; i < 8; i++) tiles.bytes[i] = 64, tiles.rows[i] = SIDE;
    _tile_loadconfig(&tiles);
}

/* Limbs of rows first … last, channels k0 … k1, into strips of `height` rows: those that a stride apart are read lie side by side. */
static void spread(const struct work *g, long first, long last, long origin, long k0, long k1, bf16 *strips, long height) {
    __m512 slope = _mm512_set1_ps(g->before);
    for (long r = first; r < last; r++) {
        long row = origin + r, place = r % g->stride * (height / g->stride) + r / g->stride;
        const float *x = g->x + row * g->ldx;
        for (long k = k0, s = 0; k < k1; k += DEPTH, s++) {
            bf16 *out = strips + (s * g->limbs * height + place) * DEPTH;
            __m512 a = _mm512_setzero_ps(), b = a;
            if (row >= 0 && row < g->in) load32(x + k, g->k - k, &a, &b);
            if (g->before != 1.0f) a = _mm512_max_ps(_mm512_mul_ps(a, slope), a), b = _mm512_max_ps(_mm512_mul_ps(b, slope), b);
            split(a, b, g->limbs, out, height * DEPTH);
        }
    }
}

#define LA(l) _tile_loadd(4, a + (l) * strip, 64); if (rows > SIDE) _tile_loadd(5, a + (l) * strip + TILE, 64)
#define LB(l) _tile_loadd(6, b + (l) * 2 * TILE, 64); _tile_loadd(7, b + (l) * 2 * TILE + TILE, 64)
#define DP _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7); if (rows > SIDE) { _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7); }

/* A stretch of the next panel's weights sets out for the second cache while the tiles multiply this panel's: without, a tenth slower. */
#define AHEAD for (int i = 0; i < each; i++, ahead += 64) _mm_prefetch(ahead, _MM_HINT_T1);

static inline __attribute__((always_inline)) void multiply(const struct work *g, const bf16 *strips, long height, const bf16 *panel, long steps,
        long all, int limbs, int rows, long line, int each, float *sums) {
    long strip = height * DEPTH, panels = g->taps * all * limbs * 2 * TILE;
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    for (long j = 0; j < g->taps; j++) {
        long at = g->at[j] % g->stride * (height / g->stride) + g->at[j] / g->stride;
        const bf16 *a = strips + at * DEPTH, *b = panel + j * all * limbs * 2 * TILE;
        for (long s = 0; s < steps; s++, a += limbs * strip, b += limbs * 2 * TILE) {
            const char *ahead = (const char *)(b + panels) + line;
            if (limbs == 3) {
                LA(2); LB(0); DP AHEAD
                LA(1); DP AHEAD
                LB(1); DP AHEAD
                LA(0); DP AHEAD
                LB(2); DP AHEAD
                LB(0); DP AHEAD
            } else if (limbs == 2) {
                LA(1); LB(0); DP AHEAD
                LA(0); DP AHEAD
                LB(1); DP AHEAD
            } else {
                LA(0); LB(0); DP AHEAD
            }
        }
    }
    _tile_stored(0, sums, 128); _tile_stored(1, sums + SIDE, 128);
    if (rows > SIDE) { _tile_stored(2, sums + SIDE * DEPTH, 128); _tile_stored(3, sums + SIDE * DEPTH + SIDE, 128); }
}

/* Sums of up to 32 rows and columns to where they belong. */
static inline void finish(const struct work *g, const float *sums, long t, long rows, long n, int begin, int end) {
    for (int half = 0; half < 2 && n < g->n; half++, n += SIDE, sums += SIDE) {
        __mmask16 mask = g->n - n >= SIDE ? 0xffff : (__mmask16)((1 << (g->n - n)) - 1);
        __m512 bias = g->bias && begin ? _mm512_maskz_loadu_ps(mask, g->bias + n) : _mm512_setzero_ps(), slope = _mm512_set1_ps(g->after);
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

/* Panels first … last of outputs t … t + count, whose limbs lie in strips, channels of steps s0 … s1. */
static void product(const struct work *g, const bf16 *strips, long height, long t, long count, long first, long last, long s0, long s1) {
    float sums[2 * SIDE * DEPTH] __attribute__((aligned(64)));
    long all = up(g->k, DEPTH), places = g->limbs * (g->limbs + 1) / 2, each = up(up(g->limbs * 32, up(count, 2 * SIDE)), places);
    for (long p = first; p < last; p++) {
        const bf16 *panel = g->w + (p * g->taps * all + s0) * g->limbs * 2 * TILE;
        for (long r = 0; r < count; r += 2 * SIDE) {
            long rows = MIN(count - r, 2 * SIDE);
            const bf16 *from = strips + r * DEPTH;
            long line = r / (2 * SIDE) * each * places * 64;
            if (g->limbs == 3 && rows > SIDE) multiply(g, from, height, panel, s1 - s0, all, 3, 2 * SIDE, line, each, sums);
            else if (g->limbs == 3) multiply(g, from, height, panel, s1 - s0, all, 3, SIDE, line, each, sums);
            else if (g->limbs == 2 && rows > SIDE) multiply(g, from, height, panel, s1 - s0, all, 2, 2 * SIDE, line, each, sums);
            else if (g->limbs == 2) multiply(g, from, height, panel, s1 - s0, all, 2, SIDE, line, each, sums);
            else if (rows > SIDE) multiply(g, from, height, panel, s1 - s0, all, 1, 2 * SIDE, line, each, sums);
            else multiply(g, from, height, panel, s1 - s0, all, 1, SIDE, line, each, sums);
            finish(g, sums, t + r, rows, p * DEPTH, s0 == 0, s1 == all);
        }
    }
}

/* Memory that the calling thread keeps until it ends: new pages would cost more than small products do. */
static pthread_key_t kept;
__attribute__((constructor)) static void prepare(void) { pthread_key_create(&kept, free); }

static bf16 *lend(size_t size) {
    char *room = pthread_getspecific(kept); /* a page that holds the size, and behind it what is lent */
    if (!room || *(size_t *)room < size) {
        free(room);
        room = aligned_alloc(PAGE, PAGE + size);
        pthread_setspecific(kept, room);
        if (!room) return NULL;
        *(size_t *)room = size;
    }
    return (bf16 *)(room + PAGE);
}

/* Rows (in, k) → rows (m, n). at: the taps' rows, in rising order from 0. before, after: slopes of a LeakyReLU before and behind, 1 for none; gelu: behind, the exact GELU; other: added too, and may be y. Returns 0, or 1 without memory. */
int rvc_rows(const float *x, long ldx, long in, long k, long taps, const long *at, long stride, long pad, const bf16 *w, int limbs, long n, long m,
             const float *bias, const float *other, long ldo, float before, float after, int gelu, float *y, long ldy) {
    struct work g = {x, ldx, in, k, taps, at, stride, pad, w, limbs, n, m, bias, other, ldo, before, after, gelu, y, ldy};
    long all = up(k, DEPTH), panels = up(n, DEPTH), reach = at[taps - 1] + 1;
    long threads = omp_get_max_threads(), steps = up(all, up(all, MAX(BLOCK / taps, LEAST))), row = steps * limbs * 64;
    long height = (up(m, 2 * SIDE) * 2 * SIDE - 1) * stride + reach;
    int wide = panels >= threads && height * row <= SHARED;    /* few rows: all threads share them, each has columns of its own */
    long count = m;
    if (!wide) {                                              /* else rows of its own, whose limbs stay in its second cache */
        long most = MAX(ROOM / row / stride / (2 * SIDE), FEW) * 2 * SIDE, turns = up(m, most * threads);
        count = up(up(m, turns * threads), 2 * SIDE) * 2 * SIDE;
        height = (count - 1) * stride + reach;
    }
    height = up(height, stride) * stride;
    if (!(height & 63)) height += stride;                     /* no power of two between strips */
    size_t size = (size_t)up(height * row, PAGE) * PAGE;
    bf16 *room = lend(wide ? size : size * threads);
    if (!room) return 1;
    long chunks = up(m, count);
#pragma omp parallel num_threads(threads)
    {
        long me = omp_get_thread_num(), of = omp_get_num_threads();
        configure();
        if (wide) {
            for (long s = 0; s < all; s += steps) {
                long to = MIN(s + steps, all);
                if (s) {
#pragma omp barrier
                }
                spread(&g, height * me / of, height * (me + 1) / of, -pad, s * DEPTH, to * DEPTH, room, height);
#pragma omp barrier
                product(&g, room, height, 0, m, panels * me / of, panels * (me + 1) / of, s, to);
            }
        } else {
            bf16 *mine = room + size / 2 * me;
            for (long c = chunks * me / of; c < chunks * (me + 1) / of; c++)
                for (long s = 0; s < all; s += steps) {
                    long t = c * count, some = MIN(count, m - t), to = MIN(s + steps, all);
                    spread(&g, 0, height, t * stride - pad, s * DEPTH, to * DEPTH, mine, height);
                    product(&g, mine, height, t, some, 0, panels, s, to);
                }
        }
        _tile_release();
    }
    return 0;
}
/* Products of up to 32 rows with a panel, by the number of limbs. */
static void block(const struct work *g, const bf16 *strips, const bf16 *panel, long steps, long rows, float *sums) {
    if (g->limbs == 3 && rows > SIDE) multiply(g, strips, DEPTH, panel, steps, steps, 3, 2 * SIDE, 0, 0, sums);
    else if (g->limbs == 3) multiply(g, strips, DEPTH, panel, steps, steps, 3, SIDE, 0, 0, sums);
    else if (g->limbs == 2 && rows > SIDE) multiply(g, strips, DEPTH, panel, steps, steps, 2, 2 * SIDE, 0, 0, sums);
    else if (g->limbs == 2) multiply(g, strips, DEPTH, panel, steps, steps, 2, SIDE, 0, 0, sums);
    else if (rows > SIDE) multiply(g, strips, DEPTH, panel, steps, steps, 1, 2 * SIDE, 0, 0, sums);
    else multiply(g, strips, DEPTH, panel, steps, steps, 1, SIDE, 0, 0, sums);
}

/* A row of scores, in blocks of 32 rows and columns, to e to their power in limbs; returns what they sum to. */
static float weigh(float *scores, long steps, long n, float scale, int limbs, bf16 *strips) {
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps(), by = _mm512_set1_ps(scale);
    for (long c = n; c < steps * DEPTH; c++) scores[c / DEPTH * DEPTH * DEPTH + c % DEPTH] = -INFINITY;
    for (long s = 0; s < steps; s++) {
        const float *x = scores + s * DEPTH * DEPTH;
        most = _mm512_max_ps(most, _mm512_max_ps(_mm512_loadu_ps(x), _mm512_loadu_ps(x + SIDE)));
    }
    most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (long s = 0; s < steps; s++) {
        const float *x = scores + s * DEPTH * DEPTH;
        __m512 a = raise(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x), most), by)), b = raise(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + SIDE), most), by));
        sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
        split(a, b, limbs, strips + s * limbs * DEPTH * DEPTH, DEPTH * DEPTH);
    }
    return _mm512_reduce_add_ps(sum);
}

/* Attention of every row to every row, a head at a time: q, k, v (n, heads * width) → y, the same. scale is positive. Returns 0, or 1 without memory. */
int rvc_attend(const float *q, long ldq, const float *k, long ldk, const float *v, long ldv, long n, long heads, long width, float scale,
               int limbs, float *y, long ldy) {
    long steps = up(n, DEPTH), deep = up(width, DEPTH), size = steps * deep * limbs * 2 * TILE, failed = 0;
    static const long none[1] = {0};
#pragma omp parallel reduction(+ : failed)
    {
        bf16 *keys = lend((2 * size + (deep + steps) * limbs * DEPTH * DEPTH + steps * 2 * DEPTH * DEPTH) * sizeof(bf16));
        bf16 *values = keys + size, *asked = values + size, *weights = asked + deep * limbs * DEPTH * DEPTH;
        float *scores = (float *)(weights + steps * limbs * DEPTH * DEPTH), sums[2 * SIDE * DEPTH] __attribute__((aligned(64))), whole[DEPTH];
        failed = !keys;
        configure();
#pragma omp for schedule(static)
        for (long h = 0; h < heads; h++) {
            if (failed) continue;
            struct work g = {.x = q + h * width, .ldx = ldq, .in = n, .k = width, .taps = 1, .at = none, .stride = 1, .limbs = limbs, .before = 1};
            for (long s = 0; s < steps; s++)
                for (long d = 0; d < deep; d++)
                    for (int c = 0; c < 2; c++) {
                        pack(k + h * width, ldk, n, width, s * DEPTH + c * SIDE, d * DEPTH, limbs, keys + ((s * deep + d) * limbs * 2 + c) * TILE);
                        pack_transposed(v + h * width, ldv, width, n, d * DEPTH + c * SIDE, s * DEPTH, limbs, values + ((d * steps + s) * limbs * 2 + c) * TILE);
                    }
            for (long t = 0; t < n; t += DEPTH) {
                long rows = MIN(n - t, DEPTH);
                spread(&g, 0, DEPTH, t, 0, deep * DEPTH, asked, DEPTH);
                for (long s = 0; s < steps; s++) block(&g, asked, keys + s * deep * limbs * 2 * TILE, deep, rows, scores + s * DEPTH * DEPTH);
                for (long r = 0; r < rows; r++) whole[r] = weigh(scores + r * DEPTH, steps, n, scale, limbs, weights + r * DEPTH);
                for (long d = 0; d < deep; d++) {
                    block(&g, weights, values + d * steps * limbs * 2 * TILE, steps, rows, sums);
                    for (long r = 0; r < rows; r++)
                        for (long c = d * DEPTH; c < MIN(width, (d + 1) * DEPTH); c++) y[(t + r) * ldy + h * width + c] = sums[r * DEPTH + c % DEPTH] / whole[r];
                }
            }
        }
        _tile_release();
    }
    return failed != 0;
}
#else
int rvc_tiles(void) { return 0; }
long rvc_packed(void) { return 0; }
void rvc_pack(void) {}
int rvc_rows(void) { return 1; }
int rvc_attend(void) { return 1; }
#endif
