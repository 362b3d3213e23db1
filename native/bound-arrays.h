// Typed arrays whose addresses were read once, kept with the descriptor that calls use them with: such a call names neither, where
// Node-API takes 20 ns and more to look into each array.
//
// The references keep the arrays alive. A buffer that is detached or shrinks later takes its memory away all the same, so whoever
// binds looks at the arrays' lengths before each call, and binds anew when one has changed.
#ifndef CULVERT_BOUND_ARRAYS_H_
#define CULVERT_BOUND_ARRAYS_H_

#include <node_api.h>

#include "arguments.h"

namespace culvert {

struct BoundArrays {
  static constexpr size_t kBytes = 2;
  static constexpr size_t kWords = 6;

  Span<uint8_t> bytes[kBytes] = {};
  Span<uint32_t> words[kWords] = {};
  napi_ref held[kBytes + kWords] = {};

  /** Takes `kBytes` Uint8Arrays and `kWords` Uint32Arrays, the arguments from `first` on; for undefined nothing. False: an error was thrown. */
  bool Take(Arguments& args, size_t first) {
    for (size_t i = 0; i < kBytes + kWords; i++) {
      if (args.IsUndefined(first + i)) continue;
      if (i < kBytes) {
        bytes[i] = args.Bytes(first + i, "array");
      } else {
        words[i - kBytes] = args.Words(first + i, "array");
      }
      if (!args.ok()) return false;
      napi_create_reference(args.env(), args.value(first + i), 1, &held[i]);
    }
    return true;
  }

  void Release(napi_env env) {
    for (napi_ref array : held) {
      if (array != nullptr) napi_delete_reference(env, array);
    }
    *this = {};
  }
};

}  // namespace culvert

#endif  // CULVERT_BOUND_ARRAYS_H_
