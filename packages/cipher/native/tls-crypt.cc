// The calls of src/native.ts for tls-crypt: nothing lives longer than a call, so a session needs no native object.
#include "tls-crypt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <climits>
#include <cstring>

namespace culvert {
namespace {

// One direction's half of a static key: 64 bytes for a cipher and 64 for an HMAC, of which 32 each are used.
constexpr size_t kHalfKey = 128;
constexpr size_t kHmacKeyAt = 64;
constexpr size_t kKey = 32;
constexpr size_t kTag = 32;
constexpr size_t kBlock = 64;

class Digest {
 public:
  Digest() : ctx_(EVP_MD_CTX_new()) {}
  ~Digest() { EVP_MD_CTX_free(ctx_); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  bool Begin() { return ctx_ != nullptr && EVP_DigestInit_ex(ctx_, EVP_sha256(), nullptr) == 1; }
  bool Add(const uint8_t* data, size_t size) { return EVP_DigestUpdate(ctx_, data, size) == 1; }
  bool End(uint8_t* out) { return EVP_DigestFinal_ex(ctx_, out, nullptr) == 1; }

 private:
  EVP_MD_CTX* ctx_;
};

// RFC 2104 with a key of one direction, over two parts.
bool Hmac(const uint8_t* key, Span<uint8_t> a, Span<uint8_t> b, uint8_t* tag) {
  uint8_t inner[kBlock];
  uint8_t outer[kBlock];
  memset(inner, 0x36, sizeof(inner));
  memset(outer, 0x5c, sizeof(outer));
  for (size_t i = 0; i < kKey; i++) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  Digest digest;
  const bool done = digest.Begin() && digest.Add(inner, kBlock) && digest.Add(a.data, a.size) &&
                    digest.Add(b.data, b.size) && digest.End(tag) && digest.Begin() && digest.Add(outer, kBlock) &&
                    digest.Add(tag, kTag) && digest.End(tag);
  OPENSSL_cleanse(inner, sizeof(inner));
  OPENSSL_cleanse(outer, sizeof(outer));
  return done;
}

// Encrypting and decrypting are the same.
bool Counter(const uint8_t* key, const uint8_t* iv, const uint8_t* in, uint8_t* out, size_t size) {
  EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
  int written = 0;
  const bool done = ctx != nullptr && EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), nullptr, key, iv) == 1 &&
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
  const bool done =
      Hmac(at.key.data + kHmacKeyAt, at.head, at.plain, at.tagged.data) &&
      Counter(at.key.data, at.tagged.data, at.plain.data, at.tagged.data + kTag, at.plain.size);
  return Boolean(env, done);
}

// tlsCryptOpen(key, head, tagged, plain): fills `plain`, or wipes it and returns false for what is not authentic.
napi_value Open(napi_env env, napi_callback_info info) {
  Arguments at;
  if (!at.Read(env, info)) return ThrowType(env, "tlsCryptOpen(key, head, tagged, plain)");
  uint8_t tag[kTag];
  const bool authentic =
      Counter(at.key.data, at.tagged.data, at.tagged.data + kTag, at.plain.data, at.plain.size) &&
      Hmac(at.key.data + kHmacKeyAt, at.head, at.plain, tag) && CRYPTO_memcmp(tag, at.tagged.data, kTag) == 0;
  if (!authentic) OPENSSL_cleanse(at.plain.data, at.plain.size);
  return Boolean(env, authentic);
}

}  // namespace

void ExportTlsCrypt(napi_env env, napi_value exports) {
  Export(env, exports, "tlsCryptSeal", Seal);
  Export(env, exports, "tlsCryptOpen", Open);
}

}  // namespace culvert
