// HMAC (RFC 2104) for packets: the states behind both pads are kept, so that a packet costs its own blocks and two more.
#pragma once

// The states of hashes: copied, where a context of EVP's takes an allocation and a lock.
#ifndef OPENSSL_SUPPRESS_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#endif
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cstddef>
#include <cstdint>

namespace culvert {

enum class Hash : uint32_t { kSha1, kSha256, kSha384, kSha512 };

class Hmac {
 public:
  static constexpr size_t kMaxDigest = 64;

  Hmac() = default;
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;
  ~Hmac() { Wipe(); }

  static size_t DigestLength(Hash hash);

  // `length` is at most the block of the hash.
  void Init(Hash hash, const uint8_t* key, size_t length);
  // Over `data` and `more` behind it. `digest` has room for kMaxDigest bytes.
  void Compute(const uint8_t* data, size_t length, const uint8_t* more, size_t more_length, uint8_t* digest) const;
  void Wipe();

 private:
  union State {
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha512;
  };

  void Start(State* state, const uint8_t* key, size_t length, uint8_t pad) const;
  void Update(State* state, const uint8_t* data, size_t length) const;
  void Final(State* state, uint8_t* digest) const;

  Hash hash_ = Hash::kSha1;
  State inner_ = {};
  State outer_ = {};
};

}  // namespace culvert
