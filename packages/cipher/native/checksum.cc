#include "checksum.h"

#if defined(__x86_64__)
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

const bool has_avx2 = (__builtin_cpu_init(), __builtin_cpu_supports("avx2") != 0);
#endif

}  // namespace

uint64_t SumBytes(const uint8_t* bytes, size_t size) {
#if defined(__x86_64__)
  if (size >= 128 && has_avx2) return SumAvx2(bytes, size);
#endif
  return SumPlain(bytes, size);
}

}  // namespace culvert
