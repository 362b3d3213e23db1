// OpenVPN's AEAD data format, a packet at a time.
//
//   v2:  | op/key 1 | peer id 3 | packet id 4 | tag 16 | ciphertext ...     authenticated: the first 8 bytes
//   v1:  | op/key 1 |             packet id 4 | tag 16 | ciphertext ...     authenticated: the packet id alone
//
// The nonce is the packet id followed by the key's implicit IV.
#pragma once

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>

#include "bytes.h"

namespace culvert {

constexpr size_t kTag = 16;
constexpr size_t kPacketId = 4;
constexpr size_t kNonce = 12;
constexpr size_t kImplicitIv = kNonce - kPacketId;
constexpr size_t kMaxKey = 32;
constexpr size_t kMinOverhead = 1 + kPacketId + kTag;

// One direction of one key. A context is keyed at its first use and then takes a new nonce a packet; a key seals or
// opens, so that the other context is hardly ever made.
struct OpenvpnKey {
  const EVP_CIPHER* cipher = nullptr;
  uint8_t key[kMaxKey] = {};
  uint8_t implicit_iv[kImplicitIv] = {};
  size_t header = 0;  // 4 in v2, 1 in v1
  EVP_CIPHER_CTX* sealing = nullptr;
  EVP_CIPHER_CTX* opening = nullptr;
  bool closed = false;

  ~OpenvpnKey() { Close(); }

  void Close() {
    EVP_CIPHER_CTX_free(sealing);
    EVP_CIPHER_CTX_free(opening);
    sealing = opening = nullptr;
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(implicit_iv, sizeof(implicit_iv));
    closed = true;
  }

  // The context of a direction; null when OpenSSL fails.
  EVP_CIPHER_CTX* Sealing() { return Keyed(&sealing, 1); }
  EVP_CIPHER_CTX* Opening() { return Keyed(&opening, 0); }
  EVP_CIPHER_CTX* Keyed(EVP_CIPHER_CTX** context, int encrypt);

  // Bytes before the tag.
  size_t Prefix() const { return header + kPacketId; }
  size_t Overhead() const { return Prefix() + kTag; }

  // What is authenticated of a datagram, and where it starts.
  size_t AdLength() const { return header == 4 ? header + kPacketId : kPacketId; }
  uint32_t PacketId(const uint8_t* datagram) const { return TakeU32(datagram + header); }
  const uint8_t* Ad(const uint8_t* datagram) const { return datagram + Prefix() - AdLength(); }
};

// Writes a datagram of `length` and the key's overhead. False when OpenSSL fails.
bool SealPacket(const OpenvpnKey& key, EVP_CIPHER_CTX* context, uint32_t header, uint32_t packet_id, const uint8_t* plain,
                size_t length, uint8_t* datagram);

// Writes `length` less the key's overhead bytes to `plain`, authentic or not: `length` is no less than that. False: not authentic.
bool OpenPacket(const OpenvpnKey& key, EVP_CIPHER_CTX* context, const uint8_t* datagram, size_t length, uint8_t* plain);

}  // namespace culvert
