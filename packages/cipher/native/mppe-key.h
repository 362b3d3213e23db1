// MPPE's session keys (RFC 3078, section 7): one direction of one link, stateless.
//
// Every packet has its own session key: key(count + 1) comes from key(count) by SHA-1 and RC4, and a receiver that misses
// packets goes the same steps.
#pragma once

// SHA1_Transform: a digest of two blocks without the cost of a context of EVP's.
#ifndef OPENSSL_SUPPRESS_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#endif
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "rc4.h"

namespace culvert {

constexpr size_t kMppeMaxKey = 16;
constexpr uint32_t kMppeCounts = 4096;

// A session key and the coherency count of the packet that it is for.
struct MppeChain {
  uint8_t session[kMppeMaxKey] = {};
  uint32_t count = kMppeCounts - 1;  // the first packet has count 0
};

constexpr size_t kShaBlock = 64;

// Where keys are computed: one for a call, wiped when it ends.
struct MppeScratch {
  uint32_t table[256];
  uint8_t message[2 * kShaBlock];
  uint8_t digest[20];
  SHA_CTX sha;

  ~MppeScratch() { OPENSSL_cleanse(this, sizeof(*this)); }
};

class MppeKey {
 public:
  // `strength` is 128, 56 or 40; `start` has KeyLength() bytes.
  MppeKey(uint32_t strength, const uint8_t* start);
  MppeKey(const MppeKey&) = delete;
  MppeKey& operator=(const MppeKey&) = delete;
  ~MppeKey() { Close(); }

  static size_t KeyLengthOf(uint32_t strength) { return strength == 128 ? 16 : 8; }
  size_t KeyLength() const { return length_; }

  // Goes on to the key of the next count.
  void Advance(MppeChain* chain, MppeScratch* scratch) const;

  void Close() {
    OPENSSL_cleanse(message_, sizeof(message_));
    OPENSSL_cleanse(&chain, sizeof(chain));
    closed = true;
  }

  MppeChain chain;
  bool closed = false;

 private:
  void Interim(const MppeChain& from, MppeScratch* scratch) const;
  void Salt(uint8_t* session) const;

  size_t length_;
  uint32_t strength_;
  // What GetNewKeyFromSHA hashes, padded as SHA-1 wants it: | start key | 40 of 00 | session key | 40 of f2 | padding, length |
  uint8_t message_[2 * kShaBlock] = {};
};

}  // namespace culvert
