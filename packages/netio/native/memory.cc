// What the process holds of memory beyond what it uses.
#include <cstdlib>

#include "descriptors.h"
#include "functions.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace culvert {

// trimMemory(): gives free pages of malloc's heaps back to the kernel. Returns 1 if there were any, 0 if not or where the C library
//   has no such call (glibc's malloc_trim(3)).
napi_value TrimMemory(napi_env env, napi_callback_info) {
#ifdef __GLIBC__
  return Number(env, malloc_trim(0));
#else
  return Number(env, 0);
#endif
}

}  // namespace culvert
