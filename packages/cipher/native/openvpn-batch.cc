#include "openvpn-batch.h"

#include "cut.h"
#include "joiner.h"
#include "replay-window.h"

namespace culvert {
namespace {

size_t BytesOf(const Call& call) {
  size_t sum = 0;
  for (size_t at = call.first; at < call.last; at++) sum += call.src.lengths.data[at];
  return sum;
}

}  // namespace

int32_t Seal(OpenvpnKey* key, Call* call, uint32_t header, uint32_t packet_id) {
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t length = call->src.lengths.data[at];
    if (length == 0) continue;
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
    const size_t size = length + key->Overhead();
    if (!call->cursor.Fits(call->dst, size)) break;
    const uint8_t* plain = call->src.arena.data + call->src.offsets.data[at];
    if (!SealPacket(key, header, packet_id++, plain, length, call->dst.arena.data + call->cursor.used))
      return kCipherFailed;
    call->cursor.Append(call->dst, size, static_cast<uint32_t>(size), call->src.tags.data[at]);
  }
  return static_cast<int32_t>(at);
}

int32_t SealTrains(OpenvpnKey* key, Call* call, uint32_t header, uint32_t packet_id) {
  if (packet_id + static_cast<uint64_t>(call->dst.Slots() - call->cursor.count) > uint64_t{1} << 32) return kOutOfBounds;
  const size_t overhead = key->Overhead();
  return CutAllPackets(call, overhead, [&](const uint8_t* packet, size_t length, uint32_t tag) {
    const size_t size = length + overhead;
    if (!SealPacket(key, header, packet_id++, packet, length, call->dst.arena.data + call->cursor.used))
      return false;
    call->cursor.Append(call->dst, size, static_cast<uint32_t>(size), tag);
    return true;
  });
}

int32_t Open(OpenvpnKey* key, Call* call) {
  if (!key->aead.CanOpen()) return kCipherFailed;
  const size_t overhead = key->Overhead();
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t length = call->src.lengths.data[at];
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
    const size_t size = length < overhead ? 0 : length - overhead;
    if (!call->cursor.Fits(call->dst, size)) break;
    const uint8_t* datagram = call->src.arena.data + call->src.offsets.data[at];
    uint8_t* plain = call->dst.arena.data + call->cursor.used;
    if (length >= overhead && OpenPacket(key, datagram, length, plain)) {
      call->cursor.Append(call->dst, size, static_cast<uint32_t>(size), key->PacketId(datagram));
    } else {
      if (size > 0) memset(plain, 0, size);  // what failed authentication is not left to be read
      call->cursor.Append(call->dst, 0, 0, 0);
    }
  }
  return static_cast<int32_t>(at);
}

int32_t OpenTrain(OpenvpnKey* key, Call* call, Span<uint32_t> replay, size_t headroom, uint32_t join, OpenReport* report) {
  if (!key->aead.CanOpen()) return kCipherFailed;
  ReplayWindow window(replay);
  const size_t overhead = key->Overhead();
  for (size_t at = call->first; at < call->last; at++)
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
  static_assert(kMinOverhead >= kVirtio, "the bytes of a datagram are enough for its packet and virtio header");
  Joiner joiner(call->dst, call->cursor, headroom, join, BytesOf(*call));
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t length = call->src.lengths.data[at];
    const uint8_t* datagram = call->src.arena.data + call->src.offsets.data[at];
    joiner.Pass(length);
    if (length < overhead) {
      report->too_short++;
      continue;
    }
    const size_t size = length - overhead;
    uint8_t nothing = 0;
    uint8_t* plain = size == 0 ? &nothing : joiner.Room(size);
    if (plain == nullptr) break;
    const bool authentic = OpenPacket(key, datagram, length, plain);
    const bool accepted = authentic && window.Accept(key->PacketId(datagram));
    (accepted ? report->accepted : authentic ? report->replayed : report->failed)++;
    if (size == 0) continue;
    if (accepted) {
      joiner.Commit(size, call->src.tags.data[at]);
    } else {
      joiner.Abandon(size);
    }
  }
  call->cursor = joiner.Finish();
  const JoinCounts& counts = joiner.counts();
  report->packets = counts.packets;
  report->bytes = counts.bytes;
  report->joined = counts.joined;
  report->foreign = counts.foreign;
  return static_cast<int32_t>(at);
}

int32_t SegmentTrains(Call* call) {
  return CutAllPackets(call, 0, [&](const uint8_t* packet, size_t length, uint32_t tag) {
    memcpy(call->dst.arena.data + call->cursor.used, packet, length);
    call->cursor.Append(call->dst, length, static_cast<uint32_t>(length), tag);
    return true;
  });
}

int32_t JoinTrains(Call* call, size_t headroom, uint32_t join) {
  for (size_t at = call->first; at < call->last; at++)
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
  const size_t remaining = BytesOf(*call) + headroom * (call->last - call->first);
  Joiner joiner(call->dst, call->cursor, headroom, join, remaining);
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t length = call->src.lengths.data[at];
    if (length == 0) continue;
    joiner.Pass(headroom + length);
    uint8_t* room = joiner.Room(length);
    if (room == nullptr) break;
    memcpy(room, call->src.arena.data + call->src.offsets.data[at], length);
    joiner.Commit(length, call->src.tags.data[at]);
  }
  call->cursor = joiner.Finish();
  return static_cast<int32_t>(at);
}

}  // namespace culvert
