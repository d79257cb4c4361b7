/* Attention of every frame to every frame, one head at a time. */

/* The exponentials of one row of scores, which lie in blocks of 32 by 32, split into terms; returns their sum. */
static float softmax_row(float *scores, long steps, long n, float scale, int terms, bf16 *strips) {
    __m512 largest = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps(), by = _mm512_set1_ps(scale);
    for (long c = n; c < steps * DEPTH; c++) scores[c / DEPTH * DEPTH * DEPTH + c % DEPTH] = -INFINITY;
    for (long s = 0; s < steps; s++) {
        const float *x = scores + s * DEPTH * DEPTH;
        largest = _mm512_max_ps(largest, _mm512_max_ps(_mm512_loadu_ps(x), _mm512_loadu_ps(x + SIDE)));
    }
    largest = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    for (long s = 0; s < steps; s++) {
        const float *x = scores + s * DEPTH * DEPTH;
        __m512 a = exp_512(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x), largest), by));
        __m512 b = exp_512(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + SIDE), largest), by));
        sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
        split(a, b, terms, strips + s * terms * DEPTH * DEPTH, DEPTH * DEPTH);
    }
    return _mm512_reduce_add_ps(sum);
}

/* The memory of one thread for a head: n frames are `steps` blocks of 32, its channels `deep` blocks. */
struct head {
    long n, width, steps, deep;
    int terms;
    bf16 *keys, *values, *queries, *weights; /* keys and values packed; 32 frames of queries and of weights in strips */
    float *scores;
};

static size_t head_size(long steps, long deep, int terms) {
    return (4 * steps * deep * terms * TILE + (deep + steps) * terms * DEPTH * DEPTH) * sizeof(bf16)
        + steps * DEPTH * DEPTH * sizeof(float);
}

static struct head lay_out_head(bf16 *scratch, long n, long width, int terms) {
    long steps = ceil_div(n, DEPTH), deep = ceil_div(width, DEPTH);
    bf16 *values = scratch + 2 * steps * deep * terms * TILE, *queries = values + 2 * steps * deep * terms * TILE;
    bf16 *weights = queries + deep * terms * DEPTH * DEPTH;
    float *scores = (float *)(weights + steps * terms * DEPTH * DEPTH);
    return (struct head){n, width, steps, deep, terms, scratch, values, queries, weights, scores};
}

static void pack_head(const struct head *h, const float *k, long ldk, const float *v, long ldv) {
    for (long s = 0; s < h->steps; s++)
        for (long d = 0; d < h->deep; d++)
            for (int c = 0; c < 2; c++) {
                bf16 *key = h->keys + ((s * h->deep + d) * h->terms * 2 + c) * TILE;
                bf16 *value = h->values + ((d * h->steps + s) * h->terms * 2 + c) * TILE;
                pack(k, ldk, h->n, h->width, s * DEPTH + c * SIDE, d * DEPTH, h->terms, key);
                pack_transposed(v, ldv, h->width, h->n, d * DEPTH + c * SIDE, s * DEPTH, h->terms, value);
            }
}

/* The attention of up to 32 frames from t on. */
static void attend_block(const struct head *h, const struct convolution *g, long t, float scale, float *y, long ldy) {
    float sums[2 * SIDE * DEPTH] __attribute__((aligned(64))), totals[DEPTH];
    long frames = MIN(h->n - t, DEPTH), panel = 2 * h->terms * TILE;
    split_frames(g, 0, DEPTH, t, 0, h->deep * DEPTH, h->queries, DEPTH);
    for (long s = 0; s < h->steps; s++)
        multiply(g, h->queries, DEPTH, h->keys + s * h->deep * panel, h->deep, h->deep, frames, NO_PREFETCH,
                 h->scores + s * DEPTH * DEPTH);
    for (long r = 0; r < frames; r++)
        totals[r] = softmax_row(h->scores + r * DEPTH, h->steps, h->n, scale, h->terms, h->weights + r * DEPTH);
    for (long d = 0; d < h->deep; d++) {
        multiply(g, h->weights, DEPTH, h->values + d * h->steps * panel, h->steps, h->steps, frames, NO_PREFETCH, sums);
        for (long r = 0; r < frames; r++)
            for (long c = d * DEPTH; c < MIN(h->width, (d + 1) * DEPTH); c++)
                y[(t + r) * ldy + c] = sums[r * DEPTH + c % DEPTH] / totals[r];
    }
}

/* q, k, v (n, heads * width) to y of the same shape; scale is positive. Returns 0, or 1 when memory runs out. */
int rvc_attend(const float *q, long ldq, const float *k, long ldk, const float *v, long ldv, long n, long heads,
               long width, float scale, int terms, float *y, long ldy) {
    static const long none[1] = {0};
    long failed = 0;
#pragma omp parallel reduction(+ : failed)
    {
        bf16 *scratch = borrow_scratch(head_size(ceil_div(n, DEPTH), ceil_div(width, DEPTH), terms));
        struct head one = lay_out_head(scratch, n, width, terms);
        failed = !scratch;
        configure();
#pragma omp for schedule(static)
        for (long h = 0; h < heads; h++) {
            if (failed) continue;
            long c = h * width;
            struct convolution g = {.x = q + c, .ldx = ldq, .in = n, .k = width, .taps = 1, .offsets = none,
                                    .stride = 1, .terms = terms, .slope_before = 1};
            pack_head(&one, k + c, ldk, v + c, ldv);
            for (long t = 0; t < n; t += DEPTH) attend_block(&one, &g, t, scale, y + c, ldy);
        }
        _tile_release();
    }
    return failed != 0;
}
