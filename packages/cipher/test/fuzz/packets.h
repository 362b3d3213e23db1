// What the libFuzzer targets share: input that describes packets, and batches whose memory ends where it says.
//
// The packets are plausible ones of a few flows, with bytes changed, and checksums made right again where the input says so,
// because only packets with right checksums get deep.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "joiner.h"
#include "openvpn-batch.h"

namespace culvert {

inline void Check(bool holds) {
  if (!holds) abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), left_(size) {}
  bool IsEmpty() const { return left_ == 0; }
  uint8_t U8() {
    if (left_ == 0) return 0;
    left_--;
    return *at_++;
  }
  uint16_t U16() {
    const uint8_t high = U8();
    return static_cast<uint16_t>(high << 8 | U8());
  }

 private:
  const uint8_t* at_;
  size_t left_;
};

// A batch with memory of its own, each array as long as it says and no longer.
struct Owned {
  std::vector<uint8_t> arena;
  std::vector<uint32_t> offsets, lengths, tags;

  Owned(size_t slots, size_t bytes) : arena(bytes), offsets(slots), lengths(slots), tags(slots) {}
  Batch Lend() {
    return {{arena.data(), arena.size()}, {offsets.data(), offsets.size()}, {lengths.data(), lengths.size()}, {tags.data(), tags.size()}};
  }
};

using Packet = std::vector<uint8_t>;

// Packets one behind the other, each with `headroom` bytes before it; the last one ends with the arena.
inline Owned BatchOf(const std::vector<Packet>& packets, const std::vector<VirtioHeader>& headers, size_t headroom) {
  size_t bytes = 0;
  for (const Packet& packet : packets) bytes += headroom + packet.size();
  Owned batch(packets.size(), bytes);
  size_t at = 0;
  for (size_t i = 0; i < packets.size(); i++) {
    if (headroom != 0) PutVirtio(batch.arena.data() + at, headers[i]);
    at += headroom;
    std::copy(packets[i].begin(), packets[i].end(), batch.arena.begin() + static_cast<std::ptrdiff_t>(at));
    batch.offsets[i] = static_cast<uint32_t>(at);
    batch.lengths[i] = static_cast<uint32_t>(packets[i].size());
    batch.tags[i] = static_cast<uint32_t>(i);
    at += packets[i].size();
  }
  return batch;
}

inline void RightChecksums(Packet* packet) {
  Layout layout;
  if (ReadLayout(packet->data(), packet->size(), true, &layout) != Kind::kFlow) return;
  uint8_t* bytes = packet->data();
  if (!layout.ipv6) {
    memset(bytes + 10, 0, 2);
    PutChecksum(bytes + 10, SumBytes(bytes, layout.transport));
  }
  const size_t length = packet->size() - layout.transport;
  memset(bytes + layout.Checksum(), 0, 2);
  const uint64_t sum = PseudoHeaderSum(bytes, layout) + SumWord(static_cast<uint16_t>(length)) + SumBytes(bytes + layout.transport, length);
  const uint16_t checksum = static_cast<uint16_t>(~Fold(sum));
  PutSum(bytes + layout.Checksum(), layout.udp && checksum == 0 ? 0xffff : checksum);
}

struct Flow {
  uint32_t seq = 0xffffff00;
  uint16_t id = 0xfffe;
};

