// OpenVPN's AEAD data format, a packet at a time.
//
//   v2:  | op/key 1 | peer id 3 | packet id 4 | tag 16 | ciphertext ...     authenticated: the first 8 bytes
//   v1:  | op/key 1 |             packet id 4 | tag 16 | ciphertext ...     authenticated: the packet id alone
//
// The nonce is the packet id followed by the key's implicit IV.
#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <cstdint>

#include "aead.h"
#include "bytes.h"

namespace culvert {

constexpr size_t kTag = kAeadTag;
constexpr size_t kPacketId = 4;
constexpr size_t kImplicitIv = kAeadNonce - kPacketId;
constexpr size_t kMinOverhead = 1 + kPacketId + kTag;

// One direction of one key.
struct OpenvpnKey {
  Aead aead;
  uint8_t implicit_iv[kImplicitIv] = {};
  size_t header = 0;  // 4 in v2, 1 in v1
  bool closed = false;

  ~OpenvpnKey() { Close(); }

  void Close() {
    aead.Wipe();
    OPENSSL_cleanse(implicit_iv, sizeof(implicit_iv));
    closed = true;
  }

  // Bytes before the tag.
  size_t Prefix() const { return header + kPacketId; }
  size_t Overhead() const { return Prefix() + kTag; }

  // What is authenticated of a datagram, and where it starts.
  size_t AdLength() const { return header == 4 ? header + kPacketId : kPacketId; }
  uint32_t PacketId(const uint8_t* datagram) const { return TakeU32(datagram + header); }
  const uint8_t* Ad(const uint8_t* datagram) const { return datagram + Prefix() - AdLength(); }
};

// Writes a datagram of `length` and the key's overhead. False when the cipher fails.
bool SealPacket(OpenvpnKey* key, uint32_t header, uint32_t packet_id, const uint8_t* plain, size_t length, uint8_t* datagram);

// Writes `length` less the key's overhead bytes to `plain`, authentic or not: `length` is no less than that. False: not authentic.
bool OpenPacket(OpenvpnKey* key, const uint8_t* datagram, size_t length, uint8_t* plain);

}  // namespace culvert
