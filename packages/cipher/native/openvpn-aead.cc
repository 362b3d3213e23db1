// OpenVPN's AEAD data format over whole batches, one call each.
//
//   v2:  | op/key 1 | peer id 3 | packet id 4 | tag 16 | ciphertext ...     authenticated: the first 8 bytes
//   v1:  | op/key 1 |             packet id 4 | tag 16 | ciphertext ...     authenticated: the packet id alone
//
// The nonce is the packet id followed by the key's implicit IV.
#include "openvpn-aead.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <climits>
#include <cstring>
#include <memory>
#include <new>

namespace culvert {
namespace {

constexpr size_t kTag = 16;
constexpr size_t kPacketId = 4;
constexpr size_t kNonce = 12;
constexpr size_t kImplicitIv = kNonce - kPacketId;
constexpr size_t kMaxKey = 32;

// What a call returns instead of an index.
constexpr int32_t kOutOfBounds = -1;
constexpr int32_t kClosed = -2;
constexpr int32_t kCipherFailed = -3;

constexpr napi_type_tag kKeyTag = {0x6ab1d6f5c03a4c11, 0x9d0f2f6de8f7b5a2};

// One direction of one key. A context is keyed at its first use and then takes a new nonce a packet; a key seals or
// opens, so that the other context is hardly ever made.
struct Key {
  const EVP_CIPHER* cipher = nullptr;
  uint8_t key[kMaxKey] = {};
  uint8_t implicit_iv[kImplicitIv] = {};
  size_t header = 0;  // 4 in v2, 1 in v1
  EVP_CIPHER_CTX* sealing = nullptr;
  EVP_CIPHER_CTX* opening = nullptr;
  bool closed = false;

  ~Key() { Close(); }

  void Close() {
    EVP_CIPHER_CTX_free(sealing);
    EVP_CIPHER_CTX_free(opening);
    sealing = opening = nullptr;
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(implicit_iv, sizeof(implicit_iv));
    closed = true;
  }

  // Bytes before the tag.
  size_t Prefix() const { return header + kPacketId; }
  size_t Overhead() const { return Prefix() + kTag; }

  // What is authenticated of a datagram, and where it starts.
  size_t AdLength() const { return header == 4 ? header + kPacketId : kPacketId; }
  const uint8_t* Ad(const uint8_t* datagram) const { return datagram + Prefix() - AdLength(); }
};

EVP_CIPHER_CTX* Keyed(Key* key, EVP_CIPHER_CTX** context, int encrypt) {
  if (*context != nullptr) return *context;
  EVP_CIPHER_CTX* made = EVP_CIPHER_CTX_new();
  if (made == nullptr) return nullptr;
  if (EVP_CipherInit_ex(made, key->cipher, nullptr, key->key, nullptr, encrypt) != 1) {
    EVP_CIPHER_CTX_free(made);
    return nullptr;
  }
  return *context = made;
}

void PutU32(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 24);
  at[1] = static_cast<uint8_t>(value >> 16);
  at[2] = static_cast<uint8_t>(value >> 8);
  at[3] = static_cast<uint8_t>(value);
}

uint32_t TakeU32(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 | static_cast<uint32_t>(at[2]) << 8 |
         static_cast<uint32_t>(at[3]);
}

void MakeNonce(const Key& key, const uint8_t* packet_id, uint8_t* nonce) {
  memcpy(nonce, packet_id, kPacketId);
  memcpy(nonce + kPacketId, key.implicit_iv, kImplicitIv);
}

bool SealPacket(const Key& key, EVP_CIPHER_CTX* context, uint32_t header, uint32_t packet_id, const uint8_t* plain,
                size_t length, uint8_t* datagram) {
  if (key.header == 4) {
    PutU32(datagram, header);
  } else {
    datagram[0] = static_cast<uint8_t>(header);
  }
  uint8_t* id = datagram + key.header;
  PutU32(id, packet_id);
  uint8_t nonce[kNonce];
  MakeNonce(key, id, nonce);
  uint8_t* tag = datagram + key.Prefix();
  uint8_t* sealed = tag + kTag;
  int written = 0;
  return EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_EncryptUpdate(context, nullptr, &written, key.Ad(datagram), static_cast<int>(key.AdLength())) == 1 &&
         EVP_EncryptUpdate(context, sealed, &written, plain, static_cast<int>(length)) == 1 &&
         EVP_EncryptFinal_ex(context, sealed + length, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, tag) == 1;
}

bool OpenPacket(const Key& key, EVP_CIPHER_CTX* context, const uint8_t* datagram, size_t length, uint8_t* plain) {
  uint8_t nonce[kNonce];
  MakeNonce(key, datagram + key.header, nonce);
  uint8_t tag[kTag];
  memcpy(tag, datagram + key.Prefix(), kTag);
  const uint8_t* sealed = datagram + key.Overhead();
  const int size = static_cast<int>(length - key.Overhead());
  int written = 0;
  return EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, tag) == 1 &&
         EVP_DecryptUpdate(context, nullptr, &written, key.Ad(datagram), static_cast<int>(key.AdLength())) == 1 &&
         (size == 0 || EVP_DecryptUpdate(context, plain, &written, sealed, size) == 1) &&
         EVP_DecryptFinal_ex(context, plain + size, &written) == 1;
}

