// The calls of src/native.ts for OpenVPN's AEAD data format.
#include "openvpn-aead.h"

#include <cstring>
#include <memory>

#include "aes-gcm-calls.h"
#include "napi-call.h"
#include "openvpn-batch.h"
#include "replay-window.h"

namespace culvert {
namespace {

constexpr napi_type_tag kKeyTag = {0x6ab1d6f5c03a4c11, 0x9d0f2f6de8f7b5a2};

OpenvpnKey* GetKey(napi_env env, napi_value value) { return GetTagged<OpenvpnKey>(env, value, kKeyTag); }

// openvpnAeadCreate(cipher: 0 AES-256-GCM | 1 AES-128-GCM | 2 CHACHA20-POLY1305, key, implicitIv, headerLength: 4 | 1,
//   engine: 0 the best | 1 OpenSSL | 2 and up an engine of AES-GCM): external
napi_value CreateCallback(napi_env env, napi_callback_info info) {
  napi_value v[5];
  uint32_t index = 0, header = 0, engine_number = 0;
  Span<uint8_t> bytes, iv;
  const AesGcmEngine* engine = nullptr;
  if (!GetArguments(env, info, v) || !Get(env, v[0], &index) || !Get(env, v[1], &bytes) || !Get(env, v[2], &iv) ||
      !Get(env, v[3], &header) || !Get(env, v[4], &engine_number))
    return ThrowType(env, "openvpnAeadCreate(cipher, key, implicitIv, headerLength, engine)");
  const auto cipher = static_cast<AeadCipher>(index);
  if (index > static_cast<uint32_t>(AeadCipher::kChacha20Poly1305) || bytes.size != Aead::KeyLength(cipher) ||
      iv.size != kImplicitIv || (header != 4 && header != 1) || !FindEngine(engine_number, &engine))
    return ThrowType(env, "openvpnAeadCreate: unknown cipher or engine, or a length that does not fit it");

  auto key = std::make_unique<OpenvpnKey>();
  key->header = header;
  key->aead.Init(cipher, engine, bytes.data);
  memcpy(key->implicit_iv, iv.data, iv.size);
  napi_value external;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<OpenvpnKey*>(data); };
  if (napi_create_external(env, key.get(), finalize, nullptr, &external) != napi_ok) return nullptr;
  key.release();
  if (napi_type_tag_object(env, external, &kKeyTag) != napi_ok) return nullptr;
  return external;
}

// openvpnAeadSeal(key, src, dst, first, count, virtio: 0 | 1, header, packetId)
napi_value SealCallback(napi_env env, napi_callback_info info) {
  napi_value v[8];
  CallCursor cursor;
  Call call;
  OpenvpnKey* key = nullptr;
  uint32_t virtio = 0, header = 0, packet_id = 0;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call) ||
      !Get(env, v[5], &virtio) || !Get(env, v[6], &header) || !Get(env, v[7], &packet_id))
    return ThrowType(env, "openvpnAeadSeal(key, src, dst, first, count, virtio, header, packetId)");
  return RunCall(env, cursor, &call, key->closed, [&] {
    return virtio == 0 ? Seal(key, &call, header, packet_id) : SealTrains(key, &call, header, packet_id);
  });
}

// openvpnAeadOpen(key, src, dst, first, count)
napi_value OpenCallback(napi_env env, napi_callback_info info) {
  napi_value v[5];
  CallCursor cursor;
  Call call;
  OpenvpnKey* key = nullptr;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call))
    return ThrowType(env, "openvpnAeadOpen(key, src, dst, first, count)");
  return RunCall(env, cursor, &call, key->closed, [&] { return Open(key, &call); });
}

// openvpnAeadOpenTrain(key, src, dst, first, count, virtio: 0 | 1, join, replay: Uint32Array, report: Uint32Array)
napi_value OpenTrainCallback(napi_env env, napi_callback_info info) {
  napi_value v[9];
  CallCursor cursor;
  Call call;
  OpenvpnKey* key = nullptr;
  uint32_t virtio = 0, join = 0;
  Span<uint32_t> replay, report;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr || !TakeCall(env, v + 1, &cursor, &call) ||
      !Get(env, v[5], &virtio) || !Get(env, v[6], &join) || !Get(env, v[7], &replay) || !Get(env, v[8], &report))
    return ThrowType(env, "openvpnAeadOpenTrain(key, src, dst, first, count, virtio, join, replay, report)");
  if (!ReplayWindow(replay).IsValid() || report.size < kReportWords)
    return ThrowType(env, "openvpnAeadOpenTrain: not the state of a replay window, or a report too short");
  return RunCall(env, cursor, &call, key->closed, [&] {
    OpenReport counts = {};
    const int32_t next = OpenTrain(key, &call, replay, virtio == 0 ? 0 : kVirtio, join, &counts);
    memcpy(report.data, &counts, sizeof(counts));
    return next;
  });
}

// openvpnAeadClose(key): forgets the key now, not when the collector comes by. Harmless when repeated.
napi_value CloseCallback(napi_env env, napi_callback_info info) {
  napi_value v[1];
  OpenvpnKey* key = nullptr;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr) return ThrowType(env, "not a key");
  key->Close();
  return nullptr;
}

// segmentTrains(src, dst, first, count)
napi_value SegmentCallback(napi_env env, napi_callback_info info) {
  napi_value v[4];
  CallCursor cursor;
  Call call;
  if (!GetArguments(env, info, v) || !TakeCall(env, v, &cursor, &call))
    return ThrowType(env, "segmentTrains(src, dst, first, count)");
  return RunCall(env, cursor, &call, false, [&] { return SegmentTrains(&call); });
}

// joinTrains(src, dst, first, count, join)
napi_value JoinCallback(napi_env env, napi_callback_info info) {
  napi_value v[5];
  CallCursor cursor;
  Call call;
  uint32_t join = 0;
  if (!GetArguments(env, info, v) || !TakeCall(env, v, &cursor, &call) || !Get(env, v[4], &join))
    return ThrowType(env, "joinTrains(src, dst, first, count, join)");
  return RunCall(env, cursor, &call, false, [&] { return JoinTrains(&call, kVirtio, join); });
}

}  // namespace

void ExportOpenvpnAead(napi_env env, napi_value exports) {
  Export(env, exports, "openvpnAeadCreate", CreateCallback);
  Export(env, exports, "openvpnAeadSeal", SealCallback);
  Export(env, exports, "openvpnAeadOpen", OpenCallback);
  Export(env, exports, "openvpnAeadOpenTrain", OpenTrainCallback);
  Export(env, exports, "openvpnAeadClose", CloseCallback);
  Export(env, exports, "segmentTrains", SegmentCallback);
  Export(env, exports, "joinTrains", JoinCallback);
}

}  // namespace culvert
