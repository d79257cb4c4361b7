/* Attention of every row to every row, a head at a time. */

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
        __m512 a = raise(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x), most), by));
        __m512 b = raise(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + SIDE), most), by));
        sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
        split(a, b, limbs, strips + s * limbs * DEPTH * DEPTH, DEPTH * DEPTH);
    }
    return _mm512_reduce_add_ps(sum);
}

/* What one thread needs for a head: n rows are `steps` blocks of 32, its channels `deep`. */
struct head {
    long n, width, steps, deep;
    int limbs;
    bf16 *keys, *values, *asked, *weights; /* two packed, and the strips of 32 rows of queries and of weights */
    float *scores;
};

static size_t head_size(long steps, long deep, int limbs) {
    return (4 * steps * deep * limbs * TILE + (deep + steps) * limbs * DEPTH * DEPTH) * sizeof(bf16)
        + steps * DEPTH * DEPTH * sizeof(float);
}

static struct head settle(bf16 *room, long n, long width, int limbs) {
    long steps = up(n, DEPTH), deep = up(width, DEPTH);
    bf16 *values = room + 2 * steps * deep * limbs * TILE, *asked = values + 2 * steps * deep * limbs * TILE;
    bf16 *weights = asked + deep * limbs * DEPTH * DEPTH;
    float *scores = (float *)(weights + steps * limbs * DEPTH * DEPTH);
    return (struct head){n, width, steps, deep, limbs, room, values, asked, weights, scores};
}

static void pack_head(const struct head *h, const float *k, long ldk, const float *v, long ldv) {
    for (long s = 0; s < h->steps; s++)
        for (long d = 0; d < h->deep; d++)
            for (int c = 0; c < 2; c++) {
                bf16 *key = h->keys + ((s * h->deep + d) * h->limbs * 2 + c) * TILE;
                bf16 *value = h->values + ((d * h->steps + s) * h->limbs * 2 + c) * TILE;
                pack(k, ldk, h->n, h->width, s * DEPTH + c * SIDE, d * DEPTH, h->limbs, key);
                pack_transposed(v, ldv, h->width, h->n, d * DEPTH + c * SIDE, s * DEPTH, h->limbs, value);
            }
}

/* What up to 32 rows from t on hear. */
static void hear(const struct head *h, const struct work *g, long t, float scale, float *y, long ldy) {
    float sums[2 * SIDE * DEPTH] __attribute__((aligned(64))), whole[DEPTH];
    long rows = MIN(h->n - t, DEPTH), panel = 2 * h->limbs * TILE;
    spread(g, 0, DEPTH, t, 0, h->deep * DEPTH, h->asked, DEPTH);
    for (long s = 0; s < h->steps; s++)
        multiply(g, h->asked, DEPTH, h->keys + s * h->deep * panel, h->deep, h->deep, rows, NOTHING_AHEAD,
                 h->scores + s * DEPTH * DEPTH);
    for (long r = 0; r < rows; r++)
        whole[r] = weigh(h->scores + r * DEPTH, h->steps, h->n, scale, h->limbs, h->weights + r * DEPTH);
    for (long d = 0; d < h->deep; d++) {
        multiply(g, h->weights, DEPTH, h->values + d * h->steps * panel, h->steps, h->steps, rows, NOTHING_AHEAD, sums);
        for (long r = 0; r < rows; r++)
            for (long c = d * DEPTH; c < MIN(h->width, (d + 1) * DEPTH); c++)
                y[(t + r) * ldy + c] = sums[r * DEPTH + c % DEPTH] / whole[r];
    }
}

/* q, k, v (n, heads * width) → y, the same; scale is positive. Returns 0, or 1 without memory. */
int rvc_attend(const float *q, long ldq, const float *k, long ldk, const float *v, long ldv, long n, long heads,
               long width, float scale, int limbs, float *y, long ldy) {
    static const long none[1] = {0};
    long failed = 0;
#pragma omp parallel reduction(+ : failed)
    {
        bf16 *room = lend(head_size(up(n, DEPTH), up(width, DEPTH), limbs));
        struct head one = settle(room, n, width, limbs);
        failed = !room;
        configure();
#pragma omp for schedule(static)
        for (long h = 0; h < heads; h++) {
            if (failed) continue;
            long c = h * width;
            struct work g = {.x = q + c, .ldx = ldq, .in = n, .k = width, .taps = 1, .at = none, .stride = 1,
                             .limbs = limbs, .before = 1};
            pack_head(&one, k + c, ldk, v + c, ldv);
            for (long t = 0; t < n; t += DEPTH) hear(&one, &g, t, scale, y + c, ldy);
        }
        _tile_release();
    }
    return failed != 0;
}
