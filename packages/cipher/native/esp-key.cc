#include "esp-key.h"

#include <openssl/crypto.h>

#include <cstring>

namespace culvert {
namespace {

constexpr uint8_t kZeros[kEspMaxBlock] = {};

struct Integrity {
  Hash hash;
  size_t icv;
};
// In the order of src/esp/native-esp.ts.
constexpr Integrity kIntegrities[] = {
    {Hash::kSha1, 12}, {Hash::kSha256, 16}, {Hash::kSha256, 12}, {Hash::kSha384, 24}, {Hash::kSha512, 32}};

const EVP_CIPHER* CbcOf(EspEncryption encryption, size_t length) {
  if (encryption == EspEncryption::kTripleDesCbc) return length == 24 ? EVP_des_ede3_cbc() : nullptr;
  return length == 16 ? EVP_aes_128_cbc() : length == 24 ? EVP_aes_192_cbc() : length == 32 ? EVP_aes_256_cbc() : nullptr;
}

void PutU64(uint8_t* at, uint64_t value) {
  PutU32(at, static_cast<uint32_t>(value >> 32));
  PutU32(at + 4, static_cast<uint32_t>(value));
}

}  // namespace

bool EspKey::InitGcm(const AesGcmEngine* engine, const uint8_t* key, size_t length) {
  const size_t bytes = length < kEspSalt ? 0 : length - kEspSalt;
  if (bytes != 16 && bytes != 24 && bytes != 32) return false;
  aead_.Init(bytes == 16   ? AeadCipher::kAes128Gcm
             : bytes == 24 ? AeadCipher::kAes192Gcm
                           : AeadCipher::kAes256Gcm,
             engine, key);
  memcpy(salt_, key + bytes, kEspSalt);
  gcm_ = true;
  head_ = kEspHeader + 8;
  block_ = 4;
  icv_ = kAeadTag;
  return true;
}

bool EspKey::InitCbc(EspEncryption encryption, const uint8_t* key, size_t length, uint32_t integrity,
                     const uint8_t* integrity_key, size_t integrity_length) {
  cipher_ = CbcOf(encryption, length);
  if (cipher_ == nullptr || integrity >= sizeof(kIntegrities) / sizeof(kIntegrities[0])) return false;
  const Integrity& form = kIntegrities[integrity];
  if (integrity_length != Hmac::DigestLength(form.hash)) return false;
  memcpy(key_, key, length);
  hmac_.Init(form.hash, integrity_key, integrity_length);
  block_ = encryption == EspEncryption::kAesCbc ? 16 : 8;
  head_ = kEspHeader + block_;
  icv_ = form.icv;
  return true;
}

bool EspKey::Seal(uint64_t sequence, uint8_t next_header, size_t length, uint8_t* packet) {
  const size_t size = Padded(length), padding = size - length - kEspTrailer;
  uint8_t* plain = packet + head_;
  PutU32(packet, spi);
  PutU32(packet + 4, static_cast<uint32_t>(sequence));
  for (size_t i = 0; i < padding; i++) plain[length + i] = static_cast<uint8_t>(i + 1);
  plain[size - 2] = static_cast<uint8_t>(padding);
  plain[size - 1] = next_header;
  if (gcm_) {
    uint8_t nonce[kAeadNonce], ad[12];
    memcpy(nonce, salt_, kEspSalt);
    PutU64(nonce + kEspSalt, sequence);
    memcpy(packet + kEspHeader, nonce + kEspSalt, 8);
    return aead_.Seal(nonce, ad, AdditionalData(sequence, ad), plain, size, plain, plain + size);
  }
  // The first block enciphered under an IV of zeros is the IV of those behind it.
  EVP_CIPHER_CTX* context = Keyed(&sealing_, 1);
  uint8_t* iv = packet + kEspHeader;
  memset(iv, 0, block_);
  PutU64(iv + block_ - 8, sequence);
  int written = 0;
  if (context == nullptr || EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, kZeros) != 1 ||
      EVP_EncryptUpdate(context, iv, &written, iv, static_cast<int>(block_ + size)) != 1)
    return false;
  uint8_t digest[Hmac::kMaxDigest];
  Authenticate(packet, head_ + size, sequence, digest);
  memcpy(plain + size, digest, icv_);
  return true;
}

bool EspKey::CanOpen() { return gcm_ ? aead_.CanOpen() : Keyed(&opening_, 0) != nullptr; }

bool EspKey::Open(uint64_t sequence, const uint8_t* packet, size_t size, uint8_t* plain) {
  const uint8_t* sealed = packet + head_;
  if (gcm_) {
    uint8_t nonce[kAeadNonce], ad[12];
    memcpy(nonce, salt_, kEspSalt);
    memcpy(nonce + kEspSalt, packet + kEspHeader, 8);
    return aead_.Open(nonce, ad, AdditionalData(sequence, ad), sealed, size, sealed + size, plain);
  }
  uint8_t digest[Hmac::kMaxDigest];
  Authenticate(packet, head_ + size, sequence, digest);
  if (CRYPTO_memcmp(digest, sealed + size, icv_) != 0) return false;
  EVP_CIPHER_CTX* context = Keyed(&opening_, 0);
  int written = 0;
  return context != nullptr && EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, packet + kEspHeader) == 1 &&
         EVP_DecryptUpdate(context, plain, &written, sealed, static_cast<int>(size)) == 1;
}

void EspKey::Close() {
  aead_.Wipe();
  hmac_.Wipe();
  EVP_CIPHER_CTX_free(sealing_);
  EVP_CIPHER_CTX_free(opening_);
  sealing_ = opening_ = nullptr;
  OPENSSL_cleanse(key_, sizeof(key_));
  OPENSSL_cleanse(salt_, sizeof(salt_));
  closed = true;
}

// A context is keyed at its first use and then takes a new IV a packet.
EVP_CIPHER_CTX* EspKey::Keyed(EVP_CIPHER_CTX** context, int encrypt) {
  if (*context != nullptr) return *context;
  EVP_CIPHER_CTX* made = EVP_CIPHER_CTX_new();
  if (made == nullptr) return nullptr;
  if (EVP_CipherInit_ex(made, cipher_, nullptr, key_, kZeros, encrypt) != 1 || EVP_CIPHER_CTX_set_padding(made, 0) != 1) {
    EVP_CIPHER_CTX_free(made);
    return nullptr;
  }
  return *context = made;
}

// SPI and sequence number, with ESN all 64 bits of it (RFC 4106, section 5).
size_t EspKey::AdditionalData(uint64_t sequence, uint8_t* ad) const {
  PutU32(ad, spi);
  if (esn) {
    PutU64(ad + 4, sequence);
    return 12;
  }
  PutU32(ad + 4, static_cast<uint32_t>(sequence));
  return 8;
}

void EspKey::Authenticate(const uint8_t* packet, size_t length, uint64_t sequence, uint8_t* digest) const {
  uint8_t high[4];
  PutU32(high, static_cast<uint32_t>(sequence >> 32));
  hmac_.Compute(packet, length, high, esn ? sizeof(high) : 0, digest);
}

}  // namespace culvert
