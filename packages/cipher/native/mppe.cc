// The calls of src/native.ts for MPPE.
#include "mppe.h"

#include <cstring>
#include <memory>

#include "mppe-batch.h"
#include "napi-call.h"

namespace culvert {
namespace {

constexpr napi_type_tag kKeyTag = {0x2f64b0a7d7aa4f58, 0x9c3be7a1540e6d13};
constexpr uint32_t kMaxHeadroom = 64;

struct Link {
  MppeKey key;
  MppeFraming framing;
};

Link* GetLink(napi_env env, napi_value value) { return GetTagged<Link>(env, value, kKeyTag); }

// mppeCreate(strength: 128 | 56 | 40, startKey, framing: 1 ACFC + 2 PFC, headroom): external
napi_value CreateCallback(napi_env env, napi_callback_info info) {
  napi_value v[4];
  uint32_t strength = 0, framing = 0, headroom = 0;
  Span<uint8_t> start;
  if (!GetArguments(env, info, v) || !Get(env, v[0], &strength) || !Get(env, v[1], &start) || !Get(env, v[2], &framing) ||
      !Get(env, v[3], &headroom))
    return ThrowType(env, "mppeCreate(strength, startKey, framing, headroom)");
  if ((strength != 128 && strength != 56 && strength != 40) || start.size != MppeKey::KeyLengthOf(strength) ||
      framing > 3 || headroom > kMaxHeadroom)
    return ThrowType(env, "mppeCreate: unknown strength or framing, or a length that does not fit");
  auto link = std::unique_ptr<Link>(new Link{MppeKey(strength, start.data), {headroom, (framing & 1) != 0, (framing & 2) != 0}});
  napi_value external;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<Link*>(data); };
  if (napi_create_external(env, link.get(), finalize, nullptr, &external) != napi_ok) return nullptr;
  link.release();
  if (napi_type_tag_object(env, external, &kKeyTag) != napi_ok) return nullptr;
  return external;
}

// mppeSeal(key, src, dst, first, count, virtio: 0 | 1)
napi_value SealCallback(napi_env env, napi_callback_info info) {
  napi_value v[6];
  CallCursor cursor;
  Call call;
  Link* link = nullptr;
  uint32_t virtio = 0;
  if (!GetArguments(env, info, v) || (link = GetLink(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call) ||
      !Get(env, v[5], &virtio))
    return ThrowType(env, "mppeSeal(key, src, dst, first, count, virtio)");
  return RunCall(env, cursor, &call, link->key.closed, [&] {
    return virtio == 0 ? SealMppe(&link->key, link->framing, &call) : SealMppeTrains(&link->key, link->framing, &call);
  });
}

// mppeOpenTrain(key, src, dst, first, count, virtio: 0 | 1, join, report: Uint32Array)
napi_value OpenTrainCallback(napi_env env, napi_callback_info info) {
  napi_value v[8];
  CallCursor cursor;
  Call call;
  Link* link = nullptr;
  uint32_t virtio = 0, join = 0;
  Span<uint32_t> report;
  if (!GetArguments(env, info, v) || (link = GetLink(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call) ||
      !Get(env, v[5], &virtio) || !Get(env, v[6], &join) || !Get(env, v[7], &report) || report.size < kMppeReportWords)
    return ThrowType(env, "mppeOpenTrain(key, src, dst, first, count, virtio, join, report)");
  return RunCall(env, cursor, &call, link->key.closed, [&] {
    MppeReport counts = {};
    const int32_t next = OpenMppeTrain(&link->key, &call, virtio == 0 ? 0 : kVirtio, join, &counts);
    memcpy(report.data, &counts, sizeof(counts));
    return next;
  });
}

// mppeSkip(key, count): goes on by so many packets. Returns false when the key is closed.
napi_value SkipCallback(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Link* link = nullptr;
  uint32_t count = 0;
  if (!GetArguments(env, info, v) || (link = GetLink(env, v[0])) == nullptr || !Get(env, v[1], &count) ||
      count > kMppeMostSkipped)
    return ThrowType(env, "mppeSkip(key, count)");
  napi_value done;
  if (napi_get_boolean(env, !link->key.closed, &done) != napi_ok) return nullptr;
  if (link->key.closed) return done;
  MppeScratch scratch;
  for (uint32_t step = 0; step < count; step++) link->key.Advance(&link->key.chain, &scratch);
  return done;
}

// mppeClose(key): forgets the key now, not when the collector comes by. Harmless when repeated.
napi_value CloseCallback(napi_env env, napi_callback_info info) {
  napi_value v[1];
  Link* link = nullptr;
  if (!GetArguments(env, info, v) || (link = GetLink(env, v[0])) == nullptr) return ThrowType(env, "not a key");
  link->key.Close();
  return nullptr;
}

}  // namespace

void ExportMppe(napi_env env, napi_value exports) {
  Export(env, exports, "mppeCreate", CreateCallback);
  Export(env, exports, "mppeSeal", SealCallback);
  Export(env, exports, "mppeOpenTrain", OpenTrainCallback);
  Export(env, exports, "mppeSkip", SkipCallback);
  Export(env, exports, "mppeClose", CloseCallback);
}

}  // namespace culvert
