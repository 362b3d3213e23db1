#include "aead.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <cstring>

namespace culvert {
namespace {

const EVP_CIPHER* EvpOf(AeadCipher cipher) {
  switch (cipher) {
    case AeadCipher::kAes256Gcm: return EVP_aes_256_gcm();
    case AeadCipher::kAes128Gcm: return EVP_aes_128_gcm();
    case AeadCipher::kAes192Gcm: return EVP_aes_192_gcm();
    case AeadCipher::kChacha20Poly1305: return EVP_chacha20_poly1305();
  }
  return nullptr;
}

}  // namespace

void Aead::Init(AeadCipher cipher, const AesGcmEngine* engine, const uint8_t* key) {
  ours_ = engine != nullptr && (cipher == AeadCipher::kAes256Gcm || cipher == AeadCipher::kAes128Gcm);
  if (ours_) return gcm_.Init(*engine, key, KeyLength(cipher));
  cipher_ = EvpOf(cipher);
  memcpy(key_, key, KeyLength(cipher));
}

void Aead::Wipe() {
  gcm_.Wipe();
  EVP_CIPHER_CTX_free(sealing_);
  EVP_CIPHER_CTX_free(opening_);
  sealing_ = opening_ = nullptr;
  OPENSSL_cleanse(key_, sizeof(key_));
}

EVP_CIPHER_CTX* Aead::Keyed(EVP_CIPHER_CTX** context, int encrypt) {
  if (*context != nullptr) return *context;
  EVP_CIPHER_CTX* made = EVP_CIPHER_CTX_new();
  if (made == nullptr) return nullptr;
  if (EVP_CipherInit_ex(made, cipher_, nullptr, key_, nullptr, encrypt) != 1) {
    EVP_CIPHER_CTX_free(made);
    return nullptr;
  }
  return *context = made;
}

bool Aead::EvpSeal(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length, uint8_t* out,
                   uint8_t* tag) {
  EVP_CIPHER_CTX* context = Keyed(&sealing_, 1);
  int written = 0;
  return context != nullptr && EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
         (ad_length == 0 || EVP_EncryptUpdate(context, nullptr, &written, ad, static_cast<int>(ad_length)) == 1) &&
         (length == 0 || EVP_EncryptUpdate(context, out, &written, in, static_cast<int>(length)) == 1) &&
         EVP_EncryptFinal_ex(context, out + length, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTag, tag) == 1;
}

bool Aead::EvpOpen(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length,
                   const uint8_t* tag, uint8_t* out) {
  EVP_CIPHER_CTX* context = Keyed(&opening_, 0);
  uint8_t expected[kAeadTag];
  memcpy(expected, tag, kAeadTag);
  int written = 0;
  const bool authentic =
      context != nullptr && EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kAeadTag, expected) == 1 &&
      (ad_length == 0 || EVP_DecryptUpdate(context, nullptr, &written, ad, static_cast<int>(ad_length)) == 1) &&
      (length == 0 || EVP_DecryptUpdate(context, out, &written, in, static_cast<int>(length)) == 1) &&
      EVP_DecryptFinal_ex(context, out + length, &written) == 1;
  if (!authentic) ERR_clear_error();
  return authentic;
}

}  // namespace culvert
