// The arguments and results that the calls over batches share.
#pragma once

#include "bound-batch.h"
#include "napi.h"
#include "openvpn-batch.h"

namespace culvert {

inline napi_value ToNumber(napi_env env, int32_t number) {
  napi_value value = nullptr;
  napi_create_int32(env, number, &value);
  return value;
}

// `cursor` is [dst.count, dst.used, malformed, oversized] before and after; a call that returns a negative number leaves it alone.
struct CallCursor {
  Span<uint32_t> state;

  void Load(Call* call) const {
    call->cursor = {state.data[0], state.data[1]};
    call->skipped = {state.data[2], state.data[3]};
  }
  void Store(const Call& call) const {
    state.data[0] = static_cast<uint32_t>(call.cursor.count);
    state.data[1] = static_cast<uint32_t>(call.cursor.used);
    state.data[2] = call.skipped.malformed;
    state.data[3] = call.skipped.oversized;
  }
};

// Four arguments that follow each other: src, dst, first, count.
inline bool TakeCall(napi_env env, const napi_value* values, CallCursor* cursor, Call* call) {
  uint32_t first = 0;
  uint32_t count = 0;
  const auto* src = GetTagged<BoundBatch>(env, values[0], kBatchTag);
  const auto* dst = GetTagged<BoundBatch>(env, values[1], kBatchTag);
  if (src == nullptr || dst == nullptr || !Get(env, values[2], &first) || !Get(env, values[3], &count)) return false;
  call->src = src->batch;
  call->dst = dst->batch;
  cursor->state = dst->cursor;
  call->first = first;
  call->last = static_cast<size_t>(first) + count;
  cursor->Load(call);
  return true;
}

// Runs a call that is valid, and puts its cursor back where it went well.
template <typename Run>
napi_value RunCall(napi_env env, const CallCursor& cursor, Call* call, bool closed, Run run) {
  if (closed) return ToNumber(env, kClosed);
  if (!call->IsValid()) return ToNumber(env, kOutOfBounds);
  const int32_t next = run();
  if (next >= 0) cursor.Store(*call);
  return ToNumber(env, next);
}

}  // namespace culvert
