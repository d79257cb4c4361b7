/* Activations on the vector units: the exact GELU, and the exponential function. */

/* Fit a polynomial to f at the Chebyshev nodes of an interval, in powers of the position within it (-1/2 to 1/2);
 * coefficients are stored `step` apart. */
enum { MOST_TERMS = 7 };
static void fit(double (*f)(double), double middle, double width, int terms, float *out, long step) {
    double nodes[MOST_TERMS], difference[MOST_TERMS], sum[MOST_TERMS] = {0};
    for (int i = 0; i < terms; i++) {
        nodes[i] = cos(M_PI * (i + 0.5) / terms) / 2;
        difference[i] = f(middle + width * nodes[i]);
    }
    for (int d = 1; d < terms; d++) /* divided differences */
        for (int i = terms - 1; i >= d; i--)
            difference[i] = (difference[i] - difference[i - 1]) / (nodes[i] - nodes[i - d]);
    for (int d = terms - 1; d >= 0; d--) { /* Newton's form, expanded into powers */
        for (int i = terms - 1; i > 0; i--) sum[i] = sum[i - 1] - nodes[d] * sum[i];
        sum[0] = difference[d] - nodes[d] * sum[0];
    }
    for (int i = 0; i < terms; i++) out[i * step] = (float)sum[i];
}

/* The upper tail of the normal distribution, of degree 4 in each of 32 intervals from 0 to 8, has an absolute error of
 * at most 2e-8 and a small relative error far out. 2 to the power of -1/2 to 1/2, of degree 6, has an error of 2e-9. */
enum { INTERVALS = 32, TAIL_TERMS = 5, EXP2_TERMS = 7 };
static float tail_terms[TAIL_TERMS][INTERVALS], exp2_terms[EXP2_TERMS];
static double normal_tail(double a) { return erfc(a / sqrt(2)) / 2; }

static void fit_curves(void) {
    for (int s = 0; s < INTERVALS; s++) fit(normal_tail, (s + 0.5) / 4, 0.25, TAIL_TERMS, &tail_terms[0][s], INTERVALS);
    fit(exp2, 0, 1, EXP2_TERMS, exp2_terms, 1);
}

/* The exact GELU, x * Phi(x), computed as max(x, 0) - |x| * (1 - Phi(|x|)). */
static inline __m512 gelu_512(__m512 x) {
    __m512 a = _mm512_min_ps(_mm512_abs_ps(x), _mm512_set1_ps(7.999f)), position = _mm512_mul_ps(a, _mm512_set1_ps(4));
    __m512i s = _mm512_cvttps_epi32(position);
    position = _mm512_sub_ps(position, _mm512_add_ps(_mm512_cvtepi32_ps(s), _mm512_set1_ps(0.5f)));
    __m512 sum = _mm512_setzero_ps();
    for (int i = TAIL_TERMS - 1; i >= 0; i--) {
        __m512 low = _mm512_loadu_ps(tail_terms[i]), high = _mm512_loadu_ps(tail_terms[i] + 16);
        sum = _mm512_fmadd_ps(sum, position, _mm512_permutex2var_ps(low, s, high));
    }
    return _mm512_fnmadd_ps(a, sum, _mm512_max_ps(_mm512_setzero_ps(), x));
}

/* e to the power of x for x from -87 to 0; smaller x count as -87. */
static inline __m512 exp_512(__m512 x) {
    const float log2e_high = (float)M_LOG2E, log2e_low = (float)(M_LOG2E - (float)M_LOG2E);
    x = _mm512_max_ps(_mm512_set1_ps(-87), x);
    __m512 integer = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(log2e_high)), 0);
    __m512 fraction = _mm512_fmsub_ps(x, _mm512_set1_ps(log2e_high), integer);
    __m512 sum = _mm512_set1_ps(exp2_terms[EXP2_TERMS - 1]);
    fraction = _mm512_fmadd_ps(x, _mm512_set1_ps(log2e_low), fraction);
    for (int i = EXP2_TERMS - 2; i >= 0; i--) sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(exp2_terms[i]));
    return _mm512_scalef_ps(sum, integer);
}