bool InBounds(const Batch& batch, size_t offset, size_t length) {
  return offset <= batch.arena.size && length <= batch.arena.size - offset && length <= INT_MAX;
}

// Where a call stands: read from and written back to the caller's Uint32Array [dst.count, dst.used].
struct Cursor {
  uint32_t* state;
  size_t count;
  size_t used;

  void Append(const Batch& dst, size_t size, uint32_t length, uint32_t tag) {
    dst.offsets.data[count] = static_cast<uint32_t>(used);
    dst.lengths.data[count] = length;
    dst.tags.data[count] = tag;
    count++;
    used += size;
  }
  bool Fits(const Batch& dst, size_t size) const { return count < dst.Slots() && size <= dst.arena.size - used; }
  void Commit() {
    state[0] = static_cast<uint32_t>(count);
    state[1] = static_cast<uint32_t>(used);
  }
};

struct Call {
  Key* key;
  Batch src;
  Batch dst;
  size_t first;
  size_t last;  // one past the last packet of src
  Cursor cursor;
  uint32_t header = 0;
  uint32_t packet_id = 0;
};

bool RangesAreValid(const Call& call) {
  return call.first <= call.last && call.last <= call.src.Slots() && call.cursor.count <= call.dst.Slots() &&
         call.cursor.used <= call.dst.arena.size && call.dst.arena.size <= UINT32_MAX;
}

int32_t Seal(Call call) {
  EVP_CIPHER_CTX* context = Keyed(call.key, &call.key->sealing, 1);
  if (context == nullptr) return kCipherFailed;
  size_t at = call.first;
  for (; at < call.last; at++) {
    const size_t length = call.src.lengths.data[at];
    if (length == 0) continue;
    const size_t offset = call.src.offsets.data[at];
    if (!InBounds(call.src, offset, length)) return kOutOfBounds;
    const size_t size = length + call.key->Overhead();
    if (!call.cursor.Fits(call.dst, size)) break;
    uint8_t* datagram = call.dst.arena.data + call.cursor.used;
    if (!SealPacket(*call.key, context, call.header, call.packet_id++, call.src.arena.data + offset, length, datagram))
      return kCipherFailed;
    call.cursor.Append(call.dst, size, static_cast<uint32_t>(size), call.src.tags.data[at]);
  }
  call.cursor.Commit();
  return static_cast<int32_t>(at);
}

int32_t Open(Call call) {
  EVP_CIPHER_CTX* context = Keyed(call.key, &call.key->opening, 0);
  if (context == nullptr) return kCipherFailed;
  const size_t overhead = call.key->Overhead();
  size_t at = call.first;
  for (; at < call.last; at++) {
    const size_t length = call.src.lengths.data[at];
    const size_t offset = call.src.offsets.data[at];
    if (!InBounds(call.src, offset, length)) return kOutOfBounds;
    const size_t size = length < overhead ? 0 : length - overhead;
    if (!call.cursor.Fits(call.dst, size)) break;
    const uint8_t* datagram = call.src.arena.data + offset;
    uint8_t* plain = call.dst.arena.data + call.cursor.used;
    if (length >= overhead && OpenPacket(*call.key, context, datagram, length, plain)) {
      const uint32_t packet_id = TakeU32(datagram + call.key->header);
      call.cursor.Append(call.dst, size, static_cast<uint32_t>(size), packet_id);
    } else {
      if (size > 0) memset(plain, 0, size);  // what failed authentication is not left to be read
      call.cursor.Append(call.dst, 0, 0, 0);
    }
  }
  ERR_clear_error();
  call.cursor.Commit();
  return static_cast<int32_t>(at);
}

const EVP_CIPHER* CipherOf(uint32_t index, size_t* key_length) {
  *key_length = index == 1 ? 16 : 32;
  switch (index) {
    case 0: return EVP_aes_256_gcm();
    case 1: return EVP_aes_128_gcm();
    case 2: return EVP_chacha20_poly1305();
    default: return nullptr;
  }
}

