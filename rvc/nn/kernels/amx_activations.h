/* Curves on the vector units: the exact GELU, and e to a power. */

/* A polynomial through f at Chebyshev's points of a stretch: in powers of the place within it, -1/2 … 1/2, `step` apart. */
enum { TERMS = 7 };
static void fit(double (*f)(double), double middle, double width, int terms, float *out, long step) {
    double at[TERMS], slope[TERMS], sum[TERMS] = {0};
    for (int i = 0; i < terms; i++) {
        at[i] = cos(M_PI * (i + 0.5) / terms) / 2;
        slope[i] = f(middle + width * at[i]);
    }
    for (int d = 1; d < terms; d++) /* Newton's differences … */
        for (int i = terms - 1; i >= d; i--) slope[i] = (slope[i] - slope[i - 1]) / (at[i] - at[i - d]);
    for (int d = terms - 1; d >= 0; d--) { /* … multiplied out */
        for (int i = terms - 1; i > 0; i--) sum[i] = sum[i - 1] - at[d] * sum[i];
        sum[0] = slope[d] - at[d] * sum[0];
    }
    for (int i = 0; i < terms; i++) out[i * step] = (float)sum[i];
}

/* How much of the normal distribution lies beyond a, of degree 4 in each of 32 stretches of a from 0 to 8: 2e-8 off at
 * most, and the tail keeps its relative size; 2 to the power of -1/2 … 1/2, of degree 6: 2e-9 off. */
enum { STRETCHES = 32, TAIL = 5, POWER = 7 };
static float beyond[TAIL][STRETCHES], power[POWER];
static double tail(double a) { return erfc(a / sqrt(2)) / 2; }

static void fit_curves(void) {
    for (int s = 0; s < STRETCHES; s++) fit(tail, (s + 0.5) / 4, 0.25, TAIL, &beyond[0][s], STRETCHES);
    fit(exp2, 0, 1, POWER, power, 1);
}

/* The exact GELU, x times the normal distribution up to x: the larger of x and 0, less |x| times what lies beyond |x|. */
static inline __m512 bend(__m512 x) {
    __m512 a = _mm512_min_ps(_mm512_abs_ps(x), _mm512_set1_ps(7.999f)), place = _mm512_mul_ps(a, _mm512_set1_ps(4));
    __m512i s = _mm512_cvttps_epi32(place);
    place = _mm512_sub_ps(place, _mm512_add_ps(_mm512_cvtepi32_ps(s), _mm512_set1_ps(0.5f)));
    __m512 sum = _mm512_setzero_ps();
    for (int i = TAIL - 1; i >= 0; i--) {
        __m512 low = _mm512_loadu_ps(beyond[i]), high = _mm512_loadu_ps(beyond[i] + 16);
        sum = _mm512_fmadd_ps(sum, place, _mm512_permutex2var_ps(low, s, high));
    }
    return _mm512_fnmadd_ps(a, sum, _mm512_max_ps(_mm512_setzero_ps(), x));
}

/* e to the power of x, for x from -87 to 0; less is -87. */
static inline __m512 raise(__m512 x) {
    const float near = (float)M_LOG2E, rest_of_it = (float)(M_LOG2E - (float)M_LOG2E);
    x = _mm512_max_ps(_mm512_set1_ps(-87), x);
    __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(near)), 0);
    __m512 rest = _mm512_fmsub_ps(x, _mm512_set1_ps(near), whole), sum = _mm512_set1_ps(power[POWER - 1]);
    rest = _mm512_fmadd_ps(x, _mm512_set1_ps(rest_of_it), rest);
    for (int i = POWER - 2; i >= 0; i--) sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(power[i]));
    return _mm512_scalef_ps(sum, whole);
}
