/* Splitting float32 numbers into bfloat16 terms, the largest first, and packing split weights into tiles. */

typedef uint16_t bf16;
enum { DEPTH = 32, SIDE = 16, TILE = DEPTH * SIDE, PAGE = 4096 };
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
static long ceil_div(long a, long b) { return (a + b - 1) / b; }

/* Widen sixteen bfloat16 numbers to float32. */
static inline __m512 widen(__m256i half) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* Split 32 numbers into their terms, stored `step` apart. */
static inline void split(__m512 a, __m512 b, int terms, bf16 *out, size_t step) {
    for (int l = 0; l < terms; l++) {
        __m512i term = (__m512i)_mm512_cvtne2ps_pbh(b, a);
        _mm512_storeu_si512(out + l * step, term);
        if (l + 1 == terms) break;
        a = _mm512_sub_ps(a, widen(_mm512_castsi512_si256(term)));
        b = _mm512_sub_ps(b, widen(_mm512_extracti64x4_epi64(term, 1)));
    }
}

/* Load 32 numbers, of which the first k exist; the others are 0. */
static inline void load32(const float *x, long k, __m512 *a, __m512 *b) {
    if (k >= DEPTH) {
        *a = _mm512_loadu_ps(x), *b = _mm512_loadu_ps(x + SIDE);
        return;
    }
    uint32_t mask = k <= 0 ? 0 : (1u << k) - 1;
    *a = _mm512_maskz_loadu_ps((__mmask16)mask, x), *b = _mm512_maskz_loadu_ps((__mmask16)(mask >> SIDE), x + SIDE);
}

/* A mask of sixteen columns, of which the first n exist. */
static inline __mmask16 column_mask(long n) { return n >= SIDE ? 0xffff : n <= 0 ? 0 : (__mmask16)((1 << n) - 1); }

/* Pack 16 outputs from o on and 32 inputs from s on of a weight (n, k), whose rows are ld apart: one tile per term. The
 * two tiles of a term's 32 outputs are adjacent, so the next term's tile is two further. */
static void pack(const float *w, long ld, long n, long k, long o, long s, int terms, bf16 *out) {
    uint32_t term[3][SIDE][SIDE];
    for (int i = 0; i < SIDE; i++) {
        __m512 a = _mm512_setzero_ps(), b = a;
        if (o + i < n) load32(w + (o + i) * ld + s, k - s, &a, &b);
        split(a, b, terms, (bf16 *)term[0][i], 2 * SIDE * SIDE);
    }
    for (int l = 0; l < terms; l++) {
        uint32_t *tile = (uint32_t *)(out + l * 2 * TILE);
        for (int r = 0; r < SIDE; r++)
            for (int i = 0; i < SIDE; i++) tile[r * SIDE + i] = term[l][i][r];
    }
}

/* The same for a weight (k, n). */
static void pack_transposed(const float *w, long ld, long n, long k, long o, long s, int terms, bf16 *out) {
    __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i order = _mm512_mullo_epi32(_mm512_set1_epi32(0x10001), count); /* each column twice: from this row, */
    order = _mm512_add_epi16(order, _mm512_set1_epi32(SIDE << 16));        /* and from the next */
    for (int r = 0; r < SIDE; r++, s += 2) {
        const float *x = w + s * ld + o;
        __m512 a = _mm512_maskz_loadu_ps(s < k ? column_mask(n - o) : 0, x);
        __m512 b = _mm512_maskz_loadu_ps(s + 1 < k ? column_mask(n - o) : 0, x + ld);
        split(a, b, terms, out + r * DEPTH, 2 * TILE);
        for (int l = 0; l < terms; l++) {
            bf16 *row = out + l * 2 * TILE + r * DEPTH;
            _mm512_storeu_si512(row, _mm512_permutexvar_epi16(order, _mm512_loadu_si512(row)));
        }
    }
}

/* Scratch memory of the calling thread, freed when it ends. New pages would cost more than small products do. */
static pthread_key_t scratch_key;
__attribute__((constructor)) static void create_scratch_key(void) { pthread_key_create(&scratch_key, free); }

static bf16 *borrow_scratch(size_t size) {
    char *scratch = pthread_getspecific(scratch_key); /* one page that holds the size, followed by the memory */
    if (!scratch || *(size_t *)scratch < size) {
        free(scratch);
        scratch = aligned_alloc(PAGE, PAGE + ceil_div(size, PAGE) * PAGE);
        pthread_setspecific(scratch_key, scratch);
        if (!scratch) return NULL;
        *(size_t *)scratch = size;
    }
    return (bf16 *)(scratch + PAGE);
}
