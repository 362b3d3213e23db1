// Batches whose arrays were read once: a call names a batch by one handle instead of four arrays, each of which Node-API
// takes 20 ns to look into.
#pragma once

#include <memory>

#include "napi.h"

namespace culvert {

constexpr napi_type_tag kBatchTag = {0x8d1b0c57e2f94a36, 0xb7a6c3905d18e42f};

// Arrays and the references that keep them alive. A buffer that is detached or shrinks later takes its memory away all the same:
// src/bound-batch.ts looks at the lengths before each call and binds anew.
struct BoundBatch {
  static constexpr size_t kArrays = 5;

  Batch batch;
  Span<uint32_t> cursor;  // [dst.count, dst.used, malformed, oversized] before and after a call that fills this batch
  napi_ref arrays[kArrays] = {};

  void Release(napi_env env) {
    for (napi_ref array : arrays) {
      if (array != nullptr) napi_delete_reference(env, array);
    }
  }
};

// bindBatch(arena, offsets, lengths, tags, cursor): external
inline napi_value BindBatchCallback(napi_env env, napi_callback_info info) {
  napi_value v[BoundBatch::kArrays];
  auto bound = std::make_unique<BoundBatch>();
  if (!GetArguments(env, info, v) || !Get(env, v, &bound->batch) || !Get(env, v[4], &bound->cursor) || bound->cursor.size < 4)
    return ThrowType(env, "bindBatch(arena, offsets, lengths, tags, cursor)");
  const auto finalize = [](napi_env env, void* data, void*) {
    auto* batch = static_cast<BoundBatch*>(data);
    batch->Release(env);
    delete batch;
  };
  napi_value external;
  if (napi_create_external(env, bound.get(), finalize, nullptr, &external) != napi_ok) return nullptr;
  BoundBatch* owned = bound.release();
  for (size_t i = 0; i < BoundBatch::kArrays; i++) {
    if (napi_create_reference(env, v[i], 1, &owned->arrays[i]) != napi_ok) return nullptr;
  }
  return napi_type_tag_object(env, external, &kBatchTag) == napi_ok ? external : nullptr;
}

// An external of ours with this tag, or null.
template <typename T>
T* GetTagged(napi_env env, napi_value value, const napi_type_tag& tag) {
  bool ours = false;
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  if (napi_check_object_type_tag(env, value, &tag, &ours) != napi_ok || !ours) return nullptr;
  return static_cast<T*>(data);
}

}  // namespace culvert
