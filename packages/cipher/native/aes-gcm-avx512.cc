// AES-GCM with VAES, VPCLMULQDQ and AVX-512: four blocks a register (Intel since Ice Lake, AMD since Zen 4).
#include "aes-gcm-engines.h"

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12 takes its own intrinsics' undefined registers for mistakes of whoever calls them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

namespace culvert {
namespace {

#define CULVERT_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmul")))
#define CULVERT_INLINE CULVERT_TARGET __attribute__((always_inline)) inline

struct Lanes {
  using Register = __m512i;
  static constexpr int kBlocks = 4;
  // Chosen: as many registers under way at once as hide the latency of a round; eight are no faster.
  static constexpr int kGroup = 4;

  static CULVERT_INLINE __m512i Load(const uint8_t* at) { return _mm512_loadu_si512(at); }
  static CULVERT_INLINE void Store(uint8_t* at, __m512i x) { _mm512_storeu_si512(at, x); }
  static CULVERT_INLINE __mmask64 First(size_t size) { return ~uint64_t{0} >> (64 - size); }
  static CULVERT_INLINE __m512i LoadSome(const uint8_t* at, size_t size) { return _mm512_maskz_loadu_epi8(First(size), at); }
  static CULVERT_INLINE void StoreSome(uint8_t* at, __m512i x, size_t size) { _mm512_mask_storeu_epi8(at, First(size), x); }
  static CULVERT_INLINE __m512i Some(__m512i x, size_t size) { return _mm512_maskz_mov_epi8(First(size), x); }
  static CULVERT_INLINE __m512i Broadcast(__m128i block) { return _mm512_broadcast_i32x4(block); }
  static CULVERT_INLINE __m512i Only(__m128i block) { return _mm512_zextsi128_si512(block); }
  static CULVERT_INLINE __m128i Sum(__m512i x) {
    const __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }
  static CULVERT_INLINE __m512i Xor(__m512i a, __m512i b) { return _mm512_xor_si512(a, b); }
  static CULVERT_INLINE __m512i Xor(__m512i a, __m512i b, __m512i c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
  static CULVERT_INLINE __m512i Add32(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
  static CULVERT_INLINE __m512i Shuffle(__m512i x, __m512i order) { return _mm512_shuffle_epi8(x, order); }
  static CULVERT_INLINE __m512i Round(__m512i x, __m512i key) { return _mm512_aesenc_epi128(x, key); }
  static CULVERT_INLINE __m512i LastRound(__m512i x, __m512i key) { return _mm512_aesenclast_epi128(x, key); }
  template <int halves>
  static CULVERT_INLINE __m512i Multiply(__m512i a, __m512i b) { return _mm512_clmulepi64_epi128(a, b, halves); }
};

#include "aes-gcm-kernel.h"

bool Supported() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && HasVectorAes();
}

}  // namespace

const AesGcmEngine kAesGcmAvx512 = {"avx512", Supported, Expand, Pass<10, true>, Pass<14, true>, Pass<10, false>, Pass<14, false>};

}  // namespace culvert
#endif
