// The calls of src/native.ts about engines of AES-GCM. No packet goes this way: they are for choosing, saying and testing.
#include "aes-gcm-calls.h"

namespace culvert {

bool FindEngine(uint32_t number, const AesGcmEngine** engine) {
  *engine = nullptr;
  if (number == 0) *engine = BestAesGcmEngine();
  if (number <= 1) return true;
  const uint32_t index = number - 2;
  if (index >= kAesGcmEngines || !IsSupported(static_cast<int>(index))) return false;
  *engine = AesGcmEngineAt(static_cast<int>(index));
  return true;
}

namespace {

napi_value Boolean(napi_env env, bool value) {
  napi_value boolean = nullptr;
  napi_get_boolean(env, value, &boolean);
  return boolean;
}

// aesGcmEngines(): [name, whether it is right, ...] of the engines that this processor has, the fastest first; the name is
// empty for one that it does not have.
napi_value EnginesCallback(napi_env env, napi_callback_info) {
  napi_value list;
  if (napi_create_array(env, &list) != napi_ok) return nullptr;
  for (int i = 0; i < kAesGcmEngines; i++) {
    const bool supported = IsSupported(i);
    napi_value name;
    const uint32_t at = 2 * static_cast<uint32_t>(i);
    if (napi_create_string_latin1(env, supported ? AesGcmEngineAt(i)->name : "", NAPI_AUTO_LENGTH, &name) != napi_ok) return nullptr;
    napi_set_element(env, list, at, name);
    napi_set_element(env, list, at + 1, Boolean(env, supported && IsRight(i)));
  }
  return list;
}

// aesGcmSelfTest(engine, flip: bit of the expected tag to change, 128 for none): whether it passes
napi_value SelfTestCallback(napi_env env, napi_callback_info info) {
  napi_value v[2];
  uint32_t number = 0, flip = 0;
  const AesGcmEngine* engine = nullptr;
  if (!GetArguments(env, info, v) || !Get(env, v[0], &number) || !Get(env, v[1], &flip) || !FindEngine(number, &engine) ||
      engine == nullptr)
    return ThrowType(env, "aesGcmSelfTest(engine, flip)");
  return Boolean(env, PassesSelfTest(*engine, flip < 128 ? static_cast<int>(flip) : -1));
}

// aesGcm(engine, seal: 1 | 0, key, nonce, ad, in, out, tag): whether it was authentic, and true when it seals
napi_value PacketCallback(napi_env env, napi_callback_info info) {
  napi_value v[8];
  uint32_t number = 0, seal = 0;
  const AesGcmEngine* engine = nullptr;
  Span<uint8_t> key, nonce, ad, in, out, tag;
  if (!GetArguments(env, info, v) || !Get(env, v[0], &number) || !Get(env, v[1], &seal) || !Get(env, v[2], &key) ||
      !Get(env, v[3], &nonce) || !Get(env, v[4], &ad) || !Get(env, v[5], &in) || !Get(env, v[6], &out) ||
      !Get(env, v[7], &tag) || !FindEngine(number, &engine) || engine == nullptr)
    return ThrowType(env, "aesGcm(engine, seal, key, nonce, ad, in, out, tag)");
  if ((key.size != 16 && key.size != 32) || nonce.size != kGcmNonce || ad.size > kGcmMaxAd || out.size != in.size ||
      tag.size != kGcmTag)
    return ThrowType(env, "aesGcm: a length that does not fit");
  AesGcm gcm;
  gcm.Init(*engine, key.data, key.size);
  bool authentic = true;
  if (seal != 0) {
    gcm.Seal(nonce.data, ad.data, ad.size, in.data, in.size, out.data, tag.data);
  } else {
    authentic = gcm.Open(nonce.data, ad.data, ad.size, in.data, in.size, tag.data, out.data);
  }
  gcm.Wipe();
  return Boolean(env, authentic);
}

}  // namespace

void ExportAesGcm(napi_env env, napi_value exports) {
  Export(env, exports, "aesGcmEngines", EnginesCallback);
  Export(env, exports, "aesGcmSelfTest", SelfTestCallback);
  Export(env, exports, "aesGcm", PacketCallback);
}

}  // namespace culvert
