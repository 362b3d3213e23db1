// Where the headers of an IP packet lie.
#pragma once

#include <cstddef>
#include <cstdint>

namespace culvert {

constexpr size_t kIpv4 = 20;
constexpr size_t kIpv6 = 40;
constexpr size_t kTcp = 20;
constexpr size_t kUdp = 8;

constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;

// Of IPv4's flags, in byte 6 (RFC 791, section 3.1).
constexpr uint8_t kReservedBit = 0x80;

// Offsets in a TCP header (RFC 9293, section 3.1) and its flags.
constexpr size_t kTcpSeq = 4;
constexpr size_t kTcpAck = 8;
constexpr size_t kTcpDataOffset = 12;
constexpr size_t kTcpFlags = 13;
constexpr size_t kTcpWindow = 14;
constexpr size_t kTcpChecksum = 16;
constexpr size_t kTcpUrgent = 18;
constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kUrg = 0x20, kCwr = 0x80;

constexpr size_t kUdpLength = 4;
constexpr size_t kUdpChecksum = 6;

// Chosen: no train has longer headers. Bounds what is kept of them on the stack.
constexpr size_t kMaxHeaders = 512;
// Chosen: no honest packet has more.
constexpr int kMaxExtensionHeaders = 8;

enum class Kind {
  kForeign,  // no IP packet
  kOpaque,   // IP, but nothing else is known about it: a fragment, another protocol, lengths that contradict each other
  kFlow,     // whole TCP or UDP
};

struct Layout {
  bool ipv6 = false;
  bool udp = false;
  size_t transport = 0;  // where the TCP or UDP header begins
  size_t header = 0;     // where the payload begins

  size_t Checksum() const { return transport + (udp ? kUdpChecksum : kTcpChecksum); }
};

// `exact`: the lengths in the headers have to be `size`. Without it they are ignored.
Kind ReadLayout(const uint8_t* packet, size_t size, bool exact, Layout* layout);

// The sum of the pseudo-header without the upper layer's length.
uint64_t PseudoHeaderSum(const uint8_t* packet, const Layout& layout);

}  // namespace culvert