Key* GetKey(napi_env env, napi_value value) {
  napi_valuetype type;
  bool ours = false;
  void* data = nullptr;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_external) return nullptr;
  if (napi_check_object_type_tag(env, value, &kKeyTag, &ours) != napi_ok || !ours) return nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  return static_cast<Key*>(data);
}

// openvpnAeadCreate(cipher: 0 AES-256-GCM | 1 AES-128-GCM | 2 CHACHA20-POLY1305, key, implicitIv, headerLength: 4 | 1): external
napi_value CreateCallback(napi_env env, napi_callback_info info) {
  napi_value v[4];
  uint32_t index = 0;
  uint32_t header = 0;
  size_t key_length = 0;
  Span<uint8_t> bytes, iv;
  if (!GetArguments(env, info, v) || !Get(env, v[0], &index) || !Get(env, v[1], &bytes) || !Get(env, v[2], &iv) ||
      !Get(env, v[3], &header))
    return ThrowType(env, "openvpnAeadCreate(cipher, key, implicitIv, headerLength)");
  const EVP_CIPHER* cipher = CipherOf(index, &key_length);
  if (cipher == nullptr || bytes.size != key_length || iv.size != kImplicitIv || (header != 4 && header != 1))
    return ThrowType(env, "openvpnAeadCreate: unknown cipher, or a length that does not fit it");

  auto key = std::make_unique<Key>();
  key->cipher = cipher;
  key->header = header;
  memcpy(key->key, bytes.data, bytes.size);
  memcpy(key->implicit_iv, iv.data, iv.size);
  napi_value external;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<Key*>(data); };
  if (napi_create_external(env, key.get(), finalize, nullptr, &external) != napi_ok) return nullptr;
  key.release();
  if (napi_type_tag_object(env, external, &kKeyTag) != napi_ok) return nullptr;
  return external;
}

napi_value Number(napi_env env, int32_t number) {
  napi_value value = nullptr;
  napi_create_int32(env, number, &value);
  return value;
}

// openvpnAeadSeal(key, cursor, first, count, header, packetId, src arena, offsets, lengths, tags, dst arena, ...) and
// openvpnAeadOpen(key, cursor, first, count, src arena, ..., dst arena, ...): the index of the first packet of src that
// was not consumed, or a negative number; `cursor` is [dst.count, dst.used] before and after.
template <size_t N>
napi_value RunCallback(napi_env env, napi_callback_info info, int32_t (*run)(Call)) {
  constexpr size_t kBatches = N - 8;
  napi_value v[N];
  Call call = {};
  Span<uint32_t> state;
  uint32_t first = 0;
  uint32_t count = 0;
  if (!GetArguments(env, info, v) || (call.key = GetKey(env, v[0])) == nullptr || !Get(env, v[1], &state) ||
      state.size < 2 || !Get(env, v[2], &first) || !Get(env, v[3], &count) || !Get(env, v + kBatches, &call.src) ||
      !Get(env, v + kBatches + 4, &call.dst))
    return ThrowType(env, "not a key, or not a batch");
  if (kBatches == 6 && (!Get(env, v[4], &call.header) || !Get(env, v[5], &call.packet_id)))
    return ThrowType(env, "header and packetId are 32-bit numbers");
  if (call.key->closed) return Number(env, kClosed);
  call.first = first;
  call.last = static_cast<size_t>(first) + count;
  call.cursor = {state.data, state.data[0], state.data[1]};
  if (!RangesAreValid(call)) return Number(env, kOutOfBounds);
  return Number(env, run(call));
}

napi_value SealCallback(napi_env env, napi_callback_info info) { return RunCallback<14>(env, info, Seal); }
napi_value OpenCallback(napi_env env, napi_callback_info info) { return RunCallback<12>(env, info, Open); }

// openvpnAeadClose(key): forgets the key now, not when the collector comes by. Harmless when repeated.
napi_value CloseCallback(napi_env env, napi_callback_info info) {
  napi_value v[1];
  Key* key = nullptr;
  if (!GetArguments(env, info, v) || (key = GetKey(env, v[0])) == nullptr) return ThrowType(env, "not a key");
  key->Close();
  return nullptr;
}

}  // namespace

void ExportOpenvpnAead(napi_env env, napi_value exports) {
  Export(env, exports, "openvpnAeadCreate", CreateCallback);
  Export(env, exports, "openvpnAeadSeal", SealCallback);
  Export(env, exports, "openvpnAeadOpen", OpenCallback);
  Export(env, exports, "openvpnAeadClose", CloseCallback);
}

}  // namespace culvert
