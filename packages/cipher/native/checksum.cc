#include "checksum.h"

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12 takes its own intrinsics' undefined registers for mistakes of whoever calls them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace culvert {
namespace {

template <typename T>
uint64_t Load(const uint8_t* at) {
  T value;
  memcpy(&value, at, sizeof(value));
  return value;
}

uint64_t SumPlain(const uint8_t* at, size_t size) {
  uint64_t sum = 0;
  for (; size >= 8; at += 8, size -= 8) {
    const uint64_t eight = Load<uint64_t>(at);
    sum += (eight & 0xffffffff) + (eight >> 32);
  }
  if (size >= 4) {
    sum += Load<uint32_t>(at);
    at += 4, size -= 4;
  }
  if (size >= 2) {
    sum += Load<uint16_t>(at);
    at += 2, size -= 2;
  }
  return size == 0 ? sum : sum + *at;
}

#if defined(__x86_64__)
// Lanes of 64 bits take the even and the odd 32-bit words: they cannot overflow below 2^34 bytes.
__attribute__((target("avx2"))) uint64_t SumAvx2(const uint8_t* at, size_t size) {
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = even, even2 = even, odd2 = even;
  for (; size >= 64; at += 64, size -= 64) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32));
    even = _mm256_add_epi64(even, _mm256_and_si256(a, low));
    odd = _mm256_add_epi64(odd, _mm256_srli_epi64(a, 32));
    even2 = _mm256_add_epi64(even2, _mm256_and_si256(b, low));
    odd2 = _mm256_add_epi64(odd2, _mm256_srli_epi64(b, 32));
  }
  const __m256i sum = _mm256_add_epi64(_mm256_add_epi64(even, odd), _mm256_add_epi64(even2, odd2));
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
  _mm256_zeroupper();  // else each SSE instruction that follows, here and in OpenSSL, pays for a change of state
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + SumPlain(at, size);
}

struct LowAndHigh {
  __m512i low, high;
};

__attribute__((target("avx512f,avx512bw,avx512vnni,bmi2"), always_inline)) inline void Add(__m512i words, LowAndHigh* sum) {
  sum->low = _mm512_dpbusd_epi32(sum->low, words, _mm512_set1_epi16(0x0001));
  sum->high = _mm512_dpbusd_epi32(sum->high, words, _mm512_set1_epi16(0x0100));
}

// Sums low and high bytes by themselves. Words of 128 KiB add up to less than 2^32.
constexpr size_t kMostAvx512 = 1u << 16;
__attribute__((target("avx512f,avx512bw,avx512vnni,bmi2"))) uint64_t SumAvx512(const uint8_t* at, size_t size) {
  LowAndHigh sums[2] = {{_mm512_setzero_si512(), _mm512_setzero_si512()}, {_mm512_setzero_si512(), _mm512_setzero_si512()}};
  for (; size >= 128; at += 128, size -= 128) {
    Add(_mm512_loadu_si512(at), &sums[0]);
    Add(_mm512_loadu_si512(at + 64), &sums[1]);
  }
  const size_t first = size < 64 ? size : 64;
  Add(_mm512_maskz_loadu_epi8(_bzhi_u64(~uint64_t{0}, static_cast<unsigned>(first)), at), &sums[0]);
  Add(_mm512_maskz_loadu_epi8(_bzhi_u64(~uint64_t{0}, static_cast<unsigned>(size - first)), at + first), &sums[1]);
  const __m512i low = _mm512_add_epi32(sums[0].low, sums[1].low);
  const __m512i high = _mm512_add_epi32(sums[0].high, sums[1].high);
  return static_cast<uint32_t>(_mm512_reduce_add_epi32(_mm512_add_epi32(low, _mm512_slli_epi32(high, 8))));
}

const bool has_avx512 = (__builtin_cpu_init(), __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                                                   __builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("bmi2") != 0);
const bool has_avx2 = (__builtin_cpu_init(), __builtin_cpu_supports("avx2") != 0);
#endif

}  // namespace

uint64_t SumBytes(const uint8_t* bytes, size_t size) {
#if defined(__x86_64__)
  if (size >= 128 && size <= kMostAvx512 && has_avx512) return SumAvx512(bytes, size);
  if (size >= 128 && has_avx2) return SumAvx2(bytes, size);
#endif
  return SumPlain(bytes, size);
}

}  // namespace culvert
