// The calls of src/native.ts for tls-crypt: nothing lives longer than a call, so a session needs no native object.
#include "tls-crypt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <climits>

#include "hmac.h"

namespace culvert {
namespace {

// One direction's half of a static key: 64 bytes for a cipher and 64 for an HMAC, of which 32 each are used.
constexpr size_t kHalfKey = 128;
constexpr size_t kHmacKeyAt = 64;
constexpr size_t kKey = 32;
constexpr size_t kTag = 32;

// Over two parts, with a key of one direction.
void Tag(const uint8_t* key, Span<uint8_t> a, Span<uint8_t> b, uint8_t* tag) {
  Hmac hmac;
  hmac.Init(Hash::kSha256, key + kHmacKeyAt, kKey);
  hmac.Compute(a.data, a.size, b.data, b.size, tag);
  hmac.Wipe();
}

// Looked up once: OpenSSL looks for a cipher without a provider at each use.
const EVP_CIPHER* Aes256Ctr() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr);
  return cipher;
}

// Encrypting and decrypting are the same.
bool Counter(const uint8_t* key, const uint8_t* iv, const uint8_t* in, uint8_t* out, size_t size) {
  EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
  int written = 0;
  const bool done = ctx != nullptr && EVP_EncryptInit_ex2(ctx, Aes256Ctr(), key, iv, nullptr) == 1 &&
                    EVP_EncryptUpdate(ctx, out, &written, in, static_cast<int>(size)) == 1;
  EVP_CIPHER_CTX_free(ctx);
  return done && static_cast<size_t>(written) == size;
}

struct Arguments {
  Span<uint8_t> key, head, tagged, plain;

  // (key: 128 bytes, head, tagged: tag and ciphertext, plain: as long as the ciphertext)
  bool Read(napi_env env, napi_callback_info info) {
    napi_value v[4];
    return GetArguments(env, info, v) && Get(env, v[0], &key) && key.size == kHalfKey && Get(env, v[1], &head) &&
           Get(env, v[2], &tagged) && Get(env, v[3], &plain) && tagged.size == plain.size + kTag &&
           plain.size <= INT_MAX;
  }
};

napi_value Boolean(napi_env env, bool flag) {
  napi_value value = nullptr;
  napi_get_boolean(env, flag, &value);
  return value;
}

// tlsCryptSeal(key, head, tagged, plain): fills `tagged`. False when OpenSSL failed.
napi_value Seal(napi_env env, napi_callback_info info) {
  Arguments at;
  if (!at.Read(env, info)) return ThrowType(env, "tlsCryptSeal(key, head, tagged, plain)");
  Tag(at.key.data, at.head, at.plain, at.tagged.data);
  return Boolean(env, Counter(at.key.data, at.tagged.data, at.plain.data, at.tagged.data + kTag, at.plain.size));
}

// tlsCryptOpen(key, head, tagged, plain): fills `plain`, or wipes it and returns false for what is not authentic.
napi_value Open(napi_env env, napi_callback_info info) {
  Arguments at;
  if (!at.Read(env, info)) return ThrowType(env, "tlsCryptOpen(key, head, tagged, plain)");
  uint8_t tag[kTag];
  const bool decrypted = Counter(at.key.data, at.tagged.data, at.tagged.data + kTag, at.plain.data, at.plain.size);
  Tag(at.key.data, at.head, at.plain, tag);
  const bool authentic = decrypted && CRYPTO_memcmp(tag, at.tagged.data, kTag) == 0;
  if (!authentic) OPENSSL_cleanse(at.plain.data, at.plain.size);
  return Boolean(env, authentic);
}

}  // namespace

void ExportTlsCrypt(napi_env env, napi_value exports) {
  Export(env, exports, "tlsCryptSeal", Seal);
  Export(env, exports, "tlsCryptOpen", Open);
}

}  // namespace culvert
