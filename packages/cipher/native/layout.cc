#include "layout.h"

#include "bytes.h"
#include "checksum.h"

namespace culvert {
namespace {

constexpr uint8_t kHopByHop = 0, kRouting = 43, kDestinationOptions = 60;

Kind ReadUpper(const uint8_t* packet, size_t size, uint8_t protocol, bool exact, Layout* layout) {
  const uint8_t* upper = packet + layout->transport;
  const size_t left = size - layout->transport;
  if (protocol == kProtocolTcp) {
    if (left < kTcp) return Kind::kOpaque;
    const size_t header = static_cast<size_t>(upper[kTcpDataOffset] >> 4) * 4;
    if (header < kTcp || header > left) return Kind::kOpaque;
    layout->udp = false;
    layout->header = layout->transport + header;
    return Kind::kFlow;
  }
  if (protocol != kProtocolUdp || left < kUdp) return Kind::kOpaque;
  if (exact && TakeU16(upper + kUdpLength) != left) return Kind::kOpaque;
  layout->udp = true;
  layout->header = layout->transport + kUdp;
  return Kind::kFlow;
}

Kind ReadIpv4(const uint8_t* packet, size_t size, bool exact, Layout* layout) {
  if (size < kIpv4) return Kind::kOpaque;
  const size_t header = static_cast<size_t>(packet[0] & 15) * 4;
  if (header < kIpv4 || header > size || (exact && TakeU16(packet + 2) != size)) return Kind::kOpaque;
  if ((TakeU16(packet + 6) & 0x3fff) != 0) return Kind::kOpaque;
  layout->ipv6 = false;
  layout->transport = header;
  return ReadUpper(packet, size, packet[9], exact, layout);
}

Kind ReadIpv6(const uint8_t* packet, size_t size, bool exact, Layout* layout) {
  if (size < kIpv6 || (exact && kIpv6 + TakeU16(packet + 4) != size)) return Kind::kOpaque;
  uint8_t protocol = packet[6];
  size_t at = kIpv6;
  for (int n = 0; protocol == kHopByHop || protocol == kRouting || protocol == kDestinationOptions; n++) {
    if (n == kMaxExtensionHeaders || size - at < 8) return Kind::kOpaque;
    const size_t length = (static_cast<size_t>(packet[at + 1]) + 1) * 8;
    if (length > size - at) return Kind::kOpaque;
    protocol = packet[at];
    at += length;
  }
  layout->ipv6 = true;
  layout->transport = at;
  return ReadUpper(packet, size, protocol, exact, layout);
}

}  // namespace

Kind ReadLayout(const uint8_t* packet, size_t size, bool exact, Layout* layout) {
  if (size == 0) return Kind::kForeign;
  const uint8_t version = packet[0] >> 4;
  if (version == 4) return ReadIpv4(packet, size, exact, layout);
  return version == 6 ? ReadIpv6(packet, size, exact, layout) : Kind::kForeign;
}

uint64_t PseudoHeaderSum(const uint8_t* packet, const Layout& layout) {
  const uint64_t addresses = layout.ipv6 ? SumBytes(packet + 8, 32) : SumBytes(packet + 12, 8);
  return addresses + SumWord(layout.udp ? kProtocolUdp : kProtocolTcp);
}

}  // namespace culvert
