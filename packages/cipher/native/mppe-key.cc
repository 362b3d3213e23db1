#include "mppe-key.h"

#include "bytes.h"

namespace culvert {
namespace {

constexpr size_t kPad = 40;
constexpr uint8_t kPad2 = 0xf2;

}  // namespace

MppeKey::MppeKey(uint32_t strength, const uint8_t* start) : length_(KeyLengthOf(strength)), strength_(strength) {
  const size_t size = 2 * (length_ + kPad);
  memcpy(message_, start, length_);
  memset(message_ + 2 * length_ + kPad, kPad2, kPad);
  message_[size] = 0x80;
  PutU32(message_ + sizeof(message_) - 4, static_cast<uint32_t>(8 * size));
  // The initial session key (RFC 3079, section 3.4): as later ones, but without RC4.
  MppeScratch scratch;
  memcpy(chain.session, start, length_);
  Interim(chain, &scratch);
  memcpy(chain.session, scratch.digest, length_);
  Salt(chain.session);
}

void MppeKey::Advance(MppeChain* next, MppeScratch* scratch) const {
  Interim(*next, scratch);
  Rc4Schedule(scratch->table, scratch->digest, length_);
  memcpy(next->session, scratch->digest, length_);
  Rc4Stream(scratch->table, next->session, length_);
  Salt(next->session);
  next->count = (next->count + 1) % kMppeCounts;
}

// GetNewKeyFromSHA (RFC 3079, section 3.4): SHA-1 over start key, pad, session key and pad.
void MppeKey::Interim(const MppeChain& from, MppeScratch* scratch) const {
  memcpy(scratch->message, message_, sizeof(message_));
  memcpy(scratch->message + length_ + kPad, from.session, length_);
  SHA_CTX* const sha = &scratch->sha;
  SHA1_Init(sha);
  SHA1_Transform(sha, scratch->message);
  SHA1_Transform(sha, scratch->message + kShaBlock);
  const uint32_t words[] = {sha->h0, sha->h1, sha->h2, sha->h3, sha->h4};
  for (size_t i = 0; i < 5; i++) PutU32(scratch->digest + 4 * i, words[i]);
}

// Weaker keys have known bytes in front (RFC 3078, section 7.3).
void MppeKey::Salt(uint8_t* session) const {
  if (strength_ == 128) return;
  session[0] = 0xd1;
  if (strength_ == 56) return;
  session[1] = 0x26;
  session[2] = 0x9e;
}

}  // namespace culvert
