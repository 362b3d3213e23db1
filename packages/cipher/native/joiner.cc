#include "joiner.h"

#include "bytes.h"
#include "checksum.h"

namespace culvert {

Joiner::Joiner(const Batch& dst, Cursor cursor, size_t headroom, uint32_t join, size_t remaining)
    : dst_(dst),
      count_(cursor.count),
      top_(cursor.used),
      headroom_(headroom),
      join_(headroom == 0 ? 0 : join),
      remaining_(remaining) {}

// Where a packet would be placed: behind everything, but for the reservation of the last train when the arena is short. What
// is still to come must find room behind it.
bool Joiner::PlaceFor(size_t size, size_t* at) const {
  if (count_ >= dst_.Slots()) return false;
  const size_t lowest = owner_ == kNone ? top_ : trains_[owner_].end;
  const size_t need = headroom_ + size;
  if (need > dst_.arena.size - lowest) return false;
  const size_t room = dst_.arena.size - need;
  size_t start = room > remaining_ ? room - remaining_ : 0;
  if (start < lowest) start = lowest;
  if (start > top_) start = top_;
  *at = start + headroom_;
  return true;
}

size_t Joiner::Take(size_t size) {
  size_t at = top_;
  PlaceFor(size, &at);
  if (owner_ != kNone && at - headroom_ < trains_[owner_].limit) trains_[owner_].limit = at - headroom_;
  owner_ = kNone;
  top_ = at + size;
  return at;
}

void Joiner::PreferRoomBehindNewest(size_t size) {
  if (newest_ == kNone) return;
  const Train& train = trains_[newest_];
  const size_t header = train.layout.header;
  if (size <= header || size - header > train.gso_size) return;
  // Its own headers must stay legible, for comparing.
  if (train.end - train.start < 2 * header || size - header > train.limit - train.end) return;
  overlap_ = header;
  overlap_at_ = room_ = train.end - header;
  memcpy(saved_, dst_.arena.data + room_, overlap_);
}

uint8_t* Joiner::Room(size_t size) {
  overlap_ = 0;
  if (!PlaceFor(size, &room_)) return nullptr;
  PreferRoomBehindNewest(size);
  return dst_.arena.data + room_;
}

void Joiner::RestoreOverlap() {
  if (overlap_ != 0) memcpy(dst_.arena.data + overlap_at_, saved_, overlap_);
  overlap_ = 0;
}

void Joiner::Abandon(size_t size) {
  memset(dst_.arena.data + room_, 0, size);
  RestoreOverlap();
}

void Joiner::Commit(size_t size, uint32_t tag) {
  const uint8_t* packet = dst_.arena.data + room_;
  Layout layout;
  const Kind kind = ReadLayout(packet, size, true, &layout);
  if (kind == Kind::kForeign) {
    counts_.foreign++;
    return Emit(size, tag, 0);
  }
  counts_.packets++;
  counts_.bytes += static_cast<uint32_t>(size);
  if (kind == Kind::kOpaque) {
    CloseAll();
    return Emit(size, tag, 0);
  }
  const bool candidate = IsCandidate(packet, layout, size);
  const int index = open_ == 0 ? kNone : FindTrain(packet, layout);
  if (index != kNone && candidate && Continues(trains_[index], packet, layout, size))
    return Append(index, packet, layout, size);
  const bool ends = !layout.udp && (packet[layout.transport + kTcpFlags] & (kFin | kPsh | kCwr)) != 0;
  if (index != kNone) Close(index);
  Emit(size, tag, candidate ? kDataValid : 0);
  if (candidate && !ends) OpenTrain(layout, size);
}

// Gives the packet in the room a slot of its own.
void Joiner::Emit(size_t size, uint32_t tag, uint8_t flags) {
  const size_t at = Take(size);
  uint8_t* arena = dst_.arena.data;
  if (at != room_) memmove(arena + at, arena + room_, size);
  RestoreOverlap();
  if (headroom_ != 0) {
    VirtioHeader virtio;
    virtio.flags = flags;
    PutVirtio(arena + at - kVirtio, virtio);
  }
  dst_.offsets.data[count_] = static_cast<uint32_t>(at);
  dst_.lengths.data[count_] = static_cast<uint32_t>(size);
  dst_.tags.data[count_] = tag;
  count_++;
}

// Whether the packet may be part of a train: right in every respect, and such that cutting the train again gives these very
// bytes (a checksum has two ways to write zero).
bool Joiner::IsCandidate(const uint8_t* packet, const Layout& layout, size_t size) const {
  const uint32_t bit = layout.udp ? (layout.ipv6 ? kJoinUdp6 : kJoinUdp4) : (layout.ipv6 ? kJoinTcp6 : kJoinTcp4);
  if ((join_ & bit) == 0 || layout.header >= size || layout.header > kMaxHeaders / 2) return false;
  const uint8_t* upper = packet + layout.transport;
  if (!layout.udp && (upper[kTcpFlags] & (kSyn | kRst | kUrg)) != 0) return false;
  if (TakeU16(packet + layout.Checksum()) == (layout.udp ? 0 : 0xffff)) return false;
  if (!layout.ipv6) {
    if (layout.transport != kIpv4 || (packet[6] & kReservedBit) != 0) return false;
    if (TakeU16(packet + 10) == 0xffff || Fold(SumBytes(packet, kIpv4)) != 0xffff) return false;
  }
  const size_t length = size - layout.transport;
  return Fold(PseudoHeaderSum(packet, layout) + SumWord(static_cast<uint16_t>(length)) + SumBytes(upper, length)) == 0xffff;
}

int Joiner::FindTrain(const uint8_t* packet, const Layout& layout) const {
  if (newest_ != kNone && IsSameFlow(trains_[newest_], packet, layout)) return newest_;
  for (int i = 0; i < open_; i++)
    if (IsSameFlow(trains_[i], packet, layout)) return i;
  return kNone;
}

bool Joiner::IsSameFlow(const Train& train, const uint8_t* packet, const Layout& layout) const {
  if (train.layout.ipv6 != layout.ipv6 || train.layout.udp != layout.udp) return false;
  const uint8_t* first = dst_.arena.data + train.start;
  if (memcmp(first + train.layout.transport, packet + layout.transport, 4) != 0) return false;
  return layout.ipv6 ? memcmp(first + 8, packet + 8, 32) == 0 : memcmp(first + 12, packet + 12, 8) == 0;
}

namespace {

bool Ipv4Continues(const uint8_t* first, const uint8_t* packet, uint32_t segments, bool fixed_id) {
  if (memcmp(first, packet, 2) != 0 || memcmp(first + 6, packet + 6, 4) != 0) return false;
  const uint16_t step = static_cast<uint16_t>(TakeU16(packet + 4) - TakeU16(first + 4));
  if (segments > 1) return step == (fixed_id ? 0 : static_cast<uint16_t>(segments));
  const bool dont_fragment = (first[6] & 0x40) != 0;
  return step == 1 || (step == 0 && dont_fragment);
}

bool Ipv6Continues(const uint8_t* first, const uint8_t* packet, size_t transport) {
  return memcmp(first, packet, 4) == 0 && memcmp(first + 6, packet + 6, 2) == 0 &&
         memcmp(first + kIpv6, packet + kIpv6, transport - kIpv6) == 0;
}

// CWR goes alone: a virtio header can say that the first segment has it, as RFC 3168 means it, and not what AccECN counts by it
// (RFC 9768, section 3.1.2). Linux 6.18 lets it alone as well.
bool TcpContinues(const uint8_t* first, const uint8_t* upper, size_t header, uint32_t next_seq) {
  const uint8_t differ = first[kTcpFlags] ^ upper[kTcpFlags];
  return TakeU32(upper + kTcpSeq) == next_seq && (differ & ~(kFin | kPsh)) == 0 &&
         memcmp(first + kTcpAck, upper + kTcpAck, 5) == 0 && memcmp(first + kTcpWindow, upper + kTcpWindow, 2) == 0 &&
         memcmp(first + kTcpUrgent, upper + kTcpUrgent, header - kTcpUrgent) == 0;
}

}  // namespace

bool Joiner::Continues(const Train& train, const uint8_t* packet, const Layout& layout, size_t size) const {
  const size_t payload = size - layout.header;
  if (layout.transport != train.layout.transport || layout.header != train.layout.header) return false;
  if (payload > train.gso_size || payload > train.limit - train.end) return false;
  const uint8_t* first = dst_.arena.data + train.start;
  const bool ip = layout.ipv6 ? Ipv6Continues(first, packet, layout.transport)
                              : Ipv4Continues(first, packet, train.segments, train.fixed_id);
  if (!ip) return false;
  if (layout.udp) return train.segments < kMaxUdpSegments;
  const size_t at = layout.transport;
  return TcpContinues(first + at, packet + at, layout.header - at, train.next_seq);
}

void Joiner::Append(int index, const uint8_t* packet, const Layout& layout, size_t size) {
  Train& train = trains_[index];
  uint8_t* arena = dst_.arena.data;
  const size_t payload = size - layout.header;
  if (train.segments == 1) train.fixed_id = !layout.ipv6 && memcmp(arena + train.start + 4, packet + 4, 2) == 0;
  bool ends = payload < train.gso_size;
  if (!layout.udp) {
    const uint8_t last = packet[layout.transport + kTcpFlags] & (kFin | kPsh);
    arena[train.start + layout.transport + kTcpFlags] |= last;
    ends = ends || last != 0;
  }
  if (overlap_ == 0 || index != newest_) memmove(arena + train.end, packet + layout.header, payload);
  RestoreOverlap();
  train.end += payload;
  train.next_seq += static_cast<uint32_t>(payload);
  train.segments++;
  train.stamp = stamp_++;
  newest_ = index;
  counts_.joined++;
  if (ends) Close(index);
}

// The packet that was just given a slot becomes the first of a train.
void Joiner::OpenTrain(const Layout& layout, size_t size) {
  if (open_ == kMaxTrains) Close(Oldest());
  Train& train = trains_[open_];
  train.slot = count_ - 1;
  train.start = dst_.offsets.data[train.slot];
  train.end = train.start + size;
  const size_t room = dst_.arena.size - train.end;
  size_t more = size < kMaxBytes ? kMaxBytes - size : 0;  // IPv6 has 40 bytes more than a length can say
  if (more > remaining_) more = remaining_;
  if (more > room) more = room;
  train.limit = train.end + more;
  train.layout = layout;
  train.gso_size = size - layout.header;
  train.segments = 1;
  train.next_seq = layout.udp ? 0 : TakeU32(dst_.arena.data + train.start + layout.transport + kTcpSeq) +
                                        static_cast<uint32_t>(train.gso_size);
  train.fixed_id = false;
  train.stamp = stamp_++;
  newest_ = owner_ = open_++;
  top_ = train.limit;
}

int Joiner::Oldest() const {
  int oldest = 0;
  for (int i = 1; i < open_; i++)
    if (trains_[i].stamp < trains_[oldest].stamp) oldest = i;
  return oldest;
}

void Joiner::Close(int index) {
  const Train& train = trains_[index];
  if (train.segments > 1) Complete(train);
  if (owner_ == index) {
    top_ = train.end;
    owner_ = kNone;
  }
  if (newest_ == index) newest_ = kNone;
  const int last = --open_;
  if (last == index) return;
  trains_[index] = trains_[last];
  if (owner_ == last) owner_ = index;
  if (newest_ == last) newest_ = index;
}

void Joiner::CloseAll() {
  while (open_ > 0) Close(open_ - 1);
}

// Writes the headers of a train of several segments as the kernel wants them: lengths of the whole, and the pseudo-header's
// sum in the place of the checksum.
void Joiner::Complete(const Train& train) {
  const Layout& layout = train.layout;
  const size_t size = train.end - train.start;
  const uint16_t upper_length = static_cast<uint16_t>(size - layout.transport);
  uint8_t* packet = dst_.arena.data + train.start;
  uint8_t* upper = packet + layout.transport;
  VirtioHeader virtio;
  virtio.flags = kNeedsCsum;
  virtio.gso_type = layout.udp ? kGsoUdp : layout.ipv6 ? kGsoTcp6 : kGsoTcp4;
  virtio.header_length = static_cast<uint16_t>(layout.header);
  virtio.gso_size = static_cast<uint16_t>(train.gso_size);
  virtio.csum_start = static_cast<uint16_t>(layout.transport);
  virtio.csum_offset = static_cast<uint16_t>(layout.Checksum() - layout.transport);
  PutVirtio(packet - kVirtio, virtio);
  if (layout.ipv6) {
    PutU16(packet + 4, static_cast<uint16_t>(size - kIpv6));
  } else {
    PutU16(packet + 2, static_cast<uint16_t>(size));
    memset(packet + 10, 0, 2);
    PutChecksum(packet + 10, SumBytes(packet, kIpv4));
  }
  if (layout.udp) PutU16(upper + kUdpLength, upper_length);
  PutSum(packet + layout.Checksum(), Fold(PseudoHeaderSum(packet, layout) + SumWord(upper_length)));
  dst_.lengths.data[train.slot] = static_cast<uint32_t>(size);
}

Cursor Joiner::Finish() {
  CloseAll();
  return {count_, top_};
}

}  // namespace culvert
