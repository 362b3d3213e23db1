#include "hmac.h"

#include <cstring>

namespace culvert {
namespace {

constexpr size_t kMaxBlock = 128;

size_t BlockLength(Hash hash) { return hash == Hash::kSha1 || hash == Hash::kSha256 ? 64 : kMaxBlock; }

}  // namespace

size_t Hmac::DigestLength(Hash hash) {
  switch (hash) {
    case Hash::kSha1: return 20;
    case Hash::kSha256: return 32;
    case Hash::kSha384: return 48;
    case Hash::kSha512: return 64;
  }
  return 0;
}

void Hmac::Init(Hash hash, const uint8_t* key, size_t length) {
  hash_ = hash;
  Start(&inner_, key, length, 0x36);
  Start(&outer_, key, length, 0x5c);
}

void Hmac::Compute(const uint8_t* data, size_t length, const uint8_t* more, size_t more_length, uint8_t* digest) const {
  State state = inner_;
  Update(&state, data, length);
  if (more_length > 0) Update(&state, more, more_length);
  Final(&state, digest);
  state = outer_;
  Update(&state, digest, DigestLength(hash_));
  Final(&state, digest);
  OPENSSL_cleanse(&state, sizeof(state));
}

void Hmac::Wipe() {
  OPENSSL_cleanse(&inner_, sizeof(inner_));
  OPENSSL_cleanse(&outer_, sizeof(outer_));
}

void Hmac::Start(State* state, const uint8_t* key, size_t length, uint8_t pad) const {
  switch (hash_) {
    case Hash::kSha1: SHA1_Init(&state->sha1); break;
    case Hash::kSha256: SHA256_Init(&state->sha256); break;
    case Hash::kSha384: SHA384_Init(&state->sha512); break;
    case Hash::kSha512: SHA512_Init(&state->sha512); break;
  }
  uint8_t block[kMaxBlock] = {};
  memcpy(block, key, length);
  for (uint8_t& byte : block) byte ^= pad;
  Update(state, block, BlockLength(hash_));
  OPENSSL_cleanse(block, sizeof(block));
}

void Hmac::Update(State* state, const uint8_t* data, size_t length) const {
  switch (hash_) {
    case Hash::kSha1: SHA1_Update(&state->sha1, data, length); break;
    case Hash::kSha256: SHA256_Update(&state->sha256, data, length); break;
    case Hash::kSha384: SHA384_Update(&state->sha512, data, length); break;
    case Hash::kSha512: SHA512_Update(&state->sha512, data, length); break;
  }
}

void Hmac::Final(State* state, uint8_t* digest) const {
  switch (hash_) {
    case Hash::kSha1: SHA1_Final(digest, &state->sha1); break;
    case Hash::kSha256: SHA256_Final(digest, &state->sha256); break;
    case Hash::kSha384: SHA384_Final(digest, &state->sha512); break;
    case Hash::kSha512: SHA512_Final(digest, &state->sha512); break;
  }
}

}  // namespace culvert
