// An AEAD key for packets: AES-GCM by an engine of ours where this machine has one, and all else by OpenSSL.
#pragma once

#include <openssl/evp.h>

#include "aes-gcm.h"

namespace culvert {

constexpr size_t kAeadTag = kGcmTag;
constexpr size_t kAeadNonce = kGcmNonce;
constexpr size_t kAeadMaxAd = kGcmMaxAd;
constexpr size_t kAeadMaxKey = 32;

// OpenVPN's calls know the first three.
enum class AeadCipher : uint32_t { kAes256Gcm, kAes128Gcm, kChacha20Poly1305, kAes192Gcm };

class Aead {
 public:
  Aead() = default;
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;
  ~Aead() { Wipe(); }

  static size_t KeyLength(AeadCipher cipher) {
    return cipher == AeadCipher::kAes128Gcm ? 16 : cipher == AeadCipher::kAes192Gcm ? 24 : 32;
  }

  // `engine` null: OpenSSL; an engine knows AES-GCM with keys of 16 and 32 bytes only. `key` is as long as the cipher wants it.
  void Init(AeadCipher cipher, const AesGcmEngine* engine, const uint8_t* key);
  // Forgets the key. The object is of no use afterwards.
  void Wipe();

  // The tag is written to `tag`, the ciphertext to `out`. Nothing is kept from one packet to the next, so nonces are the
  // caller's. False when OpenSSL fails.
  bool Seal(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length, uint8_t* out,
            uint8_t* tag) {
    if (!ours_) return EvpSeal(nonce, ad, ad_length, in, length, out, tag);
    gcm_.Seal(nonce, ad, ad_length, in, length, out, tag);
    return true;
  }
  // False when OpenSSL cannot make what it needs to open packets.
  bool CanOpen() { return ours_ || Keyed(&opening_, 0) != nullptr; }
  // False: not authentic, and what `out` holds then is to be wiped by the caller.
  bool Open(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length, const uint8_t* tag,
            uint8_t* out) {
    if (!ours_) return EvpOpen(nonce, ad, ad_length, in, length, tag, out);
    return gcm_.Open(nonce, ad, ad_length, in, length, tag, out);
  }

 private:
  // A context is keyed at its first use and then takes a new nonce a packet; a key seals or opens, so that the other context
  // is hardly ever made.
  EVP_CIPHER_CTX* Keyed(EVP_CIPHER_CTX** context, int encrypt);
  bool EvpSeal(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length, uint8_t* out,
               uint8_t* tag);
  bool EvpOpen(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length,
               const uint8_t* tag, uint8_t* out);

  AesGcm gcm_;
  bool ours_ = false;
  const EVP_CIPHER* cipher_ = nullptr;
  uint8_t key_[kAeadMaxKey] = {};
  EVP_CIPHER_CTX* sealing_ = nullptr;
  EVP_CIPHER_CTX* opening_ = nullptr;
};

}  // namespace culvert