// | shape: ipv6, udp, extension, 2 bits flow, timestamps, changed, checksums | size | 2 bytes for each change |
inline Packet ReadPacket(Input* in, Flow* flows) {
  const uint8_t shape = in->U8();
  const bool ipv6 = (shape & 1) != 0, udp = (shape & 2) != 0, extended = ipv6 && (shape & 4) != 0, stamped = (shape & 32) != 0;
  const uint8_t number = (shape >> 3) & 3;
  Flow& flow = flows[number];
  const size_t payload = in->U8() * (number == 3 ? 40 : 1);
  const size_t transport = ipv6 ? (extended ? 56 : 40) : 20;
  const size_t header = transport + (udp ? 8 : stamped ? 32 : 20);
  Packet packet(header + payload, static_cast<uint8_t>(payload));
  uint8_t* p = packet.data();
  memset(p, 0, header);
  const uint8_t protocol = udp ? kProtocolUdp : kProtocolTcp;
  const uint16_t upper = static_cast<uint16_t>(packet.size() - transport);
  if (ipv6) {
    p[0] = 0x60;
    PutU16(p + 4, static_cast<uint16_t>(packet.size() - kIpv6));
    p[6] = extended ? 60 : protocol;
    p[7] = 64;
    p[40] = extended ? protocol : 0;
    p[41] = extended ? 1 : 0;
  } else {
    p[0] = 0x45;
    PutU16(p + 2, static_cast<uint16_t>(packet.size()));
    PutU16(p + 4, flow.id++);
    p[6] = 0x40;
    p[8] = 64;
    p[9] = protocol;
  }
  uint8_t* u = p + transport;
  memset(u, 0, header - transport);
  u[1] = number;
  if (udp) {
    PutU16(u + kUdpLength, upper);
  } else {
    PutU32(u + kTcpSeq, flow.seq);
    u[kTcpDataOffset] = stamped ? 0x80 : 0x50;
    u[kTcpFlags] = 0x10;
  }
  flow.seq += static_cast<uint32_t>(payload);
  if ((shape & 64) != 0) {
    for (uint8_t n = in->U8() & 3; n > 0; n--) {
      const uint8_t at = in->U8();
      if (at < packet.size()) packet[at] = in->U8();
    }
    const uint8_t cut = in->U8();
    if (cut < packet.size() / 2) packet.resize(packet.size() - cut);
  }
  if ((shape & 128) == 0) RightChecksums(&packet);
  return packet;
}

inline VirtioHeader ReadVirtio(Input* in) {
  VirtioHeader header;
  header.flags = in->U8();
  header.gso_type = in->U8();
  header.gso_size = in->U16();
  header.csum_start = in->U8();
  header.csum_offset = in->U8();
  return header;
}

// Whether packets with "don't fragment" share an identification, which then means nothing and is renumbered when they are cut.
inline bool SharesIdentifications(const std::vector<Packet>& packets) {
  std::set<std::string> seen;
  for (const Packet& one : packets) {
    if (one.size() < 24 || (one[0] & 0xf0) != 0x40 || (one[6] & 0x40) == 0) continue;
    const std::string which(one.begin() + 4, one.begin() + 6), ends(one.begin() + 12, one.begin() + 24);
    if (!seen.insert(which + ends).second) return true;
  }
  return false;
}

// The packets in any order. `renumbered`: without the identifications that may have changed.
inline std::vector<std::string> Contents(std::vector<Packet> packets, bool renumbered) {
  std::vector<std::string> contents;
  for (Packet& one : packets) {
    if (renumbered && one.size() >= kIpv4 && (one[0] & 0xf0) == 0x40 && (one[6] & 0x40) != 0) one[4] = one[5] = one[10] = one[11] = 0;
    if (!one.empty()) contents.emplace_back(one.begin(), one.end());
  }
  std::sort(contents.begin(), contents.end());
  return contents;
}

inline std::vector<Packet> PacketsOf(const Owned& batch, size_t count) {
  std::vector<Packet> packets;
  for (size_t i = 0; i < count; i++) {
    const auto at = batch.arena.begin() + static_cast<std::ptrdiff_t>(batch.offsets[i]);
    packets.emplace_back(at, at + static_cast<std::ptrdiff_t>(batch.lengths[i]));
  }
  return packets;
}

// Packets until the input ends.
inline std::vector<Packet> ReadPackets(Input* in) {
  Flow flows[4];
  std::vector<Packet> packets;
  while (!in->IsEmpty() && packets.size() < 64) packets.push_back(ReadPacket(in, flows));
  return packets;
}

// Changes bytes of some packets of a batch, and says of how many.
inline size_t Damage(Input* in, Owned* batch, size_t count) {
  size_t damaged = 0;
  for (uint8_t n = in->U8() & 7; n > 0 && count > 0; n--) {
    const size_t at = in->U8() % count;
    const uint16_t where = in->U16();
    const uint8_t bits = in->U8();
    if (batch->lengths[at] == 0) continue;
    if ((where & 0x8000) != 0) batch->lengths[at] = static_cast<uint32_t>(where & 0x7fff) % (batch->lengths[at] + 1);
    else batch->arena[batch->offsets[at] + where % batch->lengths[at]] ^= bits;
    damaged++;
  }
  return damaged;
}

inline Call CallOf(Owned* src, Owned* dst) {
  Call call;
  call.src = src->Lend();
  call.dst = dst->Lend();
  call.last = src->offsets.size();
  Check(call.IsValid());
  return call;
}

}  // namespace culvert
