// ESP (RFC 4303), a packet at a time.
//
//   | SPI 4 | sequence number 4 | IV 8 or a block | payload, padding, pad length 1, next header 1 | ICV |
//
// The IV of GCM is the sequence number; that of CBC is the sequence number enciphered with the key (NIST SP 800-38A, appendix C).
#pragma once

#include <openssl/evp.h>

#include "aead.h"
#include "bytes.h"
#include "hmac.h"

namespace culvert {

constexpr size_t kEspHeader = 8;
constexpr size_t kEspTrailer = 2;
constexpr size_t kEspSalt = 4;
constexpr size_t kEspMaxBlock = 16;
// Stands for 4 or 41, by the IP packet that is the payload: tunnel mode.
constexpr uint32_t kEspInnerIp = 256;

enum class EspEncryption : uint32_t { kAesGcm, kAesCbc, kTripleDesCbc };

// One direction of one security association.
class EspKey {
 public:
  EspKey() = default;
  EspKey(const EspKey&) = delete;
  EspKey& operator=(const EspKey&) = delete;
  ~EspKey() { Close(); }

  // False: a length that does not fit. Each is called once, and before all else.
  bool InitGcm(const AesGcmEngine* engine, const uint8_t* key, size_t length);
  bool InitCbc(EspEncryption encryption, const uint8_t* key, size_t length, uint32_t integrity, const uint8_t* integrity_key,
               size_t integrity_length);

  size_t Head() const { return head_; }
  size_t Block() const { return block_; }
  size_t Icv() const { return icv_; }
  // Ciphertext of a payload.
  size_t Padded(size_t length) const { return (length + kEspTrailer + block_ - 1) / block_ * block_; }

  // Makes a packet of Head() + Padded(length) + Icv() bytes around the payload of `length`, which lies at packet + Head() already.
  // False when the cipher fails.
  bool Seal(uint64_t sequence, uint8_t next_header, size_t length, uint8_t* packet);
  // False when OpenSSL cannot make what it needs to open packets.
  bool CanOpen();
  // `size` bytes of ciphertext, whole blocks, to `plain`. False: not authentic; `plain` is then to be wiped by the caller.
  bool Open(uint64_t sequence, const uint8_t* packet, size_t size, uint8_t* plain);

  void Close();

  uint32_t spi = 0;
  bool esn = false;
  bool closed = false;

 private:
  EVP_CIPHER_CTX* Keyed(EVP_CIPHER_CTX** context, int encrypt);
  size_t AdditionalData(uint64_t sequence, uint8_t* ad) const;
  void Authenticate(const uint8_t* packet, size_t length, uint64_t sequence, uint8_t* digest) const;

  bool gcm_ = false;
  size_t head_ = 0, block_ = 0, icv_ = 0;
  Aead aead_;
  uint8_t salt_[kEspSalt] = {};
  const EVP_CIPHER* cipher_ = nullptr;
  uint8_t key_[32] = {};
  EVP_CIPHER_CTX* sealing_ = nullptr;
  EVP_CIPHER_CTX* opening_ = nullptr;
  Hmac hmac_;
};

}  // namespace culvert
