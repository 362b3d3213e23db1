#include <memory>

#include "joiner.h"
#include "mppe-batch.h"

namespace culvert {
namespace {

constexpr uint16_t kFlushed = 0x8000;
constexpr uint16_t kEncrypted = 0x1000;
// Chosen: what one lane decrypts beside the others. Longer packets, which no usual link has, go alone.
constexpr size_t kScratch = 2048;

// A packet of the group that is being opened.
struct Opening {
  enum class What { kUnencrypted, kLate, kOpen } what = What::kUnencrypted;
  const uint8_t* sealed = nullptr;
  size_t size = 0;  // of what is encrypted: protocol field and packet
  uint32_t ahead = 0;
  MppeChain chain;
  uint8_t* plain = nullptr;
};

// Finds the encrypted part of a PPP frame. False: it is none of MPPE's, stateless.
bool ReadFrame(const uint8_t* frame, size_t length, Opening* one, uint32_t* count) {
  size_t at = length >= 2 && frame[0] == 0xff && frame[1] == 0x03 ? 2 : 0;
  if (at < length && frame[at] == 0x00) at++;
  if (at >= length || frame[at] != 0xfd) return false;
  at++;
  if (length - at < 3) return false;  // the count, and at least a byte of the protocol field
  const uint16_t header = TakeU16(frame + at);
  if ((header & kFlushed) == 0 || (header & kEncrypted) == 0) return false;
  *count = header % kMppeCounts;
  one->sealed = frame + at + 2;
  one->size = length - at - 2;
  return true;
}

// Where the IP packet begins behind its protocol field; 0 when there is none. RC4 authenticates nothing, so this is all that
// tells a wrong key from the right one: it must hold for every packet that a peer sends.
size_t InnerPacket(const uint8_t* plain, size_t size) {
  const size_t at = (plain[0] & 1) == 1 ? 1 : 2;
  if (size <= at || (at == 2 && plain[0] != 0)) return 0;
  const uint8_t protocol = plain[at - 1];
  const uint8_t* packet = plain + at;
  const size_t length = size - at;
  if (protocol == 0x21) {
    if (length < kIpv4 || packet[0] >> 4 != 4) return 0;
    const size_t header = size_t{4} * (packet[0] & 15), total = TakeU16(packet + 2);
    return header >= kIpv4 && total >= header && total <= length ? at : 0;
  }
  if (protocol == 0x57) return length >= kIpv6 && packet[0] >> 4 == 6 && kIpv6 + TakeU16(packet + 4) <= length ? at : 0;
  return 0;
}

// Decrypts a few packets ahead of the ones before them being known to be right, and takes back the key where one was not.
class Opener {
 public:
  Opener(MppeKey* key, const Call& call) : key_(key), call_(call), spare_(kMppeMaxAhead) {
    spare_ += kMppeSparePerPacket * static_cast<uint32_t>(call.last - call.first);
  }
  ~Opener() {
    OPENSSL_cleanse(&tables_, sizeof(tables_));
    for (Opening& one : group_) OPENSSL_cleanse(&one.chain, sizeof(one.chain));
  }

  // Reads and decrypts packets from index `at` on; returns how many.
  size_t Gather(size_t at) {
    MppeChain chain = key_->chain;
    uint32_t spare = spare_;
    Rc4Job jobs[kRc4Lanes];
    size_t count = 0, running = 0;
    for (; at < call_.last && count < kRc4Lanes; at++, count++) {
      Opening& one = group_[count];
      Classify(at, chain, spare, &one);
      if (one.what != Opening::What::kOpen) continue;
      if (one.size > kScratch && count > 0) break;
      spare -= one.ahead;
      for (uint32_t step = 0; step < one.ahead; step++) key_->Advance(&chain, &keys_);
      one.chain = chain;
      one.plain = Scratch(count, one.size);
      memcpy(one.plain, one.sealed, one.size);
      jobs[running].key = one.chain.session;
      jobs[running].data = one.plain;
      jobs[running++].length = one.size;
      if (one.size > kScratch) {
        count++;
        break;
      }
    }
    Rc4Crypt(&tables_, jobs, running, key_->KeyLength());
    OPENSSL_cleanse(&chain, sizeof(chain));
    return count;
  }

  Opening& operator[](size_t at) { return group_[at]; }

  // Its key changes are spent, whether it was right or not.
  void Spend(const Opening& one) { spare_ -= one.ahead; }

 private:
  void Classify(size_t at, const MppeChain& chain, uint32_t spare, Opening* one) const {
    uint32_t count = 0;
    one->what = Opening::What::kUnencrypted;
    if (!ReadFrame(call_.src.arena.data + call_.src.offsets.data[at], call_.src.lengths.data[at], one, &count)) return;
    one->ahead = (count - chain.count) % kMppeCounts;
    const bool late = one->ahead == 0 || one->ahead > kMppeMaxAhead || one->ahead > spare;
    one->what = late ? Opening::What::kLate : Opening::What::kOpen;
  }

  uint8_t* Scratch(size_t lane, size_t size) {
    if (size <= kScratch) return scratch_[lane];
    long_ = std::make_unique<uint8_t[]>(size);
    return long_.get();
  }

  MppeKey* key_;
  const Call& call_;
  uint32_t spare_;
  MppeScratch keys_;
  Rc4Tables tables_;
  Opening group_[kRc4Lanes];
  alignas(64) uint8_t scratch_[kRc4Lanes][kScratch];
  std::unique_ptr<uint8_t[]> long_;
};

}  // namespace

int32_t OpenMppeTrain(MppeKey* key, Call* call, size_t headroom, uint32_t join, MppeReport* report) {
  size_t remaining = 0;
  for (size_t at = call->first; at < call->last; at++) {
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
    remaining += headroom + call->src.lengths.data[at];
  }
  Joiner joiner(call->dst, call->cursor, headroom, join, remaining);
  Opener opener(key, *call);
  size_t at = call->first;
  for (bool room = true; at < call->last && room;) {
    const size_t count = opener.Gather(at);
    for (size_t i = 0; i < count; i++) {
      const Opening& one = opener[i];
      if (one.what != Opening::What::kOpen) {
        (one.what == Opening::What::kLate ? report->late : report->unencrypted)++;
        joiner.Pass(headroom + call->src.lengths.data[at++]);
        continue;
      }
      const size_t skip = InnerPacket(one.plain, one.size);
      const size_t size = one.size - skip;
      joiner.Pass(headroom + call->src.lengths.data[at]);
      uint8_t* place = skip == 0 ? nullptr : joiner.Room(size);
      if (skip != 0 && place == nullptr) {
        room = false;
        break;
      }
      opener.Spend(one);
      const uint32_t tag = call->src.tags.data[at++];
      if (skip == 0) {
        report->garbled++;
        break;  // the key stays where it was, and those behind it are looked at again
      }
      key->chain = one.chain;
      report->accepted++;
      report->missing += one.ahead - 1;
      memcpy(place, one.plain + skip, size);
      joiner.Commit(size, tag);
    }
  }
  call->cursor = joiner.Finish();
  const JoinCounts& counts = joiner.counts();
  report->packets = counts.packets;
  report->bytes = counts.bytes;
  report->joined = counts.joined;
  return static_cast<int32_t>(at);
}

}  // namespace culvert
