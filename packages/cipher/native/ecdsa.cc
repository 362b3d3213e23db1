// The calls of src/native.ts for ECDSA over a digest that is there already: node:crypto hashes whatever it signs.
#include "ecdsa.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/x509.h>

#include <climits>
#include <memory>

namespace culvert {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>>;

// A DER signature of P-521 has 139 bytes.
constexpr size_t kMostDer = 160;

// What a call leaves in OpenSSL's error queue would be taken for an error of whoever looks there next.
class Errors {
 public:
  Errors() { ERR_set_mark(); }
  ~Errors() { ERR_pop_to_mark(); }
};

struct Arguments {
  Span<uint8_t> key, digest, signature;

  bool Read(napi_env env, napi_callback_info info) {
    napi_value v[3];
    return GetArguments(env, info, v) && Get(env, v[0], &key) && Get(env, v[1], &digest) &&
           Get(env, v[2], &signature) && key.size <= LONG_MAX;
  }
};

napi_value Boolean(napi_env env, bool flag) {
  napi_value value = nullptr;
  napi_get_boolean(env, flag, &value);
  return value;
}

const EVP_MD* DigestOf(size_t size) {
  if (size == 32) return EVP_sha256();
  if (size == 48) return EVP_sha384();
  return size == 64 ? EVP_sha512() : nullptr;
}

// Bytes of r, and of s: 0 for a key that is none of an elliptic curve.
size_t HalfOf(const EVP_PKEY* key) {
  if (key == nullptr || EVP_PKEY_is_a(key, "EC") != 1) return 0;
  return (static_cast<size_t>(EVP_PKEY_get_bits(key)) + 7) / 8;
}

// RFC 6979: the same key and digest give the same signature, which needs no entropy.
bool MakeRepeatable(EVP_PKEY_CTX* ctx) {
  unsigned int type = 1;
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_SIGNATURE_PARAM_NONCE_TYPE, &type),
                               OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(ctx, params) == 1;
}

bool SignDigest(EVP_PKEY* key, size_t half, const Arguments& at) {
  const EVP_MD* md = DigestOf(at.digest.size);
  KeyContext ctx(EVP_PKEY_CTX_new(key, nullptr));
  uint8_t der[kMostDer];
  size_t size = sizeof(der);
  if (md == nullptr || ctx == nullptr || EVP_PKEY_sign_init(ctx.get()) != 1 ||
      EVP_PKEY_CTX_set_signature_md(ctx.get(), md) != 1 || !MakeRepeatable(ctx.get()) ||
      EVP_PKEY_sign(ctx.get(), der, &size, at.digest.data, at.digest.size) != 1) {
    return false;
  }
  const uint8_t* read = der;
  Signature signature(d2i_ECDSA_SIG(nullptr, &read, static_cast<long>(size)));
  const int length = static_cast<int>(half);
  return signature != nullptr &&
         BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), at.signature.data, length) == length &&
         BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), at.signature.data + half, length) == length;
}

bool VerifyDigest(EVP_PKEY* key, size_t half, const Arguments& at) {
  const int length = static_cast<int>(half);
  Signature signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(at.signature.data, length, nullptr);
  BIGNUM* s = BN_bin2bn(at.signature.data + half, length, nullptr);
  if (signature == nullptr || r == nullptr || s == nullptr || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return false;
  }
  uint8_t der[kMostDer];
  uint8_t* write = der;
  if (i2d_ECDSA_SIG(signature.get(), nullptr) > static_cast<int>(sizeof(der))) return false;
  const int size = i2d_ECDSA_SIG(signature.get(), &write);
  KeyContext ctx(EVP_PKEY_CTX_new(key, nullptr));
  return size > 0 && ctx != nullptr && EVP_PKEY_verify_init(ctx.get()) == 1 &&
         EVP_PKEY_verify(ctx.get(), der, static_cast<size_t>(size), at.digest.data, at.digest.size) == 1;
}

// ecdsaSign(key: PKCS#8, digest, signature): fills `signature`.
napi_value Sign(napi_env env, napi_callback_info info) {
  Arguments at;
  if (!at.Read(env, info)) return ThrowType(env, "ecdsaSign(key, digest, signature)");
  Errors errors;
  const uint8_t* der = at.key.data;
  Key key(d2i_AutoPrivateKey(nullptr, &der, static_cast<long>(at.key.size)));
  const size_t half = HalfOf(key.get());
  return Boolean(env, half > 0 && at.signature.size == 2 * half && SignDigest(key.get(), half, at));
}

// ecdsaVerify(key: SubjectPublicKeyInfo, digest, signature)
napi_value Verify(napi_env env, napi_callback_info info) {
  Arguments at;
  if (!at.Read(env, info)) return ThrowType(env, "ecdsaVerify(key, digest, signature)");
  Errors errors;
  const uint8_t* der = at.key.data;
  Key key(d2i_PUBKEY(nullptr, &der, static_cast<long>(at.key.size)));
  const size_t half = HalfOf(key.get());
  return Boolean(env, half > 0 && at.signature.size == 2 * half && VerifyDigest(key.get(), half, at));
}

}  // namespace

void ExportEcdsa(napi_env env, napi_value exports) {
  Export(env, exports, "ecdsaSign", Sign);
  Export(env, exports, "ecdsaVerify", Verify);
}

}  // namespace culvert
