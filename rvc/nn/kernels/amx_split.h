/* float32 numbers as sums of bfloat16 ones, the largest first, and how weights made of them lie in tiles. */

typedef uint16_t bf16;
enum { DEPTH = 32, SIDE = 16, TILE = DEPTH * SIDE, PAGE = 4096 };
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
static long up(long a, long b) { return (a + b - 1) / b; }

/* Sixteen of 32 bfloat16 numbers as float32. */
static inline __m512 wider(__m256i half) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* 32 numbers into their limbs, `step` apart. */
static inline void split(__m512 a, __m512 b, int limbs, bf16 *out, size_t step) {
    for (int l = 0; l < limbs; l++) {
        __m512i limb = (__m512i)_mm512_cvtne2ps_pbh(b, a);
        _mm512_storeu_si512(out + l * step, limb);
        if (l + 1 == limbs) break;
        a = _mm512_sub_ps(a, wider(_mm512_castsi512_si256(limb)));
        b = _mm512_sub_ps(b, wider(_mm512_extracti64x4_epi64(limb, 1)));
    }
}

/* 32 numbers of which k are there. */
static inline void load32(const float *x, long k, __m512 *a, __m512 *b) {
    if (k >= DEPTH) {
        *a = _mm512_loadu_ps(x), *b = _mm512_loadu_ps(x + SIDE);
        return;
    }
    uint32_t mask = k <= 0 ? 0 : (1u << k) - 1;
    *a = _mm512_maskz_loadu_ps((__mmask16)mask, x), *b = _mm512_maskz_loadu_ps((__mmask16)(mask >> SIDE), x + SIDE);
}

/* Sixteen columns of which n are there. */
static inline __mmask16 columns(long n) { return n >= SIDE ? 0xffff : n <= 0 ? 0 : (__mmask16)((1 << n) - 1); }

/* Of a weight (n, k) whose rows lie ld apart, 16 outputs from o and 32 inputs from s: a tile for each limb. A limb's two
 * tiles of 32 outputs lie side by side, so the next limb's is two further. */
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

/* The same of a weight (k, n). */
static void pack_transposed(const float *w, long ld, long n, long k, long o, long s, int limbs, bf16 *out) {
    __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i order = _mm512_mullo_epi32(_mm512_set1_epi32(0x10001), count); /* each column twice: from this row … */
    order = _mm512_add_epi16(order, _mm512_set1_epi32(SIDE << 16));        /* … and from the next */
    for (int r = 0; r < SIDE; r++, s += 2) {
        const float *x = w + s * ld + o;
        __m512 a = _mm512_maskz_loadu_ps(s < k ? columns(n - o) : 0, x);
        __m512 b = _mm512_maskz_loadu_ps(s + 1 < k ? columns(n - o) : 0, x + ld);
        split(a, b, limbs, out + r * DEPTH, 2 * TILE);
        for (int l = 0; l < limbs; l++) {
            bf16 *row = out + l * 2 * TILE + r * DEPTH;
            _mm512_storeu_si512(row, _mm512_permutexvar_epi16(order, _mm512_loadu_si512(row)));
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
        room = aligned_alloc(PAGE, PAGE + up(size, PAGE) * PAGE);
        pthread_setspecific(kept, room);
        if (!room) return NULL;
        *(size_t *)room = size;
    }
    return (bf16 *)(room + PAGE);
}
