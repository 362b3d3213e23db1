// AES-GCM with AES-NI and PCLMULQDQ, in AVX's encoding: a block a register (Intel since Sandy Bridge, AMD since Bulldozer).
#include "aes-gcm-engines.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

namespace culvert {
namespace {

#define CULVERT_TARGET __attribute__((target("avx,aes,pclmul")))
#define CULVERT_INLINE CULVERT_TARGET __attribute__((always_inline)) inline

struct Lanes {
  using Register = __m128i;
  static constexpr int kBlocks = 1;
  static constexpr int kGroup = 8;  // chosen: a round has a latency of four or more, and two start at once

  static CULVERT_INLINE __m128i Load(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
  static CULVERT_INLINE void Store(uint8_t* at, __m128i x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(at), x); }
  static CULVERT_INLINE __m128i LoadSome(const uint8_t* at, size_t size) {
    if (size == sizeof(Register)) return Load(at);
    alignas(16) uint8_t bytes[sizeof(Register)] = {};
    memcpy(bytes, at, size);
    return Load(bytes);
  }
  static CULVERT_INLINE void StoreSome(uint8_t* at, __m128i x, size_t size) {
    if (size == sizeof(Register)) return Store(at, x);
    alignas(16) uint8_t bytes[sizeof(Register)];
    Store(bytes, x);
    memcpy(at, bytes, size);
  }
  static CULVERT_INLINE __m128i Some(__m128i x, size_t size) {
    const __m128i places = _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm_and_si128(x, _mm_cmpgt_epi8(_mm_set1_epi8(static_cast<char>(size)), places));
  }
  static CULVERT_INLINE __m128i Broadcast(__m128i block) { return block; }
  static CULVERT_INLINE __m128i Only(__m128i block) { return block; }
  static CULVERT_INLINE __m128i Sum(__m128i x) { return x; }
  static CULVERT_INLINE __m128i Xor(__m128i a, __m128i b) { return _mm_xor_si128(a, b); }
  static CULVERT_INLINE __m128i Xor(__m128i a, __m128i b, __m128i c) { return Xor(a, Xor(b, c)); }
  static CULVERT_INLINE __m128i Add32(__m128i a, __m128i b) { return _mm_add_epi32(a, b); }
  static CULVERT_INLINE __m128i Shuffle(__m128i x, __m128i order) { return _mm_shuffle_epi8(x, order); }
  static CULVERT_INLINE __m128i Round(__m128i x, __m128i key) { return _mm_aesenc_si128(x, key); }
  static CULVERT_INLINE __m128i LastRound(__m128i x, __m128i key) { return _mm_aesenclast_si128(x, key); }
  template <int halves>
  static CULVERT_INLINE __m128i Multiply(__m128i a, __m128i b) { return _mm_clmulepi64_si128(a, b, halves); }
};

#include "aes-gcm-kernel.h"

bool Supported() {
  return __builtin_cpu_supports("avx") != 0 && __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
}

}  // namespace

const AesGcmEngine kAesGcmAesni = {"aesni", Supported, Expand, Pass<10, true>, Pass<14, true>, Pass<10, false>, Pass<14, false>};

}  // namespace culvert
#endif
