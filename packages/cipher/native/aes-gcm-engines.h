// The engines of x86-64, each in a file of its own.
#pragma once

#include "aes-gcm.h"

#if defined(__x86_64__)
#include <cpuid.h>

namespace culvert {

extern const AesGcmEngine kAesGcmAvx512;
extern const AesGcmEngine kAesGcmAvx2;
extern const AesGcmEngine kAesGcmAesni;

// VAES and VPCLMULQDQ (CPUID leaf 7, ECX), which __builtin_cpu_supports of older compilers does not know. Whether the system
// keeps the registers that they use is for the caller to ask.
inline bool HasVectorAes() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return (c & (1u << 9)) != 0 && (c & (1u << 10)) != 0 && __builtin_cpu_supports("aes") != 0 &&
         __builtin_cpu_supports("pclmul") != 0;
}

}  // namespace culvert
#endif
