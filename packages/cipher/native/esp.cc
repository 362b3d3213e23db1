// The calls of src/native.ts for ESP.
#include "esp.h"

#include <cstring>
#include <memory>

#include "aes-gcm-calls.h"
#include "esp-batch.h"
#include "napi-call.h"

namespace culvert {
namespace {

constexpr napi_type_tag kKeyTag = {0x51c7e0b98f2d4a63, 0xb4a9076dce3158f2};
constexpr uint32_t kLeastSpi = 256;

EspKey* GetKey(napi_env env, napi_value value) { return GetTagged<EspKey>(env, value, kKeyTag); }

// espCreate(encryption, integrity, spi, encryptionKey, integrityKey, esn: 0 | 1, engine): external
napi_value CreateCallback(napi_env env, napi_callback_info info) {
  napi_value v[7];
  uint32_t encryption = 0, integrity = 0, spi = 0, esn = 0, engine_number = 0;
  Span<uint8_t> bytes, integrity_bytes;
  const AesGcmEngine* engine = nullptr;
  if (!GetArguments(env, info, v) || !Get(env, v[0], &encryption) || !Get(env, v[1], &integrity) || !Get(env, v[2], &spi) ||
      !Get(env, v[3], &bytes) || !Get(env, v[4], &integrity_bytes) || !Get(env, v[5], &esn) || !Get(env, v[6], &engine_number))
    return ThrowType(env, "espCreate(encryption, integrity, spi, encryptionKey, integrityKey, esn, engine)");
  auto key = std::make_unique<EspKey>();
  key->spi = spi;
  key->esn = esn == 1;
  const auto kind = static_cast<EspEncryption>(encryption);
  const bool made = encryption <= static_cast<uint32_t>(EspEncryption::kTripleDesCbc) && spi >= kLeastSpi &&
                    FindEngine(engine_number, &engine) &&
                    (kind == EspEncryption::kAesGcm
                         ? integrity_bytes.size == 0 && key->InitGcm(engine, bytes.data, bytes.size)
                         : key->InitCbc(kind, bytes.data, bytes.size, integrity, integrity_bytes.data, integrity_bytes.size));
  if (!made) return ThrowType(env, "espCreate: unknown algorithm or engine, or a length that does not fit it");
  napi_value external;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<EspKey*>(data); };
  if (napi_create_external(env, key.get(), finalize, nullptr, &external) != napi_ok) return nullptr;
  key.release();
  if (napi_type_tag_object(env, external, &kKeyTag) != napi_ok) return nullptr;
  return external;
}

// espSeal(key, src, dst, first, count, sequenceLow, sequenceHigh, nextHeader)
napi_value SealCallback(napi_env env, napi_callback_info info) {
  napi_value v[8];
  CallCursor cursor;
  Call call;
  EspKey* key = nullptr;
  uint32_t low = 0, high = 0, next_header = 0;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call) ||
      !Get(env, v[5], &low) || !Get(env, v[6], &high) || !Get(env, v[7], &next_header) || next_header > kEspInnerIp)
    return ThrowType(env, "espSeal(key, src, dst, first, count, sequenceLow, sequenceHigh, nextHeader)");
  const uint64_t sequence = static_cast<uint64_t>(high) << 32 | low;
  return RunCall(env, cursor, &call, key->closed,
                 [&] { return SealEsp(key, &call, sequence, next_header); });
}

// espOpen(key, src, dst, first, count, replay: Uint32Array, nextHeader, report: Uint32Array)
napi_value OpenCallback(napi_env env, napi_callback_info info) {
  napi_value v[8];
  CallCursor cursor;
  Call call;
  EspKey* key = nullptr;
  uint32_t next_header = 0;
  Span<uint32_t> replay, report;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call) ||
      !Get(env, v[5], &replay) || !Get(env, v[6], &next_header) || next_header > kEspInnerIp || !Get(env, v[7], &report))
    return ThrowType(env, "espOpen(key, src, dst, first, count, replay, nextHeader, report)");
  const EspWindow window(replay);
  if (!window.IsValid(key->esn) || report.size < kEspReportWords)
    return ThrowType(env, "espOpen: not the state of a replay window, or a report too short");
  return RunCall(env, cursor, &call, key->closed, [&] {
    EspReport counts = {};
    const int32_t next = OpenEsp(key, &call, window, next_header, &counts);
    memcpy(report.data, &counts, sizeof(counts));
    return next;
  });
}

