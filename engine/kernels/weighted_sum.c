/* A weighted sum of flat tensors in one pass, with the bits of engine/arithmetic/weighted_sums.py.

   Every product and sum rounds to float32 on its own: compile with -ffp-contract=off. The first term is the base:
   (second - base) * weight, plus (third - base) * weight, ..., plus base * its weight, rounded once to `rounding`. */

#include <stdint.h>
#include <string.h>

typedef float floats __attribute__((vector_size(32)));
typedef int32_t masks __attribute__((vector_size(32)));
typedef uint32_t words __attribute__((vector_size(32)));
typedef uint16_t halves __attribute__((vector_size(16)));

enum { FLOAT16, BFLOAT16, FLOAT32 };
enum { LANES = 8, GROUP = 4, UNIT = LANES * GROUP };

typedef struct {
  const void *data;
  int32_t kind;
  float weight;
} term;

#define INLINE static inline __attribute__((always_inline))

#if defined(__F16C__) && defined(__AVX2__)
#include <immintrin.h>
INLINE floats from_half(halves x) { return (floats)_mm256_cvtph_ps((__m128i)x); }
INLINE halves to_half(floats x) { return (halves)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT); }
INLINE void put(void *out, const void *value, int size, int past_cache) {
  if (!past_cache) memcpy(out, value, size);
  else if (size == 32) _mm256_stream_ps(out, _mm256_loadu_ps(value));
  else _mm_stream_si128(out, _mm_loadu_si128(value));
}
#define FENCE() _mm_sfence()
#elif defined(__aarch64__)
typedef __fp16 native __attribute__((vector_size(16)));
INLINE floats from_half(halves x) { return __builtin_convertvector((native)x, floats); }
INLINE halves to_half(floats x) { return (halves)__builtin_convertvector(x, native); }
INLINE void put(void *out, const void *value, int size, int past_cache) { memcpy(out, value, size); (void)past_cache; }
#define FENCE() (void)0
#else
#error "no conversion of float16 is known for this processor"
#endif

INLINE floats from_bfloat(halves x) { return (floats)(__builtin_convertvector(x, words) << 16); }

INLINE halves to_bfloat(floats x) {
  words bits = (words)x, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16, nan = (words)(masks)(x != x);
  return __builtin_convertvector((rounded & ~nan) | (nan & 0x7fc0), halves);
}

INLINE void load(floats *x, const void *data, int kind, int64_t at) {
  halves h;
  for (int i = 0; i < GROUP; i++, at += LANES) {
    if (kind == FLOAT32) { memcpy(&x[i], (const float *)data + at, sizeof x[i]); continue; }
    memcpy(&h, (const uint16_t *)data + at, sizeof h);
    x[i] = kind == FLOAT16 ? from_half(h) : from_bfloat(h);
  }
}

INLINE void load_any(floats *x, const void *data, int kind, int64_t at) {
  if (kind == FLOAT16) load(x, data, FLOAT16, at);
  else if (kind == BFLOAT16) load(x, data, BFLOAT16, at);
  else load(x, data, FLOAT32, at);
}

INLINE void store(void *out, int kind, int64_t at, const floats *x, int past_cache) {
  halves h;
  for (int i = 0; i < GROUP; i++, at += LANES) {
    if (kind == FLOAT32) { put((float *)out + at, &x[i], sizeof x[i], past_cache); continue; }
    h = kind == FLOAT16 ? to_half(x[i]) : to_bfloat(x[i]);
    put((uint16_t *)out + at, &h, sizeof h, past_cache);
  }
}

/* `rounding` and `kind` are constants where this is called, so that each call becomes a loop of its own. */
INLINE void sum(const term *terms, int count, int64_t start, int64_t end, int rounding, void *out, int kind, int past_cache) {
  for (int64_t at = start; at < end; at += UNIT) {
    floats base[GROUP], next[GROUP], total[GROUP];
    load_any(base, terms[0].data, terms[0].kind, at);
    for (int t = 1; t < count; t++) {
      load_any(next, terms[t].data, terms[t].kind, at);
      for (int i = 0; i < GROUP; i++) {
        floats part = (next[i] - base[i]) * terms[t].weight;
        total[i] = t > 1 ? total[i] + part : part;
      }
    }
    for (int i = 0; i < GROUP; i++) {
      floats part = base[i] * terms[0].weight;
      total[i] = count > 1 ? total[i] + part : part;
      if (rounding != kind && rounding == FLOAT16) total[i] = from_half(to_half(total[i]));
      if (rounding != kind && rounding == BFLOAT16) total[i] = from_bfloat(to_bfloat(total[i]));
    }
    store(out, kind, at, total, past_cache);
  }
  if (past_cache) FENCE();
}

#define CASE(ROUNDING, KIND) \
  case ROUNDING * 3 + KIND: \
    if (past_cache) sum(terms, count, start, end, ROUNDING, out, KIND, 1); \
    else sum(terms, count, start, end, ROUNDING, out, KIND, 0); \
    break

static void whole_units(const term *terms, int count, int64_t start, int64_t end, int rounding, void *out, int kind, int past_cache) {
  switch (rounding * 3 + kind) {
    CASE(FLOAT16, FLOAT16);
    CASE(FLOAT16, BFLOAT16);
    CASE(FLOAT16, FLOAT32);
    CASE(BFLOAT16, FLOAT16);
    CASE(BFLOAT16, BFLOAT16);
    CASE(BFLOAT16, FLOAT32);
    CASE(FLOAT32, FLOAT16);
    CASE(FLOAT32, BFLOAT16);
    CASE(FLOAT32, FLOAT32);
  }
}

enum { MOST_TERMS = 16 };

/* Elements start to end of `out`; what is behind the last whole unit goes through buffers.
   `past_cache` writes around the cache: then `out + start` must be a multiple of 32 bytes. */
void weighted_sum(const term *terms, int count, int64_t start, int64_t end, int rounding, void *out, int kind, int past_cache) {
  int64_t whole = start + (end - start) / UNIT * UNIT, rest = end - whole;
  whole_units(terms, count, start, whole, rounding, out, kind, past_cache);
  if (!rest) return;
  float held[MOST_TERMS][UNIT] = {{0}}, found[UNIT];
  term last[MOST_TERMS];
  for (int t = 0; t < count; t++) {
    int size = terms[t].kind == FLOAT32 ? 4 : 2;
    memcpy(held[t], (const char *)terms[t].data + whole * size, rest * size);
    last[t] = (term){held[t], terms[t].kind, terms[t].weight};
  }
  int size = kind == FLOAT32 ? 4 : 2;
  whole_units(last, count, 0, UNIT, rounding, found, kind, 0);
  memcpy((char *)out + whole * size, found, rest * size);
}
