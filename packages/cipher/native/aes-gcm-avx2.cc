// AES-GCM with VAES and VPCLMULQDQ but no AVX-512: two blocks a register (Intel since Alder Lake, AMD Zen 3).
#include "aes-gcm-engines.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

namespace culvert {
namespace {

#define CULVERT_TARGET __attribute__((target("avx2,vaes,vpclmulqdq,aes,pclmul")))
#define CULVERT_INLINE CULVERT_TARGET __attribute__((always_inline)) inline

struct Lanes {
  using Register = __m256i;
  static constexpr int kBlocks = 2;
  static constexpr int kGroup = 6;  // chosen: sixteen registers hold no more

  static CULVERT_INLINE __m256i Load(const uint8_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
  static CULVERT_INLINE void Store(uint8_t* at, __m256i x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), x); }
  static CULVERT_INLINE __m256i LoadSome(const uint8_t* at, size_t size) {
    if (size == sizeof(Register)) return Load(at);
    alignas(32) uint8_t bytes[sizeof(Register)] = {};
    memcpy(bytes, at, size);
    return Load(bytes);
  }
  static CULVERT_INLINE void StoreSome(uint8_t* at, __m256i x, size_t size) {
    if (size == sizeof(Register)) return Store(at, x);
    alignas(32) uint8_t bytes[sizeof(Register)];
    Store(bytes, x);
    memcpy(at, bytes, size);
  }
  static CULVERT_INLINE __m256i Some(__m256i x, size_t size) {
    alignas(32) static constexpr uint8_t kPlaces[sizeof(Register)] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                                      11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                                      22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    return _mm256_and_si256(x, _mm256_cmpgt_epi8(_mm256_set1_epi8(static_cast<char>(size)), Load(kPlaces)));
  }
  static CULVERT_INLINE __m256i Broadcast(__m128i block) { return _mm256_broadcastsi128_si256(block); }
  static CULVERT_INLINE __m256i Only(__m128i block) { return _mm256_zextsi128_si256(block); }
  static CULVERT_INLINE __m128i Sum(__m256i x) {
    return _mm_xor_si128(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  }
  static CULVERT_INLINE __m256i Xor(__m256i a, __m256i b) { return _mm256_xor_si256(a, b); }
  static CULVERT_INLINE __m256i Xor(__m256i a, __m256i b, __m256i c) { return Xor(a, Xor(b, c)); }
  static CULVERT_INLINE __m256i Add32(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
  static CULVERT_INLINE __m256i Shuffle(__m256i x, __m256i order) { return _mm256_shuffle_epi8(x, order); }
  static CULVERT_INLINE __m256i Round(__m256i x, __m256i key) { return _mm256_aesenc_epi128(x, key); }
  static CULVERT_INLINE __m256i LastRound(__m256i x, __m256i key) { return _mm256_aesenclast_epi128(x, key); }
  template <int halves>
  static CULVERT_INLINE __m256i Multiply(__m256i a, __m256i b) { return _mm256_clmulepi64_epi128(a, b, halves); }
};

#include "aes-gcm-kernel.h"

bool Supported() { return __builtin_cpu_supports("avx2") != 0 && HasVectorAes(); }

}  // namespace

const AesGcmEngine kAesGcmAvx2 = {"avx2", Supported, Expand, Pass<10, true>, Pass<14, true>, Pass<10, false>, Pass<14, false>};

}  // namespace culvert
#endif