// espSealFramed(key, src, dst, first, count, virtio: 0 | 1, sequenceLow, sequenceHigh, nextHeader, framing: Uint8Array)
napi_value SealFramedCallback(napi_env env, napi_callback_info info) {
  napi_value v[10];
  CallCursor cursor;
  Call call;
  EspKey* key = nullptr;
  uint32_t virtio = 0, low = 0, high = 0, next_header = 0;
  Span<uint8_t> form;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call) ||
      !Get(env, v[5], &virtio) || !Get(env, v[6], &low) || !Get(env, v[7], &high) || !Get(env, v[8], &next_header) ||
      next_header > UINT8_MAX || !Get(env, v[9], &form) || !EspFraming(form).IsValid())
    return ThrowType(env, "espSealFramed(key, src, dst, first, count, virtio, sequenceLow, sequenceHigh, nextHeader, framing)");
  const uint64_t sequence = static_cast<uint64_t>(high) << 32 | low;
  return RunCall(env, cursor, &call, key->closed, [&] {
    return SealFramedEsp(key, &call, virtio == 1, sequence, static_cast<uint8_t>(next_header), EspFraming(form));
  });
}

// espOpenFramed(key, src, dst, first, count, virtio: 0 | 1, join, others, replay: Uint32Array, nextHeader, report: Uint32Array,
//   framing: Uint8Array)
napi_value OpenFramedCallback(napi_env env, napi_callback_info info) {
  napi_value v[12];
  CallCursor cursor;
  Call call;
  EspKey* key = nullptr;
  BoundBatch* others = nullptr;
  uint32_t virtio = 0, join = 0, next_header = 0;
  Span<uint32_t> replay, report;
  Span<uint8_t> form;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call) ||
      !Get(env, v[5], &virtio) || !Get(env, v[6], &join) ||
      (others = GetTagged<BoundBatch>(env, v[7], kBatchTag)) == nullptr || !Get(env, v[8], &replay) ||
      !Get(env, v[9], &next_header) || next_header > UINT8_MAX || !Get(env, v[10], &report) || !Get(env, v[11], &form))
    return ThrowType(
        env, "espOpenFramed(key, src, dst, first, count, virtio, join, others, replay, nextHeader, report, framing)");
  const EspWindow window(replay);
  const EspFraming framing(form);
  Cursor beside = {others->cursor.data[0], others->cursor.data[1]};
  if (!window.IsValid(key->esn) || report.size < kEspReportWords || !framing.IsValid() || beside.count > others->batch.Slots() ||
      beside.used > others->batch.arena.size)
    return ThrowType(env, "espOpenFramed: not the state of a replay window, a report too short, no framing, or no place beside");
  return RunCall(env, cursor, &call, key->closed, [&] {
    EspReport counts = {};
    const int32_t next = OpenFramedEsp(key, &call, others->batch, &beside, window, static_cast<uint8_t>(next_header), framing,
                                       virtio == 0 ? 0 : kVirtio, join, &counts);
    memcpy(report.data, &counts, sizeof(counts));
    others->cursor.data[0] = static_cast<uint32_t>(beside.count);
    others->cursor.data[1] = static_cast<uint32_t>(beside.used);
    return next;
  });
}

// espClose(key): forgets the key now, not when the collector comes by. Harmless when repeated.
napi_value CloseCallback(napi_env env, napi_callback_info info) {
  napi_value v[1];
  EspKey* key = nullptr;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr) return ThrowType(env, "not a key");
  key->Close();
  return nullptr;
}

}  // namespace

void ExportEsp(napi_env env, napi_value exports) {
  Export(env, exports, "espCreate", CreateCallback);
  Export(env, exports, "espSeal", SealCallback);
  Export(env, exports, "espOpen", OpenCallback);
  Export(env, exports, "espSealFramed", SealFramedCallback);
  Export(env, exports, "espOpenFramed", OpenFramedCallback);
  Export(env, exports, "espClose", CloseCallback);
}

}  // namespace culvert
