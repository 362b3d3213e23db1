#include "cut.h"
#include "mppe-batch.h"

namespace culvert {
namespace {

// Lays packets out in dst, and encrypts them there by as many at a time as RC4 has lanes.
class Sealer {
 public:
  Sealer(MppeKey* key, const MppeFraming& framing, Call* call) : key_(key), framing_(framing), call_(call) {}
  ~Sealer() {
    OPENSSL_cleanse(&tables_, sizeof(tables_));
    OPENSSL_cleanse(keys_, sizeof(keys_));
  }

  // There is room for it.
  void Add(const uint8_t* packet, size_t size, uint32_t tag) {
    const uint8_t protocol = size == 0 ? 0 : packet[0] >> 4 == 4 ? 0x21 : packet[0] >> 4 == 6 ? 0x57 : 0;
    if (protocol == 0) {
      call_->skipped.malformed++;
      return;
    }
    key_->Advance(&key_->chain, &scratch_);
    uint8_t* const start = call_->dst.arena.data + call_->cursor.used;
    uint8_t* at = start;
    memset(at, 0, framing_.headroom);
    at += framing_.headroom;
    if (!framing_.acfc) {
      *at++ = 0xff;
      *at++ = 0x03;
    }
    if (!framing_.pfc) *at++ = 0x00;
    *at++ = 0xfd;
    PutU16(at, static_cast<uint16_t>(kFlushed | kEncrypted | key_->chain.count));
    at += 2;
    at[0] = 0x00;
    at[1] = protocol;
    memcpy(at + 2, packet, size);

    memcpy(keys_[count_], key_->chain.session, kMppeMaxKey);
    jobs_[count_].key = keys_[count_];
    jobs_[count_].data = at;
    jobs_[count_].length = size + 2;
    if (++count_ == kRc4Lanes) Flush();
    const size_t total = size + framing_.Overhead();
    call_->cursor.Append(call_->dst, total, static_cast<uint32_t>(total), tag);
  }

  void Flush() {
    Rc4Crypt(&tables_, jobs_, count_, key_->KeyLength());
    count_ = 0;
  }

 private:
  static constexpr uint16_t kFlushed = 0x8000;
  static constexpr uint16_t kEncrypted = 0x1000;

  MppeKey* key_;
  MppeFraming framing_;
  Call* call_;
  MppeScratch scratch_;
  Rc4Tables tables_;
  Rc4Job jobs_[kRc4Lanes];
  uint8_t keys_[kRc4Lanes][kMppeMaxKey];
  size_t count_ = 0;
};

}  // namespace

int32_t SealMppe(MppeKey* key, const MppeFraming& framing, Call* call) {
  Sealer sealer(key, framing, call);
  for (size_t at = call->first; at < call->last; at++)
    if (call->src.lengths.data[at] != 0 && !call->src.Holds(at, 0)) return kOutOfBounds;
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t length = call->src.lengths.data[at];
    if (length == 0) continue;
    if (!call->cursor.Fits(call->dst, length + framing.Overhead())) break;
    sealer.Add(call->src.arena.data + call->src.offsets.data[at], length, call->src.tags.data[at]);
  }
  sealer.Flush();
  return static_cast<int32_t>(at);
}

int32_t SealMppeTrains(MppeKey* key, const MppeFraming& framing, Call* call) {
  Sealer sealer(key, framing, call);
  for (size_t at = call->first; at < call->last; at++)
    if (call->src.lengths.data[at] != 0 && !call->src.Holds(at, kVirtio)) return kOutOfBounds;
  const int32_t next = CutAllPackets(call, framing.Overhead(), [&](const uint8_t* packet, size_t size, uint32_t tag) {
    sealer.Add(packet, size, tag);
    return true;
  });
  sealer.Flush();
  return next;
}

}  // namespace culvert
