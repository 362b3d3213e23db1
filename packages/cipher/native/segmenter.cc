#include "segmenter.h"

namespace culvert {
namespace {

// A whole packet whose checksum is not complete yet.
SegmentPlan PlanComplete(SegmentPlan plan, const VirtioHeader& virtio) {
  plan.csum_start = virtio.csum_start;
  plan.csum_at = static_cast<size_t>(virtio.csum_start) + virtio.csum_offset;
  if (plan.csum_at + 2 <= plan.size) plan.what = SegmentPlan::What::kComplete;
  return plan;
}

bool IsOfType(const Layout& layout, uint8_t gso_type) {
  if (gso_type == kGsoUdp) return layout.udp;
  const uint8_t tcp = gso_type & static_cast<uint8_t>(~kGsoEcn);
  return !layout.udp && tcp == (layout.ipv6 ? kGsoTcp6 : kGsoTcp4);
}

SegmentPlan PlanCut(SegmentPlan plan, const uint8_t* packet, const VirtioHeader& virtio) {
  Layout& layout = plan.layout;
  if (ReadLayout(packet, plan.size, false, &layout) != Kind::kFlow || !IsOfType(layout, virtio.gso_type)) return plan;
  plan.partial = (virtio.flags & kNeedsCsum) != 0;
  if (plan.partial &&
      (virtio.csum_start != layout.transport || layout.transport + virtio.csum_offset != layout.Checksum()))
    return plan;
  plan.gso_size = virtio.gso_size;
  if (plan.gso_size == 0 || layout.header > kMaxHeaders) return plan;
  const size_t payload = plan.size - layout.header;
  const size_t largest = layout.header + (payload < plan.gso_size ? payload : plan.gso_size);
  if (largest > (layout.ipv6 ? kIpv6 : 0) + 0xffff) return plan;
  plan.segments = payload == 0 ? 1 : (payload + plan.gso_size - 1) / plan.gso_size;
  plan.bytes = payload + plan.segments * layout.header;
  plan.what = SegmentPlan::What::kCut;
  return plan;
}

// The pseudo-header's sum without a length. The kernel left it in the checksum field, with the length of the whole: on a source
// route it counts another destination than the IP header has.
uint64_t PartialSum(const uint8_t* packet, const SegmentPlan& plan) {
  const Layout& layout = plan.layout;
  const uint16_t whole = layout.udp ? TakeU16(packet + layout.transport + kUdpLength)
                                    : static_cast<uint16_t>(plan.size - layout.transport);
  uint16_t field;
  memcpy(&field, packet + layout.Checksum(), sizeof(field));
  return uint64_t{field} + (SumWord(whole) ^ 0xffff);
}

}  // namespace

SegmentPlan PlanSegments(const uint8_t* packet, size_t size) {
  const VirtioHeader virtio = TakeVirtio(packet - kVirtio);
  SegmentPlan plan;
  plan.size = plan.bytes = size;
  if (virtio.gso_type != kGsoNone) return PlanCut(plan, packet, virtio);
  if ((virtio.flags & kNeedsCsum) != 0) return PlanComplete(plan, virtio);
  plan.what = SegmentPlan::What::kAsItIs;
  return plan;
}

SegmentHeaders::SegmentHeaders(const uint8_t* packet, const SegmentPlan& plan) : layout_(plan.layout) {
  const Layout& layout = plan.layout;
  memcpy(bytes_, packet, layout.header);
  uint8_t* upper = bytes_ + layout.transport;
  if (!layout.ipv6) {
    id_ = TakeU16(bytes_ + 4);
    memset(bytes_ + 2, 0, 4);
    memset(bytes_ + 10, 0, 2);
    ip_sum_ = SumBytes(bytes_, layout.transport);
  }
  if (layout.udp) {
    memset(upper + kUdpLength, 0, 4);
  } else {
    seq_ = TakeU32(upper + kTcpSeq);
    flags_ = upper[kTcpFlags];
    memset(upper + kTcpSeq, 0, 4);
    upper[kTcpFlags] = 0;
    memset(upper + kTcpChecksum, 0, 2);
  }
  upper_sum_ = (plan.partial ? PartialSum(packet, plan) : PseudoHeaderSum(bytes_, layout)) +
               SumBytes(upper, layout.header - layout.transport);
}

void SegmentHeaders::Write(uint8_t* at, size_t index, size_t payload, size_t gso_size, bool last) const {
  const size_t size = layout_.header + payload;
  const uint16_t upper_length = static_cast<uint16_t>(size - layout_.transport);
  memcpy(at, bytes_, layout_.header);
  if (layout_.ipv6) {
    PutU16(at + 4, static_cast<uint16_t>(size - kIpv6));
  } else {
    const uint16_t id = static_cast<uint16_t>(id_ + index);
    PutU16(at + 2, static_cast<uint16_t>(size));
    PutU16(at + 4, id);
    PutChecksum(at + 10, ip_sum_ + SumWord(static_cast<uint16_t>(size)) + SumWord(id));
  }
  uint8_t* upper = at + layout_.transport;
  const uint64_t sum = upper_sum_ + SumWord(upper_length) + SumBytes(at + layout_.header, payload);
  if (!layout_.udp) return WriteTcp(upper, sum, index, gso_size, last);
  PutU16(upper + kUdpLength, upper_length);
  const uint16_t checksum = static_cast<uint16_t>(~Fold(sum + SumWord(upper_length)));
  PutSum(upper + kUdpChecksum, checksum == 0 ? 0xffff : checksum);
}

// FIN and PSH belong to the last segment, CWR to the first.
void SegmentHeaders::WriteTcp(uint8_t* upper, uint64_t sum, size_t index, size_t gso_size, bool last) const {
  const uint32_t seq = seq_ + static_cast<uint32_t>(index * gso_size);
  uint8_t flags = flags_;
  if (!last) flags &= static_cast<uint8_t>(~(kFin | kPsh));
  if (index != 0) flags &= static_cast<uint8_t>(~kCwr);
  PutU32(upper + kTcpSeq, seq);
  upper[kTcpFlags] = flags;
  PutChecksum(upper + kTcpChecksum, sum + SumWord(static_cast<uint16_t>(seq >> 16)) +
                                        SumWord(static_cast<uint16_t>(seq)) + SumWord(flags));
}

}  // namespace culvert
