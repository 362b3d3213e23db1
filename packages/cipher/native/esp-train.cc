#include <openssl/crypto.h>

#include <memory>

#include "cut.h"
#include "esp-batch.h"
#include "joiner.h"

namespace culvert {
namespace {

// Chosen: packets of usual links. Longer ones get memory of their own.
constexpr size_t kScratch = 2048;

// Where packets are opened: their headers go, so that they cannot be opened where they are to lie.
class Scratch {
 public:
  ~Scratch() {
    OPENSSL_cleanse(near_, used_ < kScratch ? used_ : kScratch);
    if (far_ != nullptr) OPENSSL_cleanse(far_.get(), far_size_);
  }

  uint8_t* For(size_t size) {
    if (size <= kScratch) {
      if (size > used_) used_ = size;
      return near_;
    }
    if (size > far_size_) {
      if (far_ != nullptr) OPENSSL_cleanse(far_.get(), far_size_);
      far_ = std::make_unique<uint8_t[]>(size);
      far_size_ = size;
    }
    return far_.get();
  }

 private:
  alignas(64) uint8_t near_[kScratch];
  size_t used_ = 0;
  size_t far_size_ = 0;
  std::unique_ptr<uint8_t[]> far_;
};

}  // namespace

int32_t SealFramedEsp(EspKey* key, Call* call, bool virtio, uint64_t sequence, uint8_t next_header, const EspFraming& framing) {
  // An upper bound: how much padding there is depends on the packet.
  const size_t overhead = key->Head() + framing.Size() + kEspTrailer + key->Block() - 1 + key->Icv();
  const auto seal = [&](const uint8_t* ip, size_t size, uint32_t) {
    const uint8_t protocol = EspFraming::ProtocolOf(ip, size);
    if (protocol == 0 || framing.Size() + size > 0xffff) {
      call->skipped.malformed++;
      return true;
    }
    uint8_t* packet = call->dst.arena.data + call->cursor.used;
    uint8_t* payload = packet + key->Head();
    framing.Write(payload, size, protocol);
    memcpy(payload + framing.Size(), ip, size);
    const size_t length = framing.Size() + size, total = key->Head() + key->Padded(length) + key->Icv();
    if (!key->Seal(sequence++, next_header, length, packet)) return false;
    call->cursor.Append(call->dst, total, static_cast<uint32_t>(total), static_cast<uint32_t>(size));
    return true;
  };
  if (virtio) return CutAllPackets(call, overhead, seal);
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t length = call->src.lengths.data[at];
    if (length == 0) continue;
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
    if (!call->cursor.Fits(call->dst, length + overhead)) break;
    if (!seal(call->src.arena.data + call->src.offsets.data[at], length, call->src.tags.data[at])) return kCipherFailed;
  }
  return static_cast<int32_t>(at);
}

int32_t OpenFramedEsp(EspKey* key, Call* call, const Batch& others, Cursor* others_cursor, EspWindow window, uint8_t next_header,
                      const EspFraming& framing, size_t headroom, uint32_t join, EspReport* report) {
  if (!key->CanOpen()) return kCipherFailed;
  const size_t overhead = key->Head() + key->Icv();
  size_t remaining = 0;
  for (size_t at = call->first; at < call->last; at++) {
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
    remaining += call->src.lengths.data[at];
  }
  static_assert(kEspHeader + kEspTrailer + 12 >= kVirtio, "the bytes of an ESP packet are enough for what is in it and a virtio header");
  Joiner joiner(call->dst, call->cursor, headroom, join, remaining);
  Scratch scratch;
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t whole = call->src.lengths.data[at];
    const size_t size = whole < overhead ? 0 : whole - overhead;
    joiner.Pass(whole);
    if (size < key->Block() || size % key->Block() != 0) {
      report->malformed++;
      continue;
    }
    const uint32_t tag = call->src.tags.data[at];
    uint8_t* plain = scratch.For(size);
    OpenedEsp opened;
    uint32_t* word =
        OpenEspPacket(key, window, call->src.arena.data + call->src.offsets.data[at], size, next_header, plain, report, &opened);
    const size_t length = opened.length;
    if (word == &report->accepted) {
      if (framing.Matches(plain, length)) {
        uint8_t* room = joiner.Room(length - framing.Size());
        if (room == nullptr) break;
        memcpy(room, plain + framing.Size(), length - framing.Size());
        joiner.Commit(length - framing.Size(), tag);
      } else {
        if (!others_cursor->Fits(others, length)) break;
        memcpy(others.arena.data + others_cursor->used, plain, length);
        others_cursor->Append(others, length, static_cast<uint32_t>(length), tag);
        report->others++;
      }
      report->bytes += static_cast<uint32_t>(length);
    }
    // Only now is it sure that the packet is not looked at again.
    if (opened.sequence != 0) window.Mark(opened.sequence);
    (*word)++;
  }
  call->cursor = joiner.Finish();
  const JoinCounts& counts = joiner.counts();
  report->packets = counts.packets;
  report->inner = counts.bytes;
  report->joined = counts.joined;
  return static_cast<int32_t>(at);
}

}  // namespace culvert
